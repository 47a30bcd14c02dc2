"""Alerts while the worker cannot send any, because it stands still itself: the web process looks after them.

Alerts and notifications are rows that are opened and sent once, so nobody gets them twice when the worker comes back.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Event

from django.db import connection
from django.utils import timezone

from jetbridge.alerts.notifications import NotificationSender
from jetbridge.alerts.watch import AlertWatch
from jetbridge.delivery import isolation
from jetbridge.delivery.models import HeartbeatRow

LOOK_SECONDS = 5.0
#: A worker that is restarted by `serve` is back before that.
AFTER = timedelta(seconds=45)
#: The threads of the worker that do it.
THREADS = ("alerts", "notifications")


@dataclass
class Standby:
    """`run(stop)` for a thread of the web process."""

    watch: AlertWatch
    clock: Callable[[], datetime] = timezone.now
    #: Since when the worker could have given a sign of life.
    _since: datetime = field(default_factory=timezone.now)

    def run(self, stop: Event) -> None:
        try:
            while not stop.wait(LOOK_SECONDS):
                try:
                    self.step(stop)
                except Exception as error:  # noqa: BLE001 - the next round may do better
                    isolation.note(error, "Alerts")
        finally:
            connection.close()

    def step(self, stop: Event | None = None) -> bool:
        """Do what the worker does not; False if it does."""
        before = self.clock() - AFTER
        if self._since > before:
            return False
        if HeartbeatRow.objects.filter(thread__in=THREADS, beaten_at__gte=before).count() == len(THREADS):
            return False
        self.watch.step()
        NotificationSender(self.clock).step(stop)
        return True
