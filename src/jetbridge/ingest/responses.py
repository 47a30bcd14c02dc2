"""What an endpoint says. Every error is JSON that no SDK misreads.

Segment's Python library retries an error whose body has no `code`; Java's needs a boolean `success`; Ruby's
shows `error`; Segment itself shows `message` in its debugger. So every error carries all four.
"""

from typing import NamedTuple

import msgspec

from jetbridge.errors import JetbridgeError

Headers = list[tuple[bytes, bytes]]

_JSON = (b"content-type", b"application/json")


class IngestResponse(NamedTuple):
    status: int
    body: bytes
    headers: Headers


class HTTPError(JetbridgeError):
    """The request is answered with this status; `code` is stable, the sentence is for a person."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        retry_after_seconds: int | None = None,
        allow: str = "",
        authenticate: str = "",
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.retry_after_seconds = retry_after_seconds
        self.allow = allow
        self.authenticate = authenticate


def json_response(value: object, status: int = 200) -> IngestResponse:
    return IngestResponse(status, msgspec.json.encode(value), [_JSON])


def error_response(error: HTTPError) -> IngestResponse:
    detail = str(error)
    response = json_response(
        {"success": False, "code": error.code, "message": detail, "error": detail}, error.status
    )
    if error.retry_after_seconds is not None:
        wait = str(error.retry_after_seconds).encode()
        response.headers.extend([(b"retry-after", wait), (b"x-ratelimit-reset", wait)])
    if error.allow:
        response.headers.append((b"allow", error.allow.encode()))
    if error.authenticate:
        response.headers.append((b"www-authenticate", error.authenticate.encode()))
    return response


#: Exactly 200 and exactly this: PHP's library loops for ever on 201 or 204, Java's needs the body.
SUCCESS = IngestResponse(200, b'{"success": true}', [_JSON])
