"""`jetbridge` commands as processes of their own."""

import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass
class Process:
    """A `jetbridge` command that runs; what it prints goes to a file, so that it never blocks on us."""

    command: tuple[str, ...]
    popen: subprocess.Popen[bytes]
    log: Path

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_for(self, url: str, *, seconds: float = 60.0) -> None:
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


StartJetbridge = Callable[..., Process]


@contextmanager
def starting(folder: Path) -> Iterator[StartJetbridge]:
    """`start("serve", env={...}, health="http://...")`; all are stopped at the end. Their logs go to the folder."""
    running: list[Process] = []

    def start(*arguments: str, env: dict[str, str] | None = None, health: str | None = None) -> Process:
        log = folder / f"process-{len(running)}.log"
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

    try:
        yield start
    finally:
        for process in reversed(running):
            process.stop()
            # pytest shows it if the test has failed
            sys.stdout.write(f"$ jetbridge {' '.join(process.command)}\n{process.output()[-2_000:]}\n")


def free_port() -> int:
    """A port that nobody has. Below those that the kernel gives to outgoing connections: one of them, of any test that
    runs beside this one, could take it before the process that is to listen there has started.
    """
    while True:
        port = 10_000 + secrets.randbelow(22_000)  # Hypothesis makes `random` repeat itself
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            status: int = answer.status
            return status == 200
    except (urllib.error.URLError, OSError):
        return False
