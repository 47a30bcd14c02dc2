"""What leaves again: records that every consumer has passed, and delivery records beyond what is kept."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event

from django.db import DatabaseError

from jetbridge.delivery import ledger, log_reader, metrics, pauses
from jetbridge.delivery.models import Replay
from jetbridge.errors import Backpressure
from jetbridge.eventlog.base import EventLog
from jetbridge.jobs import tasks

log = logging.getLogger(__name__)

EVERY_SECONDS = 60.0
DAY_MS = 86_400_000


@dataclass(frozen=True)
class Retention:
    """`clock` gives seconds since 1970."""

    event_log: EventLog
    days: int
    megabytes: int
    clock: Callable[[], float] = time.time

    def run(self, stop: Event) -> None:
        while not stop.wait(EVERY_SECONDS):
            try:
                self.step()
            except (Backpressure, DatabaseError) as error:
                log.warning("retention waits for the next round: %s", error)

    def step(self) -> int:
        """Do it once; return how many records left. A paused destination keeps what it has not read."""
        # Up to where neither a consumer nor an open replay needs the log. Nothing leaves a log in which the position of a
        # consumer means nothing.
        open_replays = Replay.objects.filter(ended_at__isnull=True).values_list("position", flat=True)
        needed = [*ledger.positions().values(), *open_replays]
        passed = min(needed, default=self.event_log.counts().end)
        if next(log_reader.problems(self.event_log), None):
            passed = 0
        gone = self.event_log.retain(
            received_before=int(self.clock() * 1000) - self.days * DAY_MS,
            max_bytes=self.megabytes * 1_000_000,
            upto=passed,
        )
        if gone:
            log.info("retention: %s delivered records left the event log.", gone)
        ledger.trim_delivery_records()
        pauses.trim_pauses()
        tasks.trim()
        metrics.trim()
        return gone
