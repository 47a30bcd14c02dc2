"""A log that was replaced: how that is noticed, how its consumers start anew in it, and what a damaged log has lost.

Each consumer looks at its own position (`log_reader`). Where all positions lie within an older copy, nothing of it looks wrong, and
what was acknowledged after the copy is lost without a trace. So the end of the log is stored every few seconds, with the identity
of the log and the mark of the last record, by web and worker alike, and compared before it moves on. It is a row among the
consumers: `jetbridge admin reset-positions` lets it start anew as well.

Reset and loss keep the account of every destination balanced: what is read from now on is counted against what this log took, and
what was lost is counted as failed.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from threading import Event
from types import MappingProxyType
from typing import NamedTuple

from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from jetbridge.control.models import Destination
from jetbridge.delivery import isolation, ledger, log_reader, pauses
from jetbridge.delivery.base import FAILED, DeliveryCounts, DeliveryRecord
from jetbridge.delivery.log_reader import problem
from jetbridge.delivery.models import (
    ConsumerOffset,
    DeliveryRecordRow,
    Replay,
    RetryEntry,
    SourceOffset,
    destination_consumer,
)
from jetbridge.eventlog.base import NO_MESSAGES, Counts, EventLog, Place, PositionRange

#: Reason of messages that were accepted and are not in the log any more.
LOST = "LOST_FROM_LOG"
_DESTINATION = "destination:"

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
            pauses.pause(LOG_END, error.code, str(error))
            return
        counts = self.event_log.counts()
        if counts.end > row.position or not row.log:
            ledger.move(LOG_END, counts.end, counts.place)
        if row.pause_code:
            pauses.resume(LOG_END)


class Reset(NamedTuple):
    """A reader that was moved, from where to where."""

    consumer: str
    before: int
    after: int


class Loss(NamedTuple):
    """Messages of a destination that are not in the log any more."""

    destination: str
    messages: int


#: Where a reader of a kind of its own begins, given where the others do. In the transaction that moves it.
Begin = Callable[[EventLog, ConsumerOffset, int], int]


def reset(
    event_log: EventLog,
    to: datetime,
    *,
    begins: Mapping[str, Begin] = MappingProxyType({}),
    on_records: Callable[[int], object] = int,
) -> list[Reset]:
    """Let every reader whose position means nothing in this log start in it: with what was received at `to` or later, or
    where `begins` of its name says.
    """
    start = log_reader.position_before(event_log, int(to.timestamp() * 1000))
    done = []
    for row, _ in list(log_reader.problems(event_log)):
        counts = event_log.counts()
        unread = _unread(event_log, start, counts, on_records)
        with transaction.atomic():
            after = begins[row.consumer](event_log, row, start) if row.consumer in begins else start
            if row.consumer.startswith(_DESTINATION):
                destination = int(row.consumer.removeprefix(_DESTINATION))
                SourceOffset.objects.filter(destination_id=destination).update(ranges=[[start, None]])
                # What is left of sources that were disconnected was in the earlier log only.
                ended = SourceOffset.objects.filter(destination_id=destination, ended_total__isnull=False)
                ended.update(ranges=[], ended_total=F("baseline") + F("consumed"))
                _rebase(destination, unread, counts)
                _leave_earlier_log(destination)
            ledger.move(row.consumer, after, event_log.place(after))
            pauses.resume(row.consumer)
        done.append(Reset(row.consumer, row.position, after))
    return done


def count_lost(
    event_log: EventLog, *, counted: bool = True, on_records: Callable[[int], object] = int
) -> list[Loss]:
    """Count as failed what a destination has not read and what is not in the log. Again and again, if need be.

    Where the log's totals are those of its records only (not `counted`), what is lost cannot be known: the account
    goes on from what is there.
    """
    counts = event_log.counts()
    losses = []
    for row in Destination.objects.order_by("id"):
        consumer = destination_consumer(row.id)
        position = ConsumerOffset.objects.filter(consumer=consumer).values_list("position", flat=True).first()
        if position is None:
            continue
        unread = _unread(event_log, position, counts, on_records, ledger.SourceRanges(row.id))
        if not counted:
            _rebase(row.id, unread, counts)
            continue
        lost: Counter[int] = Counter()
        for source in SourceOffset.objects.filter(destination_id=row.id):
            owed = ledger.received_messages(source, counts) - source.consumed
            lost[source.source_id] = owed - unread[source.source_id]
        lost = +lost
        if total := lost.total():
            delivery_counts = DeliveryCounts()
            delivery_counts.fail(DeliveryRecord(FAILED, LOST, _LOST_DETAIL, 0, total))
            with ledger.commit(row.id, position, lost, delivery_counts, event_log.place(position)):
                pass
            losses.append(Loss(row.name, total))
    return losses


_LOST_DETAIL = (
    "They were accepted, and the part of the event log that held them was damaged before they were read. Have the sources "
    "send them again, if they can."
)


def _rebase(destination: int, unread: Counter[int], counts: Counts) -> None:
    """Let what was read, and what this log still holds to be read, be all that was received."""
    for row in SourceOffset.objects.filter(destination_id=destination):
        total = row.consumed + unread[row.source_id]
        if row.ended_total is None:
            row.baseline = ledger.accepted_messages(counts, row.source_id) - total
        else:
            row.ended_total = row.baseline + total
        row.save(update_fields=["baseline", "ended_total"])


def _leave_earlier_log(destination: int) -> None:
    """At the positions of the earlier log there are other records now."""
    for rows in (DeliveryRecordRow.objects, RetryEntry.objects):
        rows.filter(destination_id=destination, position__gt=0).update(position=-F("position"))
    replays = Replay.objects.filter(destination_id=destination)
    replays.filter(ended_at=None).update(ended_at=Now())
    replays.update(after=0, position=0, upto=0)


def _unread(
    event_log: EventLog,
    position: int,
    counts: Counts,
    on_records: Callable[[int], object],
    ranges: ledger.SourceRanges | None = None,
) -> Counter[int]:
    """Messages after a position, by source; those within the ranges only, if any are given."""
    unread: Counter[int] = Counter()
    for records in log_reader.read_range(event_log, PositionRange(position, counts.end)):
        ours = ranges.of(records) if ranges else records
        unread.update(record.source for record in ours if record.type not in NO_MESSAGES)
        on_records(len(records))
    return unread
