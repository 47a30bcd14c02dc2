"""A `jetbridge` command that is killed again and again, at random moments of its life."""

import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

START_SECONDS = 60.0


class Mortal:
    """Starts the command at once. `work` is a figure that grows while it is at work, read from any thread."""

    def __init__(self, command: str, log: Path, work: Callable[[], int]) -> None:
        self._command = command
        self._log = log
        self._work = work
        self._killing: threading.Thread | None = None
        self.deaths = 0
        #: Of these, how many came when it was at work.
        self.deaths_at_work = 0
        #: Exit statuses of lives that nobody ended.
        self.ended_by_itself: list[int] = []
        self._start()

    def time_its_start(self) -> float:
        """Return once it is at work: the seconds that took, from its birth."""
        while self._work() == self._before:
            assert time.monotonic() < self._born_at + START_SECONDS, self.output()
            time.sleep(0.01)
        return time.monotonic() - self._born_at

    def kill(self, deaths: int, chance: random.Random, longest_life_seconds: float) -> None:
        """Begin to kill it and to start it again, so many times. `wait` for the end of it."""
        self._killing = threading.Thread(target=self._die, args=(deaths, chance, longest_life_seconds))
        self._killing.start()

    def wait(self) -> None:
        if self._killing:
            self._killing.join()

    def output(self) -> str:
        return self._log.read_text(errors="replace")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.wait()
        self._popen.terminate()
        self._popen.wait(60)

    def _die(self, deaths: int, chance: random.Random, longest_life_seconds: float) -> None:
        for _ in range(deaths):
            self._live(chance.uniform(0, longest_life_seconds))
            self.deaths += 1
            self.deaths_at_work += self._work() > self._before
            self._start()

    def _live(self, seconds: float) -> None:
        try:
            self.ended_by_itself.append(self._popen.wait(seconds))
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()

    def _start(self) -> None:
        self._born_at, self._before = time.monotonic(), self._work()
        with self._log.open("ab") as file:
            self._popen: subprocess.Popen[Any] = subprocess.Popen(
                [sys.executable, "-m", "jetbridge", self._command],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
