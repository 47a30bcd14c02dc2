"""Segment's Tracking API: one batch per call, and what its answer means.

Sources: Segment docs, "HTTP API" (limits, write key, 400 for large payloads and bad JSON) and partner rules
(at most 50 requests a second, batches included). Which statuses are worth another try follows Segment's own
Node library: 408, 410, 429, 460 and 5xx.
"""

import base64
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

from jetbridge import __version__
from jetbridge.delivery.retry import REFUSED, BatchRefused
from jetbridge.errors import PauseError, TransientError
from jetbridge.http.client import WORKER_SECONDS, HTTPResponse, Service, excerpt, retry_after_seconds
from jetbridge.spec.untrusted import JSON_ERRORS, read_untrusted

#: One call at most. Segment refuses calls of more than 32 KB.
MESSAGE_BYTES: Final = 32 * 1024
#: One request at most, with room for its envelope. Segment refuses requests of more than 500 KB.
BATCH_BYTES: Final = 475_000
BATCH_MESSAGES: Final = 2_500
#: Segment asks partners for no more than 50 requests a second.
PACE_SECONDS: Final = 0.02

#: The code of a success that is not one: an empty body, somebody's page, `{"success": false}`.
INVALID_RESPONSE: Final = "INVALID_RESPONSE"

_AGAIN = frozenset({408, 410, 425, 429, 460})
PATH: Final = "/v1/batch"


class SegmentClient:
    """One write key. For one thread. repr() shows no secret."""

    def __init__(
        self,
        endpoint: str,
        write_key: str,
        *,
        timeout_seconds: float = WORKER_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._service = Service("Segment", endpoint.rstrip("/"), timeout_seconds=timeout_seconds)
        self._write_key = write_key
        self._token = base64.b64encode(f"{write_key}:".encode()).decode()
        # Segment's partner rules ask for the key in the header, its HTTP API page for the key in the body.
        self._headers = {
            "Authorization": f"Basic {self._token}",
            "Content-Type": "application/json",
            "User-Agent": f"jetbridge/{__version__}",
        }
        self._clock, self._sleep, self._now = clock, sleep, now
        self._next_at = float("-inf")

    def __repr__(self) -> str:
        return f"SegmentClient({self._service.host})"

    def send(self, messages: Sequence[bytes]) -> None:
        """Send encoded calls as one batch; they must be within the limits. Blocks, also to keep the pace.

        Returns when Segment has taken them. Raises BatchRefused, TransientError or PauseError.
        """
        if error := self.error_of(self.call(messages)):
            raise error

    def call(self, messages: Sequence[bytes]) -> HTTPResponse:
        """Send one batch and return whatever response there is. Raises TransientError, or PauseError."""
        self._keep_pace()
        return self._service.call(
            "POST", PATH, headers=self._headers, body=self._body(messages), mask=self.mask
        )

    def _keep_pace(self) -> None:
        if (wait := self._next_at - self._clock()) > 0:
            self._sleep(wait)
        self._next_at = max(self._clock(), self._next_at) + PACE_SECONDS

    def _body(self, messages: Sequence[bytes]) -> bytes:
        rest = msgspec.json.encode({"sentAt": self._now(), "writeKey": self._write_key})
        return b'{"batch":[' + b",".join(messages) + b"]," + rest[1:]

    def error_of(self, response: HTTPResponse) -> PauseError | TransientError | BatchRefused | None:
        """What a response means; None: Segment has taken the calls."""
        if has_taken(response):
            return None
        status, text = response.status, excerpt(response.body, self.mask)
        where = f"({self._service.host}{PATH}: {status})"
        if 200 <= status < 300:
            message = (
                "What answered is not Segment's Tracking API, or did not take the calls: its response is not "
                f'{{"success": true}}. Correct the endpoint, or what stands between. {where}'
            )
            return TransientError(INVALID_RESPONSE, message, status=status, response=text)
        if status in _AGAIN or status >= 500:
            wait = retry_after_seconds(response.retry_after)
            code = "TOO_MANY_REQUESTS" if status == 429 else "SERVER_ERROR"
            message = f"Segment cannot take calls at the moment. {where}"
            return TransientError(code, message, status=status, response=text, retry_after_seconds=wait)
        if status in {401, 403}:
            message = f"Segment refuses the write key. Enter the key of a Segment source again. {where}"
            return PauseError("INVALID_AUTHENTICATION", message, status=status, response=text)
        if status in {400, 413, 422}:
            return BatchRefused(REFUSED, f"Segment refuses the call. {where}", status=status, response=text)
        message = f"There is no Tracking API of Segment at this address. Correct the endpoint. {where}"
        return PauseError("INVALID_URL", message, status=status, response=text)

    def mask(self, text: str) -> str:
        return text.replace(self._write_key, "***").replace(self._token, "***")


class _Success(msgspec.Struct):
    success: Literal[True]


def has_taken(response: HTTPResponse) -> bool:
    """Segment answers 200 with `{"success": true}`, whatever it takes (its edge checks nothing else).

    RudderStack's data plane, which takes the same calls, answers `OK` in plain text.
    """
    if response.status != 200:
        return False
    if response.body.strip() == b"OK" and response.content_type.startswith("text/plain"):
        return True
    try:
        return read_untrusted(response.body, _Success).success
    except JSON_ERRORS:
        return False
