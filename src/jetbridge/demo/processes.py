"""The real processes of the demo: the sandbox and Jetbridge, in a home of their own, gone when the demo is."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from jetbridge.errors import JetbridgeError

#: The first demo holds it, and nobody listens there.
RESERVED_PORT = 8082
START_SECONDS = 60.0
#: A little longer than `serve` gives its own children.
STOP_SECONDS = 20.0


class DemoStopped(JetbridgeError):
    """The demo cannot go on; the message says what went wrong."""


class Processes:
    """A context manager: stops what it started, newest first, and removes the home unless `keep_home` is set.

    Each process watches for its parent's end by itself, so nothing is left if the demo is killed.
    """

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="jetbridge-demo-"))
        self.keep_home = False
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("JETBRIDGE_")}
        self.env["JETBRIDGE_HOME"] = str(self.home)
        # The sandbox, which plays Segment too, is on this machine.
        self.env["JETBRIDGE_ALLOW_PRIVATE_NETWORKS"] = "127.0.0.0/8"
        #: Whether no other demo runs on this machine. Only then the well-known ports are tried: two servers that start at the
        #: same moment could both get them, because granian shares a port with others.
        self.is_first = True
        self._reserved = socket.socket()
        try:
            self._reserved.bind(("127.0.0.1", RESERVED_PORT))
        except OSError:
            self.is_first = False
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, *arguments: str, ready_at: str) -> None:
        """Start a `jetbridge` command and return once the address responds with 200. Raises DemoStopped."""
        name = arguments[0]
        with self._log(name).open("wb") as log:
            self._running[name] = subprocess.Popen(
                _command(*arguments),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.env,
                # Ctrl-C in the terminal is for the demo, which stops the others in order.
                start_new_session=True,
            )

        def is_ready() -> bool:
            try:
                with _OPENER.open(ready_at, timeout=5) as response:
                    return bool(response.status == 200)
            except (urllib.error.URLError, OSError):
                return False

        self.wait_until(is_ready, f"{name} responds at {ready_at}", START_SECONDS)

    def run(self, *arguments: str) -> dict[str, Any]:
        """Run a `jetbridge` command to its end and return the JSON object that it prints. Raises DemoStopped."""
        with self._log(arguments[0]).open("ab") as log:
            process = subprocess.run(
                _command(*arguments), stdout=subprocess.PIPE, stderr=log, env=self.env, check=False
            )
        if process.returncode:
            raise self._ended(arguments[0], process.returncode)
        result: dict[str, Any] = json.loads(process.stdout)
        return result

    def wait_until(self, condition: Callable[[], bool], what: str, seconds: float) -> None:
        """Block until the condition is true. Raises DemoStopped if a process ends, or when time is up."""
        deadline = time.monotonic() + seconds
        while True:
            self._check_all_run()
            if condition():
                return
            if time.monotonic() > deadline:
                raise DemoStopped(f"Not in {seconds:g} s: {what}.")
            time.sleep(0.05)

    def output(self, name: str) -> str:
        """What a process has printed so far."""
        return self._log(name).read_text(errors="replace")

    def stop(self, name: str) -> None:
        """End a process that was started."""
        _stop(self._running.pop(name))

    def watch(self, seconds: float) -> None:
        """Block so long. Raises DemoStopped if a process ends meanwhile."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._check_all_run()
            time.sleep(0.1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in reversed(self._running.values()):
            _stop(process)
        self._reserved.close()
        if not self.keep_home:
            shutil.rmtree(self.home, ignore_errors=True)

    def _check_all_run(self) -> None:
        for name, process in self._running.items():
            if process.poll() is not None:
                raise self._ended(name, process.returncode)

    def _ended(self, name: str, status: int) -> DemoStopped:
        lines = self.output(name).splitlines()
        return DemoStopped(
            f"`jetbridge {name}` ended with status {status}. Its last line: {lines[-1] if lines else 'none'}"
        )

    def _log(self, name: str) -> Path:
        return self.home / f"{name}.log"


def port(preferred: int) -> int:
    """The port if it is free, else any that is."""
    for number in (preferred, 0):
        with closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", number))
            except OSError:
                continue
            free: int = probe.getsockname()[1]
            return free
    raise DemoStopped("No port is free on 127.0.0.1.")


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "jetbridge", "--parent", str(os.getpid()), *arguments]


#: Past any proxy that the environment names: all addresses are on this machine.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
