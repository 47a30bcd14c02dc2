"""Named threads, kept in line with what the configuration asks for.

Each thread does one thing for one destination, account or source, so that trouble stays where it is. A
thread that dies of an error nobody foresaw is started again after a pause; its state is in the database.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Event, Thread

from django.db import connections

log = logging.getLogger(__name__)

#: Runs until the event is set.
Runnable = Callable[[Event], None]

RESTART_SECONDS = 2.0


@dataclass
class _Running:
    fingerprint: object
    stop: Event = field(default_factory=Event)
    thread: Thread | None = None
    died_at: float | None = None


class Threads:
    """`keep()` is called again and again by one thread; `stop()` once at the end."""

    def __init__(self) -> None:
        self._running: dict[str, _Running] = {}

    def keep(self, wanted: Mapping[str, tuple[object, Runnable]]) -> None:
        """Start what is wanted and not running, stop what is no longer wanted, restart what died.

        The first part of each pair is what the runnable was made from; when it changes, the thread is
        stopped and started anew.
        """
        for name, running in list(self._running.items()):
            if name not in wanted or wanted[name][0] != running.fingerprint:
                self._end(name, running)
        for name, (fingerprint, runnable) in wanted.items():
            running = self._running.setdefault(name, _Running(fingerprint))
            if running.thread is None or not running.thread.is_alive():
                self._start(name, running, runnable)

    def stop(self, timeout_seconds: float = 10.0) -> None:
        """Ask every thread to stop and wait for them, together, so long. They are daemons."""
        deadline = time.monotonic() + timeout_seconds
        for running in self._running.values():
            running.stop.set()
        for running in self._running.values():
            if running.thread:
                running.thread.join(max(0.0, deadline - time.monotonic()))
        self._running.clear()

    def _start(self, name: str, running: _Running, runnable: Runnable) -> None:
        if running.died_at and time.monotonic() - running.died_at < RESTART_SECONDS:
            return

        def body() -> None:
            try:
                runnable(running.stop)
            except Exception:
                running.died_at = time.monotonic()
                log.exception("%s stopped unexpectedly and is started again.", name)
            finally:
                connections.close_all()

        running.thread = Thread(target=body, name=name, daemon=True)
        running.thread.start()

    def _end(self, name: str, running: _Running) -> None:
        running.stop.set()
        if running.thread:
            running.thread.join(10.0)
        del self._running[name]
