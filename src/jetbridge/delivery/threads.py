"""Named threads, kept in line with what the configuration asks for, and their heartbeats.

Each thread does one thing for one destination, account or source, so that an error stays where it is. A thread that dies of an
unforeseen error is started again after a pause, which grows while it dies again and again; its state is in the database.

The heartbeats say how each thread does, for everybody who looks: one transaction every two seconds, whatever the number of
threads, and no sync to disk for it. While `state.db` cannot be written there are no heartbeats, which is right: then nothing is
delivered. A thread that hangs cannot be ended, only its process can. So a worker with such a thread ends itself, and `serve` (or
systemd) starts another one.
"""

import logging
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import NamedTuple

from django.db import DatabaseError, connection, connections, transaction

from jetbridge.delivery import isolation
from jetbridge.delivery.models import HeartbeatRow
from jetbridge.heartbeat import Heartbeat

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 2.0
#: A thread that has been silent so long is not going to move again. The longest call takes 45 s, a statement that
#: waits for a lock 30 s.
HANG_SECONDS = 300.0

#: The row of the process itself.
WORKER = "worker"
#: The thread that keeps all others.
SUPERVISOR = "supervisor"

#: Runs until the event is set.
Runnable = Callable[[Event], None]

#: Pause before a thread is started again: doubled with every death.
RESTART_SECONDS, LONGEST_RESTART_SECONDS = 2.0, 60.0
#: After a life of this length earlier deaths are forgotten.
HEALTHY_SECONDS = 2 * LONGEST_RESTART_SECONDS


class Vitals(NamedTuple):
    """How a thread does. `deaths` are those in a row, none with a life of HEALTHY_SECONDS before it; `error` is what the
    last one was of (`isolation.place_of`).
    """

    thread: str
    silent_seconds: float
    deaths: int = 0
    failing_since: datetime | None = None
    error: str = ""


@dataclass
class _Running:
    fingerprint: object
    stop: Heartbeat = field(default_factory=Heartbeat)
    thread: Thread | None = None
    started_at: float = 0.0
    died_at: float | None = None
    deaths: int = 0
    failing_since: datetime | None = None
    error: str = ""

    @property
    def is_alive(self) -> bool:
        return self.thread is not None and self.thread.is_alive()

    @property
    def is_stopping(self) -> bool:
        return Event.is_set(self.stop)  # as an Event has it: we are not the thread, so this is no heartbeat

    def vitals(self, name: str) -> Vitals:
        silent = self.stop.silent_seconds if self.is_alive else 0.0
        if self.is_alive and time.monotonic() - self.started_at >= HEALTHY_SECONDS:
            return Vitals(name, silent)
        return Vitals(name, silent, self.deaths, self.failing_since, self.error)

    def died(self, error: Exception) -> None:
        self.died_at = time.monotonic()
        if self.died_at - self.started_at >= HEALTHY_SECONDS or not self.deaths:
            self.deaths, self.failing_since = 0, datetime.now(UTC)
        self.deaths += 1
        self.error = isolation.place_of(error)

    @property
    def pause_seconds(self) -> float:
        return min(LONGEST_RESTART_SECONDS, RESTART_SECONDS * 2.0 ** min(self.deaths - 1, 10))


class Threads:
    """`keep()` is called again and again by one thread; `stop()` once at the end."""

    def __init__(self) -> None:
        self._running: dict[str, _Running] = {}

    def keep(self, specs: Mapping[str, tuple[object, Runnable]]) -> None:
        """Start what is wanted and not running, stop what is no longer wanted, restart what died.

        The first part of each pair is what the runnable was made from; when it changes, the thread is
        stopped and started anew.
        """
        for name, running in list(self._running.items()):
            if running.is_stopping or name not in specs or specs[name][0] != running.fingerprint:
                self._end(name, running)
        for name, (fingerprint, runnable) in specs.items():
            running = self._running.setdefault(name, _Running(fingerprint))
            if not running.is_alive and not running.is_stopping:
                self._start(name, running, runnable)

    def vitals(self) -> list[Vitals]:
        """Of all threads, as they are now. From any thread."""
        return [running.vitals(name) for name, running in list(self._running.items())]

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
        if running.died_at and time.monotonic() - running.died_at < running.pause_seconds:
            return

        def body() -> None:
            running.stop.adopt()
            try:
                runnable(running.stop)
            except Exception as error:
                running.died(error)
                if isolation.is_environmental(error):
                    log.warning("%s waits: %s", name, isolation.as_transient(error))
                else:
                    log.exception("%s stopped unexpectedly and is started again.", name)
            finally:
                connections.close_all()

        running.started_at = time.monotonic()
        running.stop.beat()
        running.thread = Thread(target=body, name=name, daemon=True)
        running.thread.start()

    def _end(self, name: str, running: _Running) -> None:
        """One that does not end keeps its name: two that do the same at once would count messages twice."""
        join_seconds = 0.0 if running.is_stopping else 10.0
        running.stop.set()
        if running.thread:
            running.thread.join(join_seconds)
        if not running.is_alive:
            del self._running[name]


@dataclass
class HeartbeatWriter:
    """`run(stop)` for a thread of its own. `vitals` are of all other threads, `dependents` the destinations by thread.

    `end` ends the process, at once: who hangs would keep a clean end waiting.
    """

    vitals: Callable[[], Sequence[Vitals]]
    dependents: Callable[[], Mapping[str, Collection[int]]] = dict
    end: Callable[[], object] = lambda: os._exit(1)
    process: int = field(default_factory=os.getpid)
    _began: datetime = field(default_factory=lambda: datetime.now(UTC))
    _deaths: int = 0
    _failing_since: datetime | None = None
    _waits: bool = False

    def run(self, stop: Event) -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA synchronous = NORMAL")  # of this connection alone
            while not stop.is_set():
                self._step()
                stop.wait(HEARTBEAT_SECONDS)
        finally:
            connection.close()

    def _step(self) -> None:
        vitals = self.vitals()
        if stuck := [
            thread_vitals.thread for thread_vitals in vitals if thread_vitals.silent_seconds >= HANG_SECONDS
        ]:
            log.critical("%s hangs: the worker ends, so that it is started again.", ", ".join(stuck))
            self.end()
        try:
            self.write(vitals)
            self._waits = False
        except DatabaseError as error:
            if not self._waits:
                log.warning("heartbeats wait: %s", error)
            self._waits = True

    def write(self, vitals: Sequence[Vitals]) -> None:
        now, dependents = datetime.now(UTC), self.dependents()
        with transaction.atomic():
            rows = [
                HeartbeatRow(
                    thread=thread_vitals.thread,
                    process=self.process,
                    beaten_at=now - timedelta(seconds=thread_vitals.silent_seconds),
                    deaths=thread_vitals.deaths,
                    failing_since=thread_vitals.failing_since,
                    error=thread_vitals.error,
                    destinations=sorted(dependents.get(thread_vitals.thread, ())),
                )
                for thread_vitals in [self._own(now), *vitals]
            ]
            HeartbeatRow.objects.bulk_create(
                rows, update_conflicts=True, unique_fields=["thread"], update_fields=_WRITTEN
            )
            HeartbeatRow.objects.exclude(thread__in=[row.thread for row in rows]).delete()

    def _own(self, now: datetime) -> Vitals:
        """Of the process. A row that another one left behind is a death: who ends cleanly leaves none."""
        before = HeartbeatRow.objects.filter(thread=WORKER).exclude(process=self.process).first()
        if before:
            self._deaths, self._failing_since = before.deaths + 1, before.failing_since or now
        if now - self._began >= timedelta(seconds=HEALTHY_SECONDS):
            self._deaths, self._failing_since = 0, None
        return Vitals(
            WORKER, 0.0, self._deaths, self._failing_since, "The process died." * bool(self._deaths)
        )


_WRITTEN = ["process", "beaten_at", "deaths", "failing_since", "error", "destinations"]


def end_cleanly() -> None:
    """The worker has stopped because it was asked to: no death."""
    HeartbeatRow.objects.all().delete()
