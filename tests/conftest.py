"""One home per test process, emptied before each test that asks for it; Django is started once.

`home` gives a migrated state database and no event log; processes that a test starts share it through the
environment. Nothing of the caller's own JETBRIDGE_* environment is seen.
"""

import os
import shutil
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

for _name in [name for name in os.environ if name.startswith("JETBRIDGE_")]:
    del os.environ[_name]
_SCRATCH = tempfile.TemporaryDirectory(prefix="jetbridge-tests-")
_HOME = Path(_SCRATCH.name) / "home"
os.environ["JETBRIDGE_HOME"] = str(_HOME)

from jetbridge.control import database  # noqa: E402 - the environment comes first

database.start()

from django.db import connections  # noqa: E402 - Django comes first

from jetbridge.eventlog.sqlite import SqliteEventLog  # noqa: E402


@pytest.fixture(scope="session")
def _template() -> Path:
    """A home with current tables and a secret key, made once."""
    database.migrate()
    connections.close_all()
    template = _HOME.with_name("template")
    shutil.copytree(_HOME, template)
    return template


@pytest.fixture
def home(_template: Path) -> Iterator[Path]:
    """JETBRIDGE_HOME with an empty state database; the same folder for every test of this process."""
    connections.close_all()
    shutil.rmtree(_HOME)
    shutil.copytree(_template, _HOME)
    yield _HOME
    connections.close_all()


@pytest.fixture
def event_log(home: Path) -> Iterator[SqliteEventLog]:
    log = SqliteEventLog(home / "eventlog.db")
    yield log
    log.close()


@pytest.fixture
def free_port() -> Callable[[], int]:
    return _free_port


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Process:
    """A `jetbridge` command that runs; what it prints goes to a file, so that it never blocks on us."""

    command: tuple[str, ...]
    popen: subprocess.Popen[bytes]
    log: Path

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_for(self, url: str, *, seconds: float = 30.0) -> None:
        """Return once the address answers 200."""
        deadline = time.monotonic() + seconds
        while not _answers(url):
            if self.popen.poll() is not None:
                pytest.fail(f"{self.command} ended with {self.popen.returncode}:\n{self.output()}")
            if time.monotonic() > deadline:
                pytest.fail(f"{self.command} did not answer at {url} in {seconds} s:\n{self.output()}")
            time.sleep(0.05)

    def stop(self, *, seconds: float = 20.0) -> int:
        """SIGTERM, and SIGKILL if that does not end it in time; the exit status."""
        if self.popen.poll() is None:
            self.popen.terminate()
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            return self.popen.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            status: int = answer.status
            return status == 200
    except (urllib.error.URLError, OSError):
        return False


StartJetbridge = Callable[..., Process]


@pytest.fixture
def start_jetbridge(tmp_path: Path) -> Iterator[StartJetbridge]:
    """`start_jetbridge("serve", env={...}, health="http://...")`; all are stopped when the test ends."""
    running: list[Process] = []

    def start(*arguments: str, env: dict[str, str] | None = None, health: str | None = None) -> Process:
        log = tmp_path / f"process-{len(running)}.log"
        command = (sys.executable, "-m", "jetbridge", *arguments)
        with log.open("wb") as file:
            popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=os.environ | (env or {}),
            )
        process = Process(arguments, popen, log)
        running.append(process)
        if health:
            process.wait_for(health)
        return process

    yield start
    for process in reversed(running):
        process.stop()


@pytest.fixture
def eventually() -> Callable[..., None]:
    """`eventually(lambda: ..., "what should be so")`: fail unless the claim comes true in time."""

    def wait(claim: Callable[[], object], what: str, *, seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while not claim():
            if time.monotonic() > deadline:
                pytest.fail(f"not in {seconds} s: {what}")
            time.sleep(0.05)

    return wait


# ---- who is told


@dataclass
class Receiver:
    """A web server that keeps what is posted to it and answers as it is told to."""

    url: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    answer: bytes = b"ok"
    #: Headers and body of each POST.
    posts: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    told = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            told.posts.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(told.status)
            for name, value in ({"content-length": str(len(told.answer))} | told.headers).items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(OSError):  # who has read enough hangs up
                self.wfile.write(told.answer)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.url = f"http://127.0.0.1:{server.server_port}/hook"
    yield from _while_it_serves(server, told)


@dataclass
class MailServer:
    """An SMTP server that keeps what it is given: `mails` are texts, `logins` what came with AUTH PLAIN."""

    url: str = ""
    refused: str = ""
    mails: list[str] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    told = MailServer()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 here")
            while line := self.rfile.readline().decode().strip():
                verb, _, rest = line.partition(" ")
                self._say(getattr(self, verb.lower(), lambda _: "250 ok")(rest))

        def _say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

        def ehlo(self, _: str) -> str:
            return "250-here\r\n250 AUTH PLAIN"

        def auth(self, rest: str) -> str:
            told.logins.append(b64decode(rest.split()[1]).decode())
            return "235 welcome"

        def rcpt(self, rest: str) -> str:
            if told.refused and told.refused in rest:
                return "550 nobody here"
            told.recipients.append(rest)
            return "250 ok"

        def data(self, _: str) -> str:
            self._say("354 go on")
            told.mails.append("".join(iter(lambda: self.rfile.readline().decode(), ".\r\n")))
            return "250 ok"

        def quit(self, _: str) -> str:
            return "221 bye"

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    told.url = f"smtp://me:pass%20word@127.0.0.1:{server.server_address[1]}"
    yield from _while_it_serves(server, told)


def _while_it_serves(server: socketserver.BaseServer, told: Any) -> Iterator[Any]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield told
    server.shutdown()
    thread.join()
    server.server_close()
