"""One HTTP call to a service: a response of whatever status, or a TransientError if there was none.

No retries happen here: the caller holds the ledger's position and owns them. No redirect is followed, so that none
leads around the guard over addresses. What comes back is bounded in time, in size, and in the size of its headers.

Connections keep to a budget of time and bytes, and go to no machine that was not checked. urllib3's own time limit holds for each
silence, so a byte a second holds a thread for ever; and it knows no limit of size. Here every read and write of a socket takes
what is left of its call's budget, whatever it is for: connecting, TLS, headers, body. urllib3 decides when to connect; which machine
is decided and checked here (`addresses`), so a name that resolves differently the next time is checked the next time.
"""

import logging
import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple, cast
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NameResolutionError, NewConnectionError
from urllib3.util.ssl_ import create_urllib3_context

from jetbridge.errors import Backpressure, TransientError
from jetbridge.heartbeat import beat
from jetbridge.http import addresses
from jetbridge.text import one_line, pluralize, printable

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

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

#: For all machines of a name together: one that does not respond should not take the time of the call.
CONNECT_SECONDS = 10.0

TIMEOUT, NETWORK = "TIMEOUT", "NETWORK"
RESPONSE_TOO_LARGE = "RESPONSE_TOO_LARGE"

#: How urllib3 begins what it says: with the object that it happened to.
_POOL = re.compile(r"^\w*(?:Connection|Pool)\(host=[^)]*\): |^\('(.*?)', ?.*\)$")


class _ResponseTooLarge(Exception):
    """More came than a response may have."""


class _Budget(threading.local):
    """Of the call that this thread makes. `deadline` is on the monotonic clock."""

    deadline = float("inf")
    #: Of all calls inside a `time_limit`.
    latest = float("inf")
    bytes_left = 0
    #: The operator gave the address: no guard.
    trusted = False
    #: The one that was used last.
    sock: socket.socket | None = None

    def seconds_left(self) -> float:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left

    def spend(self, sock: socket.socket) -> None:
        """Let the next step of this socket take no more than what is left."""
        self.sock = sock
        sock.settimeout(self.seconds_left())


_budget = _Budget()


@contextmanager
def _call_budget(seconds: float, *, trusted: bool) -> Iterator[None]:
    """The call inside, in this thread, ends in so many seconds."""
    _budget.deadline, _budget.trusted = min(_budget.latest, time.monotonic() + seconds), trusted
    try:
        yield
    finally:
        _budget.deadline, _budget.sock = float("inf"), None


@contextmanager
def _exchange(head_bytes: int) -> Iterator[None]:
    """From the connection to the response's header: where that fails, its socket is closed.

    urllib3 leaves some to the garbage collector. From the response on they are its business: when a body has come to its
    end, the connection may belong to another thread.
    """
    _budget.bytes_left, _budget.sock = head_bytes, None
    try:
        yield
    except BaseException:
        if _budget.sock is not None and (handle := _budget.sock.detach()) >= 0:
            os.close(handle)
        raise


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """All calls inside, in this thread, end in so many seconds together."""
    before = _budget.latest
    _budget.latest = min(before, time.monotonic() + seconds)
    try:
        yield
    finally:
        _budget.latest = before


class _Socket(socket.socket):
    def recv_into(self, buffer: "WriteableBuffer", nbytes: int = 0, flags: int = 0) -> int:
        _budget.spend(self)
        return _counted(super().recv_into(buffer, nbytes, flags))

    def sendall(self, data: "ReadableBuffer", flags: int = 0) -> None:
        _budget.spend(self)
        super().sendall(data, flags)


class _TLSSocket(ssl.SSLSocket):
    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - the signature of ssl
        _budget.spend(self)
        super().do_handshake(block)

    def recv_into(self, buffer: "WriteableBuffer", nbytes: int | None = None, flags: int = 0) -> int:
        _budget.spend(self)
        return _counted(super().recv_into(buffer, nbytes, flags))

    def send(self, data: "ReadableBuffer", flags: int = 0) -> int:  # sendall() calls it
        _budget.spend(self)
        return super().send(data, flags)


def _counted(received: int) -> int:
    _budget.bytes_left -= received
    if _budget.bytes_left < 0:
        raise _ResponseTooLarge
    return received


def _connect(connection: HTTPConnection, scheme: str) -> socket.socket:
    """A socket to the first machine of the connection's host that accepts one."""
    seconds = min(CONNECT_SECONDS, _budget.seconds_left())
    end = time.monotonic() + seconds
    host, port = connection._dns_host, connection.port  # noqa: SLF001 - with a dot at the end, if it has one
    try:
        if _budget.trusted:
            machines = addresses.any_machines(host, port, seconds)
        else:
            machines = addresses.machines(scheme, host, port, seconds)
    except TimeoutError:
        raise
    except OSError as error:
        raise NameResolutionError(host, connection, cast("socket.gaierror", error)) from error
    problem: OSError = OSError("the host has no address")
    for number, machine in enumerate(machines):
        sock = _Socket(machine.family, socket.SOCK_STREAM)
        try:
            sock.settimeout(max(0.01, (end - time.monotonic()) / (len(machines) - number)))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.connect(machine.sockaddr)
        except OSError as error:
            sock.close()
            problem = error
        else:
            return sock
    if isinstance(problem, TimeoutError):
        raise problem
    raise NewConnectionError(connection, f"Failed to establish a new connection: {problem}") from problem


class _Connection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _connect(self, "http")


class _TLSConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _connect(self, "https")


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


def _pool_manager() -> urllib3.PoolManager:
    """A PoolManager reads no proxy from the environment: a proxy would be the one to choose the machine."""
    # It writes every odd header of a stranger into the log, with a stack trace.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    context = create_urllib3_context()
    context.load_default_certs()
    context.sslsocket_class = _TLSSocket
    manager = urllib3.PoolManager(num_pools=64, maxsize=4, ssl_context=context, retries=False)
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}
    return manager


_pools = _pool_manager()


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
        """Block until there is a response, for the time limit of the service at the most.

        `beginning_only`: of the body, no more is read than a person is shown.

        Raises TransientError; PauseError for an address that may not be called; Backpressure where CALL_LIMIT is
        reached.
        """
        beat()
        where = f"{method} {path.partition('?')[0]}" if path else method
        response: urllib3.BaseHTTPResponse | None = None
        with CALL_LIMIT.slot(self.host), _call_budget(self.timeout_seconds, trusted=self._trusted):
            try:
                with _exchange(HEADER_BYTES):
                    response = _pools.request(
                        method, f"{self.url}{path}", body=body, headers=headers,
                        retries=False, redirect=False, preload_content=False,
                    )  # fmt: skip
                _budget.bytes_left = BODY_BYTES + _FRAMING_BYTES
                content = _read(response, beginning_only=beginning_only)
            except _ResponseTooLarge:
                what = f"a response of more than {BODY_BYTES // 2**20} MB" if response else "endless headers"
                raise TransientError(
                    RESPONSE_TOO_LARGE,
                    f"{self.name} at {self.host} sent {what}, which is not read on. ({where})",
                    status=response.status if response else None,
                ) from None
            except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
                raise self._no_response(where, error, mask, response) from None
        return HTTPResponse(
            response.status,
            response.headers.get("Content-Type", ""),
            response.headers.get("Retry-After"),
            content,
            response.headers.get("Location", ""),
        )

    def _no_response(
        self,
        where: str,
        error: Exception,
        mask: Callable[[str], str],
        response: urllib3.BaseHTTPResponse | None,
    ) -> TransientError:
        # While sending, a timeout is packed into a ProtocolError. A refused connection is a NewConnectionError, which urllib3 2 counts
        # among the timeouts, too.
        if not isinstance(error, NewConnectionError) and any(
            isinstance(cause, TimeoutError | urllib3.exceptions.TimeoutError)
            for cause in (error, *error.args)
        ):
            message = f"{self.name} at {self.host} did not respond in {self.timeout_seconds:g} s. ({where})"
            return TransientError(TIMEOUT, message)
        words = one_line(_POOL.sub(r"\1", mask(str(error))))[:200]
        happened = "broke off its response" if response else "cannot be reached"
        message = f"{self.name} at {self.host} {happened}. ({where}: {words})"
        return TransientError(NETWORK, message, status=response.status if response else None)


def _read(response: urllib3.BaseHTTPResponse, *, beginning_only: bool) -> bytes:
    """The body, decompressed piece by piece. Raises _ResponseTooLarge before more than BODY_BYTES are in memory."""
    content = bytearray()
    try:
        if beginning_only:
            content += next(response.stream(EXCERPT_CHARACTERS, decode_content=True), b"")
            response.close()
            return bytes(content)
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
        raise _ResponseTooLarge


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
