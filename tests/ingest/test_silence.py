"""Connections that say nothing, little or nothing more, and clients that do not read: closed in time, and in nobody's way."""

import resource
import select
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
import urllib3
from starlette.responses import PlainTextResponse

from jetbridge.ingest import server as ingest_server

SILENT = 4_200
OF_EACH_OTHER_KIND = 20

#: What a connection has said before it falls silent.
SAID = {
    "half a header": b"POST /v1/identify HTTP/1.1\r\nHost: x\r\nX-Half: ",
    "half a request line": b"G",
    "HTTP/2 by prior knowledge": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    "a whole request": b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
}
TRICKLE = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: " + b"x" * 500


@pytest.fixture
def connect(web_port: int) -> Iterator[Callable[[], socket.socket]]:
    with ExitStack() as stack:

        def connect() -> socket.socket:
            return stack.enter_context(socket.create_connection(("127.0.0.1", web_port), timeout=30))

        yield connect


@pytest.fixture
def web_port(free_port: Callable[[], int], home: Any, start_jetbridge: Any) -> int:
    port = free_port()
    env = {"JETBRIDGE_PORT": str(port)}
    start_jetbridge("web", env=env, health=f"http://127.0.0.1:{port}/healthz")
    return port


@pytest.fixture
def many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = SILENT + 1_000
    if soft != resource.RLIM_INFINITY and soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            pytest.skip(f"{wanted} open files are not allowed here")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def trickle(connection: socket.socket) -> None:
    """A byte a second, until the server has enough of it."""
    try:
        for byte in TRICKLE:
            connection.sendall(bytes([byte]))
            time.sleep(1)
    except OSError:
        return


def still_open(connections: list[socket.socket]) -> list[socket.socket]:
    """Without those that the server has closed; what it said before is read."""
    poll = select.poll()
    by_number = {connection.fileno(): connection for connection in connections}
    for number in by_number:
        poll.register(number, select.POLLIN)
    for number, _ in poll.poll(0):
        try:
            closed = by_number[number].recv(65536) == b""
        except OSError:
            closed = True
        if closed:
            del by_number[number]
    return list(by_number.values())


@pytest.mark.acceptance
def test_thousands_of_silent_connections_shut_nobody_out_and_are_closed(
    many_files: None, web_port: int, connect: Callable[[], socket.socket], eventually: Any
) -> None:
    connections = [connect() for _ in range(SILENT)]
    for said in SAID.values():
        for _ in range(OF_EACH_OTHER_KIND):
            connections.append(connect())
            connections[-1].sendall(said)
    trickling = connect()
    connections.append(trickling)
    with ThreadPoolExecutor(1) as threads:
        threads.submit(trickle, trickling)
        began = time.monotonic()
        for path in ("/healthz", "/readyz", "/login") * 3:  # each by a connection of its own
            url = f"http://127.0.0.1:{web_port}{path}"
            assert urllib3.request("GET", url, retries=False, timeout=10).status == 200
        assert time.monotonic() - began < ingest_server.HEADER_SECONDS, "served only once others were closed"
        left = connections

        def none_is_left() -> bool:
            nonlocal left
            left = still_open(left)
            return not left

        eventually(none_is_left, "all of them are closed", seconds=3 * ingest_server.HEADER_SECONDS)


@pytest.mark.acceptance
def test_a_stop_does_not_wait_for_who_never_ends(
    home: Any, free_port: Callable[[], int], start_jetbridge: Any
) -> None:
    """`serve` kills what has not stopped after 15 seconds; nobody's half a request may bring that about."""
    port = free_port()
    serve = start_jetbridge("serve", "--port", str(port), health=f"http://127.0.0.1:{port}/healthz")
    never_ending = [b"", *SAID.values(), b"POST /v1/i HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"]
    with ExitStack() as stack:
        for said in never_ending:
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            connection.sendall(said)
        time.sleep(0.5)  # all of it has arrived
        assert serve.stop(seconds=30) == 0
    assert "killed" not in serve.output()
    assert serve.output().splitlines()[-1] == "Jetbridge has stopped."


def test_a_client_that_does_not_read_is_left(serve: Any, eventually: Any) -> None:
    # More than the kernels of both sides take: their buffers grow to some megabytes.
    server = serve(console=PlainTextResponse(b"x" * 64_000_000))
    ingest_server.limit_unread(server.port, 1.0)
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect(("127.0.0.1", server.port))
        reader.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: is_reset(reader), "the server has gone", seconds=30)
    assert server.get("/healthz").status == 200


def is_reset(connection: socket.socket) -> bool:
    """Without reading: what is sent to a connection that has ended at the other side comes back as a reset."""
    try:
        connection.send(b"x")
    except OSError:
        return True
    return False
