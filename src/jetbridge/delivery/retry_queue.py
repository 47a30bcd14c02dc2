"""The queue of messages that wait to be tried again, with the account right at every moment.

A failure that is to be tried again stops being one: its record becomes a RetryEntry in the same transaction that lowers the
counter. Entries are pending, until the destination accepts them. A destination that cannot accept some messages of a batch makes
entries of them itself, to be taken again after a while (`postpone`).
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.models import Count, QuerySet, Sum

from jetbridge.delivery import ledger
from jetbridge.delivery.base import FAILED, DeliveryCounts, DeliveryItem
from jetbridge.delivery.delivery_records import Choice, message_of
from jetbridge.delivery.models import DeliveryRecordRow, RetryEntry
from jetbridge.eventlog.base import EventLog
from jetbridge.spec.message import decode_or_none, encode


class Failures(NamedTuple):
    """Failures with the same reason. `messages` is more than `delivery_records` where messages merged."""

    reason: str
    delivery_records: int
    messages: int


class Retried(NamedTuple):
    """Messages that wait to be tried again, and those that cannot: the log and the record have lost them."""

    messages: int
    lost: int


def failures(destination: int, choice: Choice) -> list[Failures]:
    rows = choice.of(destination, FAILED).values_list("reason").order_by("reason")
    return [Failures(*row) for row in rows.annotate(Count("id"), Sum("total"))]


def retry(destination: int, choice: Choice, event_log: EventLog) -> Retried:
    """Let the consumer try these failures again. All of them at once, or none."""
    entries: list[tuple[int, str, RetryEntry]] = []
    lost = 0
    for row in choice.of(destination, FAILED).order_by("id").iterator(500):
        if message := message_of(row, event_log):
            entry = RetryEntry(
                destination_id=destination,
                position=row.position,
                total=row.total,
                source_id=message.source,
                body=message.body,
            )
            entries.append((row.id, row.reason, entry))
        else:
            lost += row.total
    failed: Counter[str] = Counter()
    with transaction.atomic():
        for start in range(0, len(entries), 500):
            chunk = entries[start : start + 500]
            rows = DeliveryRecordRow.objects.filter(id__in=[id_ for id_, _, _ in chunk])
            here = set(rows.values_list("id", flat=True))  # some may have left since they were read
            kept = [(reason, entry) for id_, reason, entry in chunk if id_ in here]
            RetryEntry.objects.bulk_create(entry for _, entry in kept)
            rows.delete()
            for reason, entry in kept:
                failed[reason] -= entry.total
        ledger.add(destination, DeliveryCounts(failed=failed))
    return Retried(-failed.total(), lost)


def postpone(destination: int, items: Sequence[DeliveryItem], wait_seconds: float) -> None:
    """Have a destination take items again later: it cannot now, though it takes others. They are pending meanwhile.

    Inside `Progress.commit`, and left out of its counts.
    """
    not_before = datetime.now(UTC) + timedelta(seconds=wait_seconds)
    RetryEntry.objects.bulk_create(
        (
            RetryEntry(
                destination_id=destination,
                position=item.position,
                total=item.total,
                source_id=item.source,
                body=encode(item.message),
                not_before=not_before,
            )
            for item in items
        ),
        batch_size=500,
    )


def queued(destination: int) -> Iterator[DeliveryItem]:
    """All that waits and can be read, oldest first."""
    for _, item in _items(RetryEntry.objects.filter(destination_id=destination)):
        yield item


def take(destination: int, positions: Collection[int]) -> list[DeliveryItem]:
    """Take messages out of the queue that were sent with others of it. The caller's counts have them; inside `Progress.commit`."""
    rows = list(_items(RetryEntry.objects.filter(destination_id=destination, position__in=positions)))
    RetryEntry.objects.filter(id__in=[id_ for id_, _ in rows]).delete()
    return [item for _, item in rows]


def _items(rows: QuerySet[RetryEntry]) -> Iterator[tuple[int, DeliveryItem]]:
    fields = ("id", "position", "total", "source_id", "body")
    for id_, position, total, source, body in rows.order_by("id").values_list(*fields).iterator(500):
        if message := decode_or_none(bytes(body)):
            yield id_, DeliveryItem(position, message, total, source)


def is_waiting(destination: int, position: int) -> bool:
    """Whether the message at a position waits to be tried again."""
    return RetryEntry.objects.filter(destination_id=destination, position=position).exists()


def waiting(destination: int) -> int:
    """Messages that wait to be tried again."""
    return RetryEntry.objects.filter(destination_id=destination).aggregate(total=Sum("total"))["total"] or 0
