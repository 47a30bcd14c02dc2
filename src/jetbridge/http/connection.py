"""Connections that keep to a budget of time and bytes, and go to no machine that was not checked.

urllib3's own time limit holds for each silence, so a byte a second holds a thread for ever; and it knows no limit of
size. Here every read and write of a socket takes what is left of its call's budget, whatever it is for: connecting,
TLS, headers, body. urllib3 decides when to connect; which machine is decided and checked here (`addresses`), so a
name that resolves differently the next time is checked the next time.
"""

import logging
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NameResolutionError, NewConnectionError
from urllib3.util.ssl_ import create_urllib3_context

from jetbridge.http import addresses
from jetbridge.http.addresses import Machine

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

#: For all machines of a name together: one that does not answer should not take the time of the call.
CONNECT_SECONDS = 10.0


class ResponseTooLarge(Exception):
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
def budget(seconds: float, *, trusted: bool) -> Iterator[None]:
    """The call inside, in this thread, ends in so many seconds."""
    _budget.deadline, _budget.trusted = min(_budget.latest, time.monotonic() + seconds), trusted
    try:
        yield
    finally:
        _budget.deadline, _budget.sock = float("inf"), None


@contextmanager
def exchange(head_bytes: int) -> Iterator[None]:
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


def allow_bytes(count: int) -> None:
    """From here on the call may read so many bytes."""
    _budget.bytes_left = count


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
        raise ResponseTooLarge
    return received


def _connect(connection: HTTPConnection, scheme: str) -> socket.socket:
    """A socket to the first machine of the connection's host that answers."""
    seconds = min(CONNECT_SECONDS, _budget.seconds_left())
    end = time.monotonic() + seconds
    host, port = connection._dns_host, connection.port  # noqa: SLF001 - with a dot at the end, if it has one
    try:
        if _budget.trusted:
            found = addresses.any_machines(host, port, seconds)
        else:
            found = addresses.machines(scheme, host, port, seconds)
    except TimeoutError:
        raise
    except OSError as error:
        raise NameResolutionError(host, connection, cast("socket.gaierror", error)) from error
    return _first_connected(connection, found, end)


def _first_connected(connection: HTTPConnection, found: Sequence[Machine], end: float) -> socket.socket:
    problem: OSError = OSError("the host has no address")
    for number, machine in enumerate(found):
        sock = _Socket(machine.family, socket.SOCK_STREAM)
        try:
            sock.settimeout(max(0.01, (end - time.monotonic()) / (len(found) - number)))
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


def _tls() -> ssl.SSLContext:
    context = create_urllib3_context()
    context.load_default_certs()
    context.sslsocket_class = _TLSSocket
    return context


def new_pool_manager() -> urllib3.PoolManager:
    """A PoolManager reads no proxy from the environment: a proxy would be the one to choose the machine."""
    # It writes every odd header of a stranger into the log, with a stack trace.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    manager = urllib3.PoolManager(num_pools=64, maxsize=4, ssl_context=_tls(), retries=False)
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}
    return manager
