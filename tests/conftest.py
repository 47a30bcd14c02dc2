"""One home per test process, emptied before each test that asks for it; Django is started once.

`home` gives a migrated state database and no event log; processes that a test starts share it through the
environment. Nothing of the caller's own JETBRIDGE_* environment is seen.
"""

import atexit
import importlib
import os
import shutil
import socketserver
import sys
import tempfile
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import hypothesis
import pytest

#: How long a machine takes to make inputs up says nothing of us. No database of examples: what failed once is printed.
#: `make test` has the same examples each time, so that it fails by a change of the code alone; with FUZZ they are new.
hypothesis.settings.register_profile(
    "any machine",
    deadline=None,
    database=None,
    derandomize="FUZZ" not in os.environ,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("any machine")

#: On a CI machine pytest would not shorten what it says of a failure, and the list of failures would be lost in it.
for _name in ("CI", "BUILD_NUMBER"):
    os.environ.pop(_name, None)
for _name in [name for name in os.environ if name.startswith("JETBRIDGE_")]:
    del os.environ[_name]
#: In memory where there is room for it: the commits of thousands of tests wait for no disk then.
_MEMORY = Path("/dev/shm")
_IN_MEMORY = os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > 2**30
_SCRATCH = tempfile.mkdtemp(prefix="jetbridge-tests-", dir=_MEMORY if _IN_MEMORY else None)
atexit.register(shutil.rmtree, _SCRATCH, ignore_errors=True)
_HOME = Path(_SCRATCH) / "home"
os.environ["JETBRIDGE_HOME"] = str(_HOME)
os.umask(0o077)  # as the command sets it
#: Some machines keep no compiled modules; hundreds of processes start here, and each would compile all of Jetbridge.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
#: The servers that stand in for Mailjet, Segment and receivers of alerts are on this machine.
os.environ["JETBRIDGE_ALLOW_PRIVATE_NETWORKS"] = "127.0.0.0/8, ::1"

pytest.register_assert_rewrite("jetbridge.integrations.testing")

from jetbridge.control import database  # noqa: E402 - the environment comes first

database.start()

from django.conf import settings  # noqa: E402 - Django comes first
from django.db import connections  # noqa: E402
from django.test import override_settings  # noqa: E402
from django.urls import clear_url_caches  # noqa: E402

from jetbridge.control import home_lock  # noqa: E402
from jetbridge.eventlog.sqlite import SqliteEventLog  # noqa: E402
from jetbridge.integrations import registry  # noqa: E402
from jetbridge.integrations.base import Destination  # noqa: E402
from mailjet_sandbox.server import running  # noqa: E402
from mailjet_sandbox.settings import Settings  # noqa: E402

from .processes import StartJetbridge, free_port, starting  # noqa: E402


@pytest.fixture(scope="session")
def _template() -> Path:
    """A home with current tables and a secret key, made once."""
    database.migrate()
    connections.close_all()
    template = _HOME.with_name("template")
    shutil.copytree(_HOME, template)
    return template


@pytest.fixture
def memory_path() -> Iterator[Path]:
    """As `tmp_path`, in memory where there is room for it: a disk takes 2 ms to empty a file."""
    path = Path(tempfile.mkdtemp(dir=_SCRATCH))
    yield path
    shutil.rmtree(path)


@dataclass
class Homes:
    """`empty()` makes JETBRIDGE_HOME anew: the same folder, as long as this process lives."""

    _template: Path
    #: A Jetbridge works on the home, and the tests of a module share it.
    shared: bool = False

    def empty(self) -> Path:
        if self.shared:
            pytest.fail("`served` shares its home with the whole module: tests that empty it go to another.")
        connections.close_all()
        shutil.rmtree(_HOME)
        shutil.copytree(self._template, _HOME)
        return _HOME


@pytest.fixture(scope="session")
def homes(_template: Path) -> Homes:
    return Homes(_template)


@pytest.fixture
def home(homes: Homes) -> Iterator[Path]:
    """JETBRIDGE_HOME with an empty state database; the same folder for every test of this process."""
    yield homes.empty()
    connections.close_all()


@pytest.fixture(scope="session")
def django_test_environment() -> Iterator[None]:
    """`response.context`, mail that goes nowhere, and hashes of passwords that take no time."""
    from django.contrib.auth.hashers import PBKDF2PasswordHasher  # noqa: PLC0415 - Django comes first
    from django.test.utils import setup_test_environment, teardown_test_environment  # noqa: PLC0415

    setup_test_environment(debug=False)
    PBKDF2PasswordHasher.iterations = 1
    yield
    teardown_test_environment()


@pytest.fixture
def worker_at_home(home: Path) -> Iterator[None]:
    """A worker has just started, as everybody who looks can tell. It does nothing."""
    with home_lock.take(home, "worker"):
        yield


@pytest.fixture
def event_log(home: Path) -> Iterator[SqliteEventLog]:
    log = SqliteEventLog(home / "eventlog.db")
    yield log
    log.close()


@pytest.fixture
def lighthouse(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Destination]:
    """An integration of a folder and one line in the registry, as a process knows it that starts with this line."""
    from jetbridge.console import urls  # noqa: PLC0415 - pages load for this
    from jetbridge.console.destinations import urls as urls_of_destinations  # noqa: PLC0415

    def read_routes() -> None:
        for module in (urls_of_destinations, urls):
            importlib.reload(module)
        clear_url_caches()

    monkeypatch.syspath_prepend(Path(__file__).parent / "integrations")
    monkeypatch.setattr(registry, "INTEGRATIONS", (*registry.INTEGRATIONS, "lighthouse"))
    with override_settings(INSTALLED_APPS=[*settings.INSTALLED_APPS, "lighthouse"]):
        read_routes()
        yield registry.destination("lighthouse")
    monkeypatch.undo()
    registry._loaded.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "lighthouse"]:
        del sys.modules[name]
    read_routes()


@pytest.fixture(name="free_port")
def _free_port() -> Callable[[], int]:
    return free_port


@pytest.fixture
def start_jetbridge(tmp_path: Path) -> Iterator[StartJetbridge]:
    """`start_jetbridge("serve", env={...}, health="http://...")`; all are stopped when the test ends."""
    with starting(tmp_path) as start:
        yield start


@pytest.fixture
def sandbox() -> Iterator[str]:
    """Address of a Mailjet in a box with the key pair public, private; in a thread, which is there at once."""
    with running(Settings(api_key="public", secret_key="private", event_retry_seconds=0.5)) as sandbox:
        yield sandbox.url


@pytest.fixture
def eventually() -> Callable[..., None]:
    """`eventually(lambda: ..., "what should be so")`: fail unless the claim comes true in time."""

    def wait(claim: Callable[[], object], what: str, *, seconds: float = 60.0) -> None:
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
    paths: list[str] = field(default_factory=list)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    told = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            told.paths.append(self.path)
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


# ---- fuzzers


def pytest_runtest_setup(item: pytest.Item) -> None:
    if marker := item.get_closest_marker("fuzz"):
        item.user_properties.append(("cases", marker.kwargs["cases"]))


class _Progress:
    """With FUZZ, a line for each fuzzer as it ends: `make fuzz` takes hours."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self._terminal = terminal

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        cases = dict(report.user_properties).get("cases")
        if cases and report.when == "call":
            rate = f"{cases:,} cases in {report.duration:,.1f} s, {cases / report.duration:,.0f} a second"
            self._terminal.write_line(f"{report.outcome} {report.nodeid}: {rate}")


@pytest.hookimpl(trylast=True)  # the terminal comes first
def pytest_configure(config: pytest.Config) -> None:
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if "FUZZ" in os.environ and isinstance(terminal, pytest.TerminalReporter):
        config.pluginmanager.register(_Progress(terminal))
