"""What a door says. Every error is JSON that no SDK misreads.

Segment's Python library retries an error whose body has no `code`; Java's needs a boolean `success`; Ruby's
shows `error`; Segment itself shows `message` in its debugger. So every error carries all four.
"""

from typing import NamedTuple

import msgspec

from jetbridge.errors import JetbridgeError

Headers = list[tuple[bytes, bytes]]

_JSON = (b"content-type", b"application/json")


class Answer(NamedTuple):
    status: int
    body: bytes
    headers: Headers


class Refused(JetbridgeError):
    """The request is answered with this status; `code` is stable, the sentence is for a person."""

    def __init__(
        self,
        status: int,
        code: str,
        sentence: str,
        *,
        retry_after_seconds: int | None = None,
        allow: str = "",
        authenticate: str = "",
    ) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code
        self.retry_after_seconds = retry_after_seconds
        self.allow = allow
        self.authenticate = authenticate


def json_answer(value: object, status: int = 200) -> Answer:
    return Answer(status, msgspec.json.encode(value), [_JSON])


def refusal(error: Refused) -> Answer:
    sentence = str(error)
    answer = json_answer(
        {"success": False, "code": error.code, "message": sentence, "error": sentence}, error.status
    )
    if error.retry_after_seconds is not None:
        wait = str(error.retry_after_seconds).encode()
        answer.headers.extend([(b"retry-after", wait), (b"x-ratelimit-reset", wait)])
    if error.allow:
        answer.headers.append((b"allow", error.allow.encode()))
    if error.authenticate:
        answer.headers.append((b"www-authenticate", error.authenticate.encode()))
    return answer


#: Exactly 200 and exactly this: PHP's library loops for ever on 201 or 204, Java's needs the body.
SUCCESS = Answer(200, b'{"success": true}', [_JSON])
