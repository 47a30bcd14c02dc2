"""Delivery records: finding the messages that failed, or that a contact's state filtered, and what they said."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db.models import Q, QuerySet, Sum

from jetbridge.delivery.models import DeliveryRecordRow, Outcome, RetryEntry
from jetbridge.eventlog.base import EventLog

#: Source of a message that the log does not hold any more.
NO_SOURCE = 0


class Choice(NamedTuple):
    """Which delivery records: all that fit everything that is given. Times are when the outcome was written down."""

    ids: Sequence[int] = ()
    reason: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    person: str | None = None

    def of(self, destination: int, outcome: str) -> QuerySet[DeliveryRecordRow]:
        fits = Q(destination_id=destination, outcome=outcome)
        if self.ids:
            fits &= Q(id__in=self.ids)
        if self.reason:
            fits &= Q(reason=self.reason)
        if self.since:
            fits &= Q(at__gte=self.since)
        if self.until:
            fits &= Q(at__lt=self.until)
        if self.person:
            fits &= Q(person=self.person)
        return DeliveryRecordRow.objects.filter(fits)


def missing(ids: Iterable[int], destinations: Iterable[int], outcome: str) -> list[int]:
    """Those of the ids that are no delivery record of these destinations."""
    rows = DeliveryRecordRow.objects.filter(id__in=ids, destination_id__in=destinations, outcome=outcome)
    there = set(rows.values_list("id", flat=True))
    return [id_ for id_ in ids if id_ not in there]


class ReceivedMessage(NamedTuple):
    """The message behind a delivery record; the last one where several merged."""

    source: int
    body: bytes


def message_of(row: DeliveryRecordRow, event_log: EventLog) -> ReceivedMessage | None:
    """What was received: from the log, else as it was kept. None if neither has it any more."""
    for record in event_log.read(row.position - 1, limit=1):
        if record.position == row.position and record.body:  # one without was emptied: see EventLog.scrub
            return ReceivedMessage(record.source, record.body)
    return ReceivedMessage(NO_SOURCE, bytes(row.body)) if row.body is not None else None


def at(destination: int, positions: Iterable[int]) -> list[DeliveryRecordRow]:
    """What is recorded of these places of the log, the newest first."""
    places = list(positions)
    rows = DeliveryRecordRow.objects.filter(destination_id=destination, position__in=places) if places else ()
    return sorted(rows, key=lambda row: -row.id)


def queued_positions(destination: int, positions: Iterable[int]) -> set[int]:
    """Those of these places whose messages are to be tried again."""
    places = list(positions)
    rows = RetryEntry.objects.filter(destination_id=destination, position__in=places)
    return set(rows.values_list("position", flat=True)) if places else set()


def no_longer_kept(destination: int, outcome: str, reason: str | None = None) -> int:
    """Messages that are counted under an outcome and whose delivery records are gone (`ledger.DELIVERY_RECORDS_KEPT`)."""
    fits = Q(destination_id=destination, outcome=outcome)
    if reason:
        fits &= Q(reason=reason)
    counted = Outcome.objects.filter(fits).aggregate(total=Sum("total"))["total"] or 0
    kept = DeliveryRecordRow.objects.filter(fits).aggregate(total=Sum("total"))["total"] or 0
    return max(0, counted - kept)
