"""One HTTP call to a service: an answer of whatever status, or a TransientError if there was none.

No retries and no redirects happen here: the caller holds the ledger's position and owns both.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import urlsplit

import urllib3

from jetbridge.errors import TransientError

#: How urllib3 begins what it says: with the object that it happened to.
_POOL = re.compile(r"^HTTPS?Connection(Pool)?\(host=[^)]*\): ")
#: How much of an answer is kept for a person to read.
ANSWER_CHARACTERS = 2_000


class HttpAnswer(NamedTuple):
    status: int
    content_type: str
    retry_after: str | None
    body: bytes


class Service:
    """A service by its name for people and its address. Thread-safe."""

    def __init__(
        self, name: str, url: str, *, timeout_seconds: float, pool: urllib3.PoolManager | None = None
    ) -> None:
        self.name = name
        self.url = url.rstrip("/")
        self._timeout = urllib3.Timeout(connect=min(10.0, timeout_seconds), read=timeout_seconds)
        self._pool = pool or urllib3.PoolManager(maxsize=4)

    @property
    def host(self) -> str:
        """Host and port, without credentials."""
        return urlsplit(self.url).netloc.rpartition("@")[2]

    def call(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        mask: Callable[[str], str] = str,
    ) -> HttpAnswer:
        """Block until answered. The timeout holds for connecting and for each silence, not for the sum."""
        try:
            response = self._pool.request(
                method,
                f"{self.url}{path}",
                body=body,
                headers=headers,
                timeout=self._timeout,
                retries=False,
                redirect=False,
            )
        except urllib3.exceptions.HTTPError as error:
            call = f"{method} {path.partition('?')[0]}"
            raise self._unanswered(call, error, mask) from None
        return HttpAnswer(
            response.status,
            response.headers.get("Content-Type", ""),
            response.headers.get("Retry-After"),
            response.data,
        )

    def _unanswered(
        self, call: str, error: urllib3.exceptions.HTTPError, mask: Callable[[str], str]
    ) -> TransientError:
        # A refused connection is a NewConnectionError, which urllib3 2 counts among the timeouts, too.
        refused = isinstance(error, urllib3.exceptions.NewConnectionError)
        if isinstance(error, urllib3.exceptions.TimeoutError) and not refused:
            return TransientError("TIMEOUT", f"{self.name} at {self.host} did not answer in time. ({call})")
        words = _POOL.sub("", mask(str(error)))[:200]
        return TransientError("NETWORK", f"{self.name} at {self.host} cannot be reached. ({call}: {words})")


def is_address(text: str) -> bool:
    """Whether it is an address that HTTP calls can go to."""
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def retry_after_seconds(header: str | None, now: datetime | None = None) -> float | None:
    """Seconds of a Retry-After header in either of its forms; None if there is none to be understood."""
    if not header:
        return None
    if header.strip().isdecimal():
        return float(header)
    try:
        at = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - (now or datetime.now(UTC))).total_seconds())
