"""Plays Segment for the way back: takes batches at `/v1/batch` as its Tracking API does, and remembers them."""

import base64
import json
import secrets
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any, Self

#: Beside those of Jetbridge and of the sandbox.
PORT = 8082


class SegmentStandIn:
    """A context manager. `tracks` grows while Jetbridge delivers; read it from any thread.

    `is_first`: no other demo runs on this machine, so the well-known ports are ours to try. Only one process can
    listen on PORT, whereas granian shares a port with whoever else asks for it.
    """

    def __init__(self) -> None:
        self.write_key = secrets.token_hex(16)
        self.tracks: list[dict[str, Any]] = []
        self._server = _listening(_handler(self))
        self._server.daemon_threads = True
        self.is_first = self._server.server_port == PORT
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def take(self, path: str, authorization: str | None, body: bytes) -> int:
        """The status that Segment answers."""
        if path != "/v1/batch":
            return 404
        if authorization != "Basic " + base64.b64encode(f"{self.write_key}:".encode()).decode():
            return 401
        self.tracks += json.loads(body)["batch"]
        return 200

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _listening(handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    try:
        return ThreadingHTTPServer(("127.0.0.1", PORT), handler)
    except OSError:
        return ThreadingHTTPServer(("127.0.0.1", 0), handler)


def _handler(segment: SegmentStandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answer = b'{"success": true}'
            self.send_response(segment.take(self.path, self.headers.get("Authorization"), body))
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Not on the page."""

    return Handler
