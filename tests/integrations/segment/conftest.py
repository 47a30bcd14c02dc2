"""A server that plays Segment's Tracking API: 500 KB, 2,500 calls, Basic and body write key."""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

WRITE_KEY = "w0000000000000000000000000000001"


@dataclass
class PlayedSegment:
    """`answers` are given first, one per request; then it behaves. Calls named "Bad" are refused, batches
    with one named "Silent" and request number `fail_request` meet trouble.
    """

    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    taken: list[dict[str, Any]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    fail_request: int = 0
    #: Status, content type and body of every answer, whatever comes.
    raw: tuple[int, str, bytes] | None = None

    def answer(self, status: int, **headers: str) -> None:
        self.answers.append((status, {name.replace("_", "-"): value for name, value in headers.items()}))

    def respond(self, path: str, authorization: str, raw: bytes) -> tuple[int, dict[str, str], Any]:
        body = json.loads(raw)
        self.requests.append(body)
        self.sizes.append(len(raw))
        if self.answers:
            return *self.answers.pop(0), {"message": f"the key was {body['writeKey']}"}
        silent = any(call.get("event") == "Silent" for call in body["batch"])
        if silent or len(self.requests) == self.fail_request:
            return 503, {}, {}
        if path != "/v1/batch":
            return 404, {}, {}
        if authorization != "Basic " + base64.b64encode(f"{WRITE_KEY}:".encode()).decode():
            return 401, {}, {}
        if len(raw) > 500 * 1024 or any(call.get("event") == "Bad" for call in body["batch"]):
            return 400, {}, {"message": "Exceed payload limit"}
        self.taken += body["batch"]
        return 200, {}, {"success": True}


def _handler(segment: PlayedSegment) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            status, headers, body = segment.respond(self.path, self.headers["Authorization"], raw)
            answer = json.dumps(body).encode()
            if segment.raw:
                status, content_type, answer = segment.raw
                headers = {"Content-Type": content_type}
            self.send_response(status)
            for name, value in {"Content-Length": str(len(answer)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@pytest.fixture
def segment() -> Iterator[PlayedSegment]:
    played = PlayedSegment()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(played))
    server.daemon_threads = True
    played.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield played
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def write_key() -> str:
    return WRITE_KEY


@pytest.fixture
def refused_connection(free_port: Callable[[], int]) -> str:
    return f"http://127.0.0.1:{free_port()}"
