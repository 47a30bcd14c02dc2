"""The real application on the real server, in a thread, over real HTTP; credentials and log are the test's own."""

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import urllib3

from jetbridge.control.directory import Credentials, SourceRef
from jetbridge.control.secret_field import digest
from jetbridge.eventlog.base import Record
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.ingest.app import Application
from jetbridge.ingest.server import server_of

WRITE_KEY = "k" * 32
AUTHENTICATION_KEY = "authentication-key"
#: Of the same app connection, before it was rotated.
PREVIOUS_KEY = "previous-key"
EVENTS_TOKEN = "events-token"
SITE = SourceRef(1, "http", "site")
SEGMENT = SourceRef(2, "segment", "workspace")
MAILJET = SourceRef(3, "mailjet", "events")

ENDPOINTS = Credentials(
    {digest(WRITE_KEY): SITE},
    {digest(AUTHENTICATION_KEY): SEGMENT, digest(PREVIOUS_KEY): SEGMENT},
    {digest(EVENTS_TOKEN): MAILJET},
    {SEGMENT.id: [AUTHENTICATION_KEY, PREVIOUS_KEY]},
)


@dataclass
class Served:
    """A running server, and what its log holds."""

    port: int
    log: SqliteEventLog
    credentials: Credentials
    http: urllib3.HTTPConnectionPool = field(init=False)
    write_key: str = WRITE_KEY
    authentication_key: str = AUTHENTICATION_KEY
    previous_key: str = PREVIOUS_KEY
    events_token: str = EVENTS_TOKEN
    site: int = SITE.id
    segment: int = SEGMENT.id
    mailjet: int = MAILJET.id

    def __post_init__(self) -> None:
        self.http = urllib3.HTTPConnectionPool("127.0.0.1", self.port, maxsize=8, retries=False, timeout=20)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def post(self, path: str, body: Any, **headers: str) -> urllib3.BaseHTTPResponse:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.request("POST", path, body=data, headers=names)

    def raw(self, data: bytes, *, seconds: float = 10.0) -> bytes:
        """What comes back on a bare connection until the server closes it or says no more."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as connection:
            connection.sendall(data)
            return connection.recv(65536)

    def get(self, path: str, **headers: str) -> urllib3.BaseHTTPResponse:
        return self.http.request("GET", path, headers=headers)

    def errors(self) -> list[str | None]:
        return [record.error for record in self.records() if record.error is not None]

    def records(self) -> list[Record]:
        return list(self.log.read(0))

    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(record.body) for record in self.records() if record.error is None]


@contextmanager
def serving(log: SqliteEventLog, port: int, credentials: Credentials, **options: Any) -> Iterator[Served]:
    app = Application(
        event_log=log,
        load_credentials=options.pop("load_credentials", lambda: credentials),
        public_url=options.pop("public_url", "https://jetbridge.example.com"),
        **options,
    )
    server = server_of(app, "127.0.0.1", port)
    loops: list[asyncio.AbstractEventLoop] = []

    async def main() -> None:
        loops.append(asyncio.get_running_loop())
        await server.serve()

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    served = Served(port, log, credentials)
    try:
        _wait_until_up(served)
        yield served
    finally:
        served.http.close()
        loops[0].call_soon_threadsafe(app.begin_stop)
        loops[0].call_soon_threadsafe(server.stop)
        thread.join(20)
        assert not thread.is_alive()


def _wait_until_up(served: Served) -> None:
    while True:
        try:
            if served.get("/healthz").status == 200:
                return
        except urllib3.exceptions.HTTPError:
            continue


Serve = Callable[..., Served]


@pytest.fixture
def serve(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Serve]:
    """`serve(**options of Application)` starts a server; options `credentials`, `log` and `port` replace ours."""
    with ExitStack() as stack:

        def start(
            *,
            credentials: Credentials = ENDPOINTS,
            log: SqliteEventLog | None = None,
            port: int | None = None,
            **options: Any,
        ) -> Served:
            log = log or SqliteEventLog(tmp_path / "eventlog.db")
            stack.callback(log.close)
            return stack.enter_context(serving(log, port or free_port(), credentials, **options))

        yield start


@pytest.fixture
def server(serve: Serve) -> Served:
    return serve()
