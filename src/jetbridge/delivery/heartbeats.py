"""The worker's heartbeats: how each of its threads does, written down for everybody who looks.

One transaction every two seconds, whatever the number of threads, and no sync to disk for it. While `state.db`
cannot be written there are no heartbeats, which is right: then nothing is delivered.

A thread that hangs cannot be ended, only its process can. So a worker with such a thread ends itself, and `serve`
(or systemd) starts another one: everything that threads know is in the database.
"""

import logging
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import NoReturn

from django.db import DatabaseError, connection, transaction

from jetbridge.delivery.models import HeartbeatRow
from jetbridge.delivery.threads import HEALTHY_SECONDS, Vitals

log = logging.getLogger(__name__)

EVERY_SECONDS = 2.0
#: A thread that has been silent so long is not going to move again. The longest call takes 45 s, a statement that
#: waits for a lock 30 s.
HANG_SECONDS = 300.0

#: The row of the process itself.
WORKER = "worker"
#: The thread that keeps all others.
SUPERVISOR = "supervisor"


def _die() -> NoReturn:
    os._exit(1)


@dataclass
class HeartbeatWriter:
    """`run(stop)` for a thread of its own. `vitals` are of all other threads, `dependents` the destinations by thread.

    `end` ends the process, at once: who hangs would keep a clean end waiting.
    """

    vitals: Callable[[], Sequence[Vitals]]
    dependents: Callable[[], Mapping[str, Collection[int]]] = dict
    end: Callable[[], object] = _die
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
                stop.wait(EVERY_SECONDS)
        finally:
            connection.close()

    def _step(self) -> None:
        vitals = self.vitals()
        if stuck := [each.thread for each in vitals if each.silent_seconds >= HANG_SECONDS]:
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
                    thread=each.thread,
                    process=self.process,
                    beaten_at=now - timedelta(seconds=each.silent_seconds),
                    deaths=each.deaths,
                    failing_since=each.failing_since,
                    error=each.error,
                    destinations=sorted(dependents.get(each.thread, ())),
                )
                for each in [self._own(now), *vitals]
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
