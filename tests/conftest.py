"""One home per test process, emptied before each test that asks for it; Django is started once.

`home` gives a migrated state database and no event log; processes that a test starts share it through the
environment. Nothing of the caller's own JETBRIDGE_* environment is seen.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

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
