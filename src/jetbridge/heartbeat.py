"""Heartbeats: whether a thread still moves, known without asking it.

Every thread of the worker looks at its stop event once a turn. That look is its heartbeat, so nothing has to be
added to a loop. A thread that waits says until when. One that works long without a look calls `beat()`. A thread
that has been silent for longer than any call may take (45 s) hangs.
"""

import threading
import time
from contextlib import suppress
from threading import Event


class Heartbeat(Event):
    """The stop event of one thread, which notes when the thread looked at it last."""

    def __init__(self) -> None:
        super().__init__()
        self._expected_at = time.monotonic()

    @property
    def silent_seconds(self) -> float:
        """How long ago the thread was to be heard of; 0 while it waits."""
        return max(0.0, time.monotonic() - self._expected_at)

    def beat(self, *, waits_seconds: float = 0.0) -> None:
        """The thread is alive, and is going to wait so long."""
        self._expected_at = time.monotonic() + waits_seconds

    def is_set(self) -> bool:
        self.beat()
        return super().is_set()

    def wait(self, timeout: float | None = None) -> bool:
        self.beat(waits_seconds=threading.TIMEOUT_MAX if timeout is None else max(0.0, timeout))
        try:
            return super().wait(timeout)
        finally:
            self.beat()

    def adopt(self) -> None:
        """Let `beat()` in the calling thread mean this one."""
        _of_thread.heartbeat = self
        self.beat()


def beat(*, waits_seconds: float = 0.0) -> None:
    """The calling thread has got on, in the middle of something long, and may be silent for so long. Costs nothing in other threads."""
    with suppress(AttributeError):
        _of_thread.heartbeat.beat(waits_seconds=waits_seconds)


_of_thread = threading.local()
