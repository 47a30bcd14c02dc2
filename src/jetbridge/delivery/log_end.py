"""Notices that the log has lost its end: an older copy was put in its place while its readers lagged behind.

Each reader looks at its own position (`log_reader`). Where all positions lie within the older copy, nothing of it looks wrong, and what was
acknowledged after the copy is gone in silence. So the end of the log is stored every few seconds, with the identity of the log and
the mark of the last record, by web and worker alike, and compared before it moves on. It is a row among the readers:
`jetbridge admin reset-positions` lets it start anew as well.
"""

from dataclasses import dataclass
from threading import Event

from django.db import connection

from jetbridge.delivery import isolation, ledger
from jetbridge.delivery.log_reader import problem
from jetbridge.delivery.models import ConsumerOffset
from jetbridge.eventlog.base import EventLog, Place

#: The name of the row.
LOG_END = "log"
EVERY_SECONDS = 5.0


@dataclass
class LogEndWatch:
    """`run(stop)` for a thread of web and of worker."""

    event_log: EventLog

    def run(self, stop: Event) -> None:
        try:
            while not stop.is_set():
                try:
                    self.step()
                except Exception as error:  # noqa: BLE001 - the next round may do better
                    if not isolation.is_environmental(error):
                        isolation.note(error, "The end of the event log")
                stop.wait(EVERY_SECONDS)
        finally:
            connection.close()

    def step(self) -> None:
        """Compare, then move on. The row is read first: the log only grows, so its end is not before what the row says."""
        row = ConsumerOffset.objects.filter(consumer=LOG_END).first()
        if row is None:
            ledger.begin(LOG_END, self.event_log.counts())
            return
        if error := problem(self.event_log, row.position, Place(row.log, row.mark)):
            ledger.pause(LOG_END, error.code, str(error))
            return
        counts = self.event_log.counts()
        if counts.end > row.position or not row.log:
            ledger.move(LOG_END, counts.end, counts.place)
        if row.pause_code:
            ledger.resume(LOG_END)
