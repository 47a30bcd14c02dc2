"""A server that sends whatever bytes a test wants, at whatever pace, and counts who came."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

Answer = Callable[[socket.socket], None]


def says(*pieces: bytes) -> Answer:
    """These bytes, and then the end of the connection."""

    def answer(connection: socket.socket) -> None:
        for piece in pieces:
            connection.sendall(piece)

    return answer


OK = says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


@dataclass
class RawServer:
    url: str = ""
    port: int = 0
    answer: Answer = OK
    requests: list[bytes] = field(default_factory=list)
    #: Set when the test ends: an answer without an end looks at it.
    over: threading.Event = field(default_factory=threading.Event)

    def _serve(self, listener: socket.socket) -> None:
        while not self.over.is_set():
            with suppress(TimeoutError):
                connection, _ = listener.accept()
                threading.Thread(target=self._meet, args=(connection,), daemon=True).start()

    def _meet(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            connection.settimeout(20)
            self.requests.append(_request(connection))
            self.answer(connection)
            with suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
            while connection.recv(65_536):  # closed at once, what was sent might not arrive
                pass


def _request(connection: socket.socket) -> bytes:
    request = b""
    while b"\r\n\r\n" not in request:
        request += connection.recv(65_536) or b"\r\n\r\n"
    head, _, body = request.partition(b"\r\n\r\n")
    length = next(
        (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    while len(body) < length and (more := connection.recv(65_536)):
        body += more
    return head + b"\r\n\r\n" + body


@pytest.fixture
def raw() -> Iterator[RawServer]:
    server = RawServer()
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        listener.settimeout(0.05)
        server.port = listener.getsockname()[1]
        server.url = f"http://127.0.0.1:{server.port}"
        thread = threading.Thread(target=server._serve, args=(listener,))
        thread.start()
        yield server
        server.over.set()
        thread.join()
