"""One HTTP call to a service: a response of whatever status, or a TransientError if there was none.

No retries happen here: the caller holds the ledger's position and owns them. No redirect is followed, so that none
leads around the guard over addresses. What comes back is bounded in time, in size, and in the size of its headers.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Lock
from typing import NamedTuple
from urllib.parse import urlsplit

import urllib3

from jetbridge.errors import Backpressure, TransientError
from jetbridge.heartbeat import beat
from jetbridge.http.connection import ResponseTooLarge, allow_bytes, budget, exchange, new_pool_manager
from jetbridge.text import one_line, pluralize, printable

#: How long a call may take as a whole: where a person waits for it, and where nobody does.
PAGE_SECONDS, WORKER_SECONDS = 10.0, 45.0
#: The largest body, decompressed. Mailjet's largest are pages of 1,000 rows and error files of jobs, some MB.
BODY_BYTES = 16 * 1024 * 1024
#: Status line and headers, with those of any 1xx before them.
HEADER_BYTES = 128 * 1024
#: What chunks of a body may add to it on the wire.
_FRAMING_BYTES = 1024 * 1024
_PIECE_BYTES = 256 * 1024
#: Longest pause that a Retry-After can ask for. A service that says "next year", or whose clock is wrong, would stop us
#: for good; asked once an hour, it is bothered by nobody.
LONGEST_RETRY_AFTER_SECONDS = 3_600.0
#: How much of a response is kept for a person to read.
EXCERPT_CHARACTERS = 2_000

TIMEOUT, NETWORK = "TIMEOUT", "NETWORK"
RESPONSE_TOO_LARGE = "RESPONSE_TOO_LARGE"

#: How urllib3 begins what it says: with the object that it happened to.
_POOL = re.compile(r"^\w*(?:Connection|Pool)\(host=[^)]*\): |^\('(.*?)', ?.*\)$")

_pools = new_pool_manager()


class HTTPResponse(NamedTuple):
    status: int
    content_type: str
    retry_after: str | None
    body: bytes
    #: Where a redirect leads to, as it was sent.
    location: str = ""


class CallLimit:
    """How many calls this process makes at once, in all and to one host. No limit until `set`. Thread-safe."""

    def __init__(self) -> None:
        self._total = self._per_host = 1_000_000
        self._running: dict[str, int] = {}
        self._lock = Lock()

    def set(self, total: int, per_host: int) -> None:
        self._total, self._per_host = total, per_host

    @contextmanager
    def slot(self, host: str) -> Iterator[None]:
        """Raises Backpressure where as many are made already: who waits for them holds a thread."""
        with self._lock:
            running = self._running.get(host, 0)
            if running >= self._per_host or sum(self._running.values()) >= self._total:
                raise Backpressure(
                    f"Jetbridge is waiting for {host} in {pluralize(running, 'other request')}. Try again in a few seconds."
                )
            self._running[host] = running + 1
        try:
            yield
        finally:
            with self._lock:
                self._running[host] -= 1
                if not self._running[host]:
                    del self._running[host]


#: The web process sets it; the worker has as many calls as threads.
CALL_LIMIT = CallLimit()


class Service:
    """A service by its name for people and its address. Thread-safe; connections are shared by the process.

    `trusted`: the operator gave the address, not an editor of a workspace, so that any machine may be called.
    """

    def __init__(self, name: str, url: str, *, timeout_seconds: float, trusted: bool = False) -> None:
        self.name = name
        self.url = url
        self.timeout_seconds = timeout_seconds
        self._trusted = trusted

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
        beginning_only: bool = False,
    ) -> HTTPResponse:
        """Block until answered, for the time limit of the service at the most.

        `beginning_only`: of the body, no more is read than a person is shown.

        Raises TransientError; PauseError for an address that may not be called; Backpressure where CALL_LIMIT is
        reached.
        """
        beat()
        where = f"{method} {path.partition('?')[0]}" if path else method
        response: urllib3.BaseHTTPResponse | None = None
        with CALL_LIMIT.slot(self.host), budget(self.timeout_seconds, trusted=self._trusted):
            try:
                with exchange(HEADER_BYTES):
                    response = _pools.request(
                        method, f"{self.url}{path}", body=body, headers=headers,
                        retries=False, redirect=False, preload_content=False,
                    )  # fmt: skip
                allow_bytes(BODY_BYTES + _FRAMING_BYTES)
                content = _read_beginning(response) if beginning_only else _read(response)
            except ResponseTooLarge:
                raise self._too_large(where, response) from None
            except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
                raise self._unanswered(where, error, mask, response) from None
        return HTTPResponse(
            response.status,
            response.headers.get("Content-Type", ""),
            response.headers.get("Retry-After"),
            content,
            response.headers.get("Location", ""),
        )

    def _too_large(self, where: str, response: urllib3.BaseHTTPResponse | None) -> TransientError:
        what = f"a response of more than {BODY_BYTES // 2**20} MB" if response else "endless headers"
        return TransientError(
            RESPONSE_TOO_LARGE,
            f"{self.name} at {self.host} sent {what}, which is not read on. ({where})",
            status=response.status if response else None,
        )

    def _unanswered(
        self,
        where: str,
        error: Exception,
        mask: Callable[[str], str],
        response: urllib3.BaseHTTPResponse | None,
    ) -> TransientError:
        if _is_timeout(error):
            sentence = f"{self.name} at {self.host} did not answer in {self.timeout_seconds:g} s. ({where})"
            return TransientError(TIMEOUT, sentence)
        words = one_line(_POOL.sub(r"\1", mask(str(error))))[:200]
        happened = "broke off its response" if response else "cannot be reached"
        sentence = f"{self.name} at {self.host} {happened}. ({where}: {words})"
        return TransientError(NETWORK, sentence, status=response.status if response else None)


def _is_timeout(error: Exception) -> bool:
    # A refused connection is a NewConnectionError, which urllib3 2 counts among the timeouts, too.
    if isinstance(error, urllib3.exceptions.NewConnectionError):
        return False
    # While sending, it is packed into a ProtocolError.
    errors = (error, *error.args)
    return any(isinstance(each, TimeoutError | urllib3.exceptions.TimeoutError) for each in errors)


def _read(response: urllib3.BaseHTTPResponse) -> bytes:
    """The body, decompressed piece by piece. Raises ResponseTooLarge before more than BODY_BYTES are in memory."""
    content = bytearray()
    try:
        _check_size(response.length_remaining or 0)  # as announced
        for piece in response.stream(_PIECE_BYTES, decode_content=True):
            content += piece
            _check_size(len(content))
    except BaseException:
        response.close()  # the rest is not read: the connection is of no use any more
        raise
    response.release_conn()
    return bytes(content)


def _check_size(size: int) -> None:
    if size > BODY_BYTES:
        raise ResponseTooLarge


def _read_beginning(response: urllib3.BaseHTTPResponse) -> bytes:
    try:
        return next(response.stream(EXCERPT_CHARACTERS, decode_content=True), b"")
    finally:
        response.close()


def excerpt(body: bytes, mask: Callable[[str], str] = str) -> str:
    """The beginning of a response as plain text, for a person."""
    text = mask(body[: 4 * EXCERPT_CHARACTERS].decode("utf-8", "replace"))
    return printable(text, keep="\n\t", instead=" ")[:EXCERPT_CHARACTERS]


def retry_after_seconds(header: str | None, now: datetime | None = None) -> float | None:
    """Seconds of a Retry-After header in either of its forms, an hour at the most; None if it cannot be understood."""
    if not header:
        return None
    digits = header.strip()  # float() strips fewer characters
    if digits.isdecimal():
        return min(float(digits), LONGEST_RETRY_AFTER_SECONDS)
    try:
        at = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    seconds = (at - (now or datetime.now(UTC))).total_seconds()
    return min(max(0.0, seconds), LONGEST_RETRY_AFTER_SECONDS)
