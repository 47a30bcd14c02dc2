"""The child processes of `serve`: started, started again when one dies or is silent, stopped with a deadline."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event

#: Pause before a child is started again: doubled with every death up to the child's own longest, forgotten after a
#: life of HEALTHY_SECONDS.
FIRST_PAUSE_SECONDS = 0.1
HEALTHY_SECONDS = 30.0
#: A child without a heartbeat for so long (it writes twice a second, see `parent_watch.py`) is killed.
SILENT_SECONDS = 30.0
LOOK_SECONDS = 0.05
#: How long the children may take to stop before they are killed.
STOP_SECONDS = 15.0


class CannotStart(Exception):
    """The first life of a child ended by itself: what is wrong is not going to pass."""


@dataclass
class Child:
    """`look()` is called again and again by one thread. `report` gets one line per event.

    `keep_open` is a file descriptor that the child inherits.
    """

    name: str
    report: Callable[[str], None]
    keep_open: int
    longest_pause_seconds: float = 30.0
    #: Of its command, such as `--json`.
    arguments: Sequence[str] = ()
    _process: subprocess.Popen[bytes] | None = None
    _lives: int = 0
    _pause_seconds: float = FIRST_PAUSE_SECONDS
    _started_at: float = 0.0
    _start_again_at: float | None = field(default=None)
    #: The reading end of the pipe with the child's heartbeats, and when the last one came.
    _pulse: int = -1
    _last_pulse_at: float = 0.0

    def look(self) -> None:
        """Start it if it is due, notice if it died. Raises CannotStart."""
        if self._process is None:
            if self._start_again_at is not None and time.monotonic() < self._start_again_at:
                return
            self._pulse, pulse = os.pipe()
            os.set_blocking(self._pulse, False)
            os.set_blocking(pulse, False)
            ours = ("--parent", str(os.getpid()), "--pulse", str(pulse))
            command = [sys.executable, "-m", "jetbridge", *ours, self.name, *self.arguments]
            self._process = subprocess.Popen(command, pass_fds=[self.keep_open, pulse])
            os.close(pulse)
            self._lives += 1
            self._started_at = self._last_pulse_at = time.monotonic()
            self.report(f"{self.name} runs as process {self._process.pid}.")
            return
        if (status := self._process.poll()) is not None:
            self._died(status)
            return
        # What lies in the pipe counts as a heartbeat of now: it was this process that did not read it.
        with suppress(BlockingIOError):
            if os.read(self._pulse, 65_536):
                self._last_pulse_at = time.monotonic()
        if time.monotonic() - self._last_pulse_at > SILENT_SECONDS:
            self.report(f"{self.name} (process {self._process.pid}) has no heartbeat and is killed.")
            self._process.kill()
            self._process.wait()

    def terminate(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.terminate()

    def wait(self, deadline: float) -> None:
        """Return when it has ended; kill it at `deadline` (time.monotonic)."""
        if not self._process:
            return
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.report(f"{self.name} (process {self._process.pid}) did not stop in time and is killed.")
            self._process.kill()
            self._process.wait()

    def _died(self, status: int) -> None:
        os.close(self._pulse)
        lived = time.monotonic() - self._started_at
        if self._lives == 1 and status > 0 and lived < HEALTHY_SECONDS:
            raise CannotStart(f"{self.name} could not start (exit status {status}); see its message above.")
        if lived >= HEALTHY_SECONDS:
            self._pause_seconds = FIRST_PAUSE_SECONDS
        how = f"exit status {status}" if status >= 0 else f"signal {-status}"
        self.report(f"{self.name} died ({how}) and is started again in {self._pause_seconds:g} s.")
        self._process = None
        self._start_again_at = time.monotonic() + self._pause_seconds
        self._pause_seconds = min(self.longest_pause_seconds, self._pause_seconds * 2)


def supervise(children: list[Child], stop: Event) -> None:
    """Keep the children alive until `stop` is set, then stop them. Raises CannotStart."""
    try:
        while not stop.is_set():
            for child in children:
                child.look()
            stop.wait(LOOK_SECONDS)
    finally:
        deadline = time.monotonic() + STOP_SECONDS
        for child in children:
            child.terminate()
        for child in children:
            child.wait(deadline)
