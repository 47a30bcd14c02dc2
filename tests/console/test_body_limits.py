"""Bodies of pages and API: counted before Django sees them, on any path, whoever sends them."""

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import urllib3
from tests.pages import collapsed

from ..processes import free_port, starting  # noqa: TID252 - tests are no package

LIMIT = 3 * 2**20
PATHS = ["/login", "/", "/nothing/at/all", "/w/1/sources/", "/static/console/console.css", "/first-run/x"]
API = ["/api/v1/workspace", "/api/v1/nothing"]


@pytest.fixture(scope="module")
def port(homes: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Of a web process."""
    port = free_port()
    homes.empty()
    homes.shared = True
    with starting(tmp_path_factory.mktemp("web")) as start:
        start("web", env={"JETBRIDGE_PORT": str(port)}, health=f"http://127.0.0.1:{port}/healthz")
        yield port
    homes.shared = False


def exchange(port: int, head: str, pieces: Iterator[bytes], *, seconds: float = 40.0) -> bytes:
    """Send it all, as far as it is taken, and read what comes back; an OSError if that got lost."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=seconds)) as connection:
        connection.sendall(head.encode())
        for piece in pieces:
            connection.sendall(piece)
        response = b""
        while b"\r\n\r\n" not in response or len(response) < length_of(response):
            more = connection.recv(65536)
            if not more:
                break
            response += more
        return response


def length_of(response: bytes) -> int:
    head = response.partition(b"\r\n\r\n")[0]
    (length,) = re.findall(rb"(?i)content-length: (\d+)", head)
    return len(head) + 4 + int(length)


def declared(path: str, size: int, method: str = "POST") -> str:
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n"


def chunked(path: str) -> str:
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"


def zeros(size: int) -> Iterator[bytes]:
    for start in range(0, size, 2**20):
        yield bytes(min(2**20, size - start))


def chunks(size: int) -> Iterator[bytes]:
    for piece in zeros(size):
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


@pytest.mark.parametrize("path", PATHS[:4] + API)
@pytest.mark.parametrize("is_chunked", ["declared", "chunked"])
def test_a_body_over_the_limit_is_413(port: int, path: str, is_chunked: str) -> None:
    size = LIMIT + 1_000_000
    response = (
        exchange(port, chunked(path), chunks(size))
        if is_chunked == "chunked"
        else exchange(port, declared(path, size), zeros(size))
    )
    assert response.startswith(b"HTTP/1.1 413 ")
    head, _, body = response.partition(b"\r\n\r\n")
    if path in API:
        problem = json.loads(body)
        assert problem["detail"] == "The body is too large: at most 3 MB are taken here."
        assert (problem["code"], problem["fix"]) == ("BODY_TOO_LARGE", "Send less at a time.")
    else:
        assert "<h1>This is too much at once</h1>" in collapsed(body.decode())
        assert b"at most 3 MB" in body
        assert b"default-src 'self'" in head


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "GET", "HEAD"])
def test_the_method_makes_no_difference(port: int, method: str) -> None:
    response = exchange(port, declared("/login", LIMIT + 1, method), zeros(LIMIT + 1))
    assert response.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("path", PATHS + API)
def test_a_body_at_the_limit_is_not(port: int, path: str) -> None:
    response = exchange(port, declared(path, LIMIT), zeros(LIMIT))
    assert re.match(rb"HTTP/1.1 (200|302|40[0-5]) ", response)


def test_a_long_body_does_not_become_a_file(port: int, homes: Any) -> None:
    """300 MB of a stranger went to /tmp before; now it ends with the answer, or with a reset, within seconds."""
    began = time.monotonic()
    try:
        response = exchange(port, declared("/nothing", 300 * 2**20), zeros(300 * 2**20))
    except OSError:
        response = b""
    assert response[:13] in {b"", b"HTTP/1.1 413 "}
    assert time.monotonic() - began < 30


def test_a_body_that_trickles_is_408(port: int) -> None:
    """On every path at once, because each takes its 20 seconds."""
    responses: dict[str, bytes] = {}

    def trickle(path: str) -> None:
        with closing(socket.create_connection(("127.0.0.1", port), timeout=60)) as connection:
            connection.sendall(declared(path, 1_000).encode())
            began = time.monotonic()
            connection.settimeout(0.5)
            while time.monotonic() - began < 45:
                connection.sendall(b"x")
                try:
                    responses[path] = connection.recv(65536)
                except TimeoutError:
                    continue
                return

    threads = [threading.Thread(target=trickle, args=(path,)) for path in PATHS[:4] + API]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert {path: response[:12] for path, response in responses.items()} == dict.fromkeys(
        PATHS[:4] + API, b"HTTP/1.1 408"
    )
    assert b"did not arrive within 20 seconds" in responses["/login"]


@pytest.mark.parametrize("length", ["10", "1000", "999999999999999999999999", "-1", "x", "10, 20"])
def test_a_length_that_lies_is_a_client_error(port: int, length: str) -> None:
    head = f"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
    with closing(socket.create_connection(("127.0.0.1", port), timeout=40)) as connection:
        connection.sendall(head.encode() + b"x" * 100)
        connection.shutdown(socket.SHUT_WR)
        response = connection.recv(65536)
    assert re.match(rb"HTTP/1.1 4\d\d ", response)
    assert urllib3.request("GET", f"http://127.0.0.1:{port}/login", retries=False, timeout=60).status == 200
