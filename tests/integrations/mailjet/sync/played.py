"""A Mailjet that gives prescribed answers to some calls and passes all others on to the sandbox."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import urllib3

FOREVER = 1_000_000


@dataclass
class Prescribed:
    """The next `times` calls that fit are answered so."""

    call: re.Pattern[str]
    times: int
    status: int
    content_type: str
    body: bytes


@dataclass
class PlayedMailjet:
    """`calls` are "METHOD path" of everything that was asked, in order."""

    sandbox: str
    url: str = ""
    calls: list[str] = field(default_factory=list)
    prescribed: list[Prescribed] = field(default_factory=list)

    def answer(
        self,
        call: str,
        status: int,
        body: bytes = b"",
        *,
        content_type: str = "text/html",
        times: int = FOREVER,
    ) -> None:
        """`call` is searched in "METHOD path"."""
        self.prescribed.append(Prescribed(re.compile(call), times, status, content_type, body))

    def count(self, call: str) -> int:
        return sum(1 for each in self.calls if re.search(call, each))

    def next_answer(self, call: str) -> Prescribed | None:
        self.calls.append(call)
        for each in self.prescribed:
            if each.times and each.call.search(call):
                each.times -= 1
                return each
        return None


@contextmanager
def playing(sandbox: str) -> Iterator[PlayedMailjet]:
    played = PlayedMailjet(sandbox)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(played))
    server.daemon_threads = True
    played.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield played
    server.shutdown()
    server.server_close()
    thread.join()


def _handler(played: PlayedMailjet) -> type[BaseHTTPRequestHandler]:
    pool = urllib3.PoolManager()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            found = played.next_answer(f"{self.command} {self.path.partition('?')[0]}")
            if found:
                self._answer(found.status, found.content_type, found.body)
                return
            passed = pool.request(
                self.command, f"{played.sandbox}{self.path}", body=body or None, headers=dict(self.headers)
            )
            self._answer(passed.status, passed.headers.get("Content-Type", ""), passed.data)

        do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - http.server's names

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
