"""The thread that looks every 10 s whether a rule holds."""

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Event

from django.db import DatabaseError
from django.utils import timezone

from jetbridge.alerts import store
from jetbridge.alerts.conditions import LastSeenTimes, violations
from jetbridge.control.alerts import AlertKind, AlertRule
from jetbridge.delivery import isolation
from jetbridge.delivery.light import Light
from jetbridge.errors import Backpressure

log = logging.getLogger(__name__)

EVERY_SECONDS = 10.0


def version_of_rules() -> tuple[tuple[int, datetime], ...]:
    """Changes with every rule: a watch that is started anew then has nobody wait for its next look."""
    return tuple(AlertRule.objects.filter(enabled=True).order_by("id").values_list("id", "since"))


@dataclass(frozen=True)
class AlertWatch:
    """`last_seen` gives when each source last sent something, or None while that is not certain; `lights` what
    stands still, or None if nobody looks.
    """

    last_seen: Callable[[Collection[int]], LastSeenTimes | None]
    clock: Callable[[], datetime] = timezone.now
    lights: Callable[[], Sequence[Light] | None] = lambda: None

    def run(self, stop: Event) -> None:
        while not stop.is_set():
            try:
                self.step()
            except (Backpressure, DatabaseError) as error:
                log.warning("alerts wait for the next round: %s", error)
            stop.wait(EVERY_SECONDS)

    def step(self) -> None:
        now = self.clock()
        rules = list(AlertRule.objects.filter(enabled=True).select_related("source").order_by("id"))
        last_seen = self.last_seen(
            [row.source_id for row in rules if row.kind == AlertKind.SILENCE and row.source_id]
        )
        lights = self.lights() if any(rule.kind == AlertKind.STALL for rule in rules) else None
        for rule in rules:
            try:
                found = violations(rule, last_seen, lights, now)
                if found is not None:
                    store.write(rule, found, now)
            except Exception as error:
                if isolation.is_environmental(error):
                    raise
                isolation.note(error, f"Alert rule {rule.id}")
        store.tidy(now)
