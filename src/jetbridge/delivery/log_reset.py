"""Readers that start anew in the log that is there, after it was replaced; and messages that a damaged log has lost.

Both keep the account of every destination balanced: what is read from now on is counted against what this log took, and
what was lost is counted as failed.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from jetbridge.control.models import Destination
from jetbridge.delivery import ledger, log_reader, span
from jetbridge.delivery.delivery_counts import DeliveryCounts, DeliveryRecord
from jetbridge.delivery.models import ConsumerOffset, DeliveryRecordRow, Replay, RetryEntry, SourceOffset
from jetbridge.delivery.source_offsets import Ranges
from jetbridge.delivery.span import Span
from jetbridge.eventlog.base import NO_MESSAGES, Counts, EventLog

#: Reason of messages that were accepted and are not in the log any more.
LOST = "LOST_FROM_LOG"
_DESTINATION = "destination:"


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
    start = span.position_before(event_log, int(to.timestamp() * 1000))
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
            ledger.resume(row.consumer)
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
    found = []
    for row in Destination.objects.order_by("id"):
        consumer = ledger.destination_consumer(row.id)
        position = ConsumerOffset.objects.filter(consumer=consumer).values_list("position", flat=True).first()
        if position is None:
            continue
        unread = _unread(event_log, position, counts, on_records, Ranges(row.id))
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
            delivery_counts.fail(DeliveryRecord(ledger.FAILED, LOST, _LOST_DETAIL, 0, total))
            with ledger.commit(row.id, position, lost, delivery_counts, event_log.place(position)):
                pass
            found.append(Loss(row.name, total))
    return found


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
    ranges: Ranges | None = None,
) -> Counter[int]:
    """Messages after a position, by source; those within the ranges only, if any are given."""
    found: Counter[int] = Counter()
    for records in span.read(event_log, Span(position, counts.end)):
        ours = ranges.of(records) if ranges else records
        found.update(record.source for record in ours if record.type not in NO_MESSAGES)
        on_records(len(records))
    return found
