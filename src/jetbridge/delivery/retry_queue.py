"""Trying failures again: from a delivery record to an item of its destination, with the account right at every moment.

A failure that is to be tried again stops being one: its record becomes an RetryEntry in the same transaction
that lowers the counter. RetryEntries are pending, until the destination takes them. A destination that cannot take some messages of a batch
makes RetryEntries of them itself, to be taken again after a while (`postpone`).
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import NamedTuple

from django.db import connection, transaction
from django.db.models import Count, Min, QuerySet, Sum

from jetbridge.delivery import isolation, ledger
from jetbridge.delivery.base import DeliveryItem
from jetbridge.delivery.batch import Batch
from jetbridge.delivery.delivery_counts import DeliveryCounts, DeliveryRecord
from jetbridge.delivery.delivery_records import Choice, message_of
from jetbridge.delivery.models import DeliveryRecordRow, RetryEntry
from jetbridge.errors import TransientError
from jetbridge.eventlog.base import EventLog
from jetbridge.routing.route import USER_SUPPRESSED, Nobody, Suppressed
from jetbridge.spec.message import decode, decode_or_none, encode

#: How many the consumer takes between two batches of new messages.
BATCH_ROWS = 500

NEXT = """
SELECT id, position, total, source_id, body FROM delivery_retryentry
WHERE destination_id = %s AND (not_before IS NULL OR not_before <= %s) ORDER BY id LIMIT %s
"""

#: What is postponed once more has waited since it was postponed first.
KEEP_REQUESTED_AT = """
UPDATE delivery_retryentry SET requested_at = (
    SELECT min(earlier.requested_at) FROM delivery_retryentry AS earlier
    WHERE earlier.destination_id = delivery_retryentry.destination_id AND earlier.position = delivery_retryentry.position
) WHERE destination_id = %s AND id > %s
"""


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
    rows = choice.of(destination, ledger.FAILED).values_list("reason").order_by("reason")
    return [Failures(*row) for row in rows.annotate(Count("id"), Sum("total"))]


def retry(destination: int, choice: Choice, event_log: EventLog) -> Retried:
    """Let the consumer try these failures again. All of them at once, or none."""
    found, lost = [], 0
    for row in choice.of(destination, ledger.FAILED).order_by("id").iterator(500):
        if message := message_of(row, event_log):
            again = RetryEntry(
                destination_id=destination,
                position=row.position,
                total=row.total,
                source_id=message.source,
                body=message.body,
            )
            found.append((row.id, row.reason, again))
        else:
            lost += row.total
    with transaction.atomic():
        messages = sum(_turn(destination, chunk) for chunk in _chunks(found))
    return Retried(messages, lost)


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


_Found = tuple[int, str, RetryEntry]


def _turn(destination: int, found: Sequence[_Found]) -> int:
    """Delivery records to RetryEntries, but for those that left since they were read; how many messages."""
    delivery_records = DeliveryRecordRow.objects.filter(id__in=[id_ for id_, _, _ in found])
    here = set(delivery_records.values_list("id", flat=True))
    kept = [(reason, again) for id_, reason, again in found if id_ in here]
    RetryEntry.objects.bulk_create(again for _, again in kept)
    delivery_records.delete()
    failed: Counter[str] = Counter()
    for reason, again in kept:
        failed[reason] -= again.total
    ledger.add(destination, DeliveryCounts(failed=failed))
    return -failed.total()


def _chunks(found: Sequence[_Found]) -> Iterator[list[_Found]]:
    remaining = iter(found)
    while chunk := list(islice(remaining, 500)):
        yield chunk


class RetryFeed:
    """The RetryEntries of one destination that are due, oldest first (`batch.Feed`)."""

    def __init__(
        self,
        destination: int,
        rows: int = BATCH_ROWS,
        suppressed: Suppressed | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`rows` at the most go into one batch."""
        self._now = now
        self.is_waiting = False
        self._destination, self._rows, self._suppressed = destination, rows, suppressed or Nobody()
        #: Up to which row nothing is due before when: it is asked fifty times a second, and 100,000 rows may wait.
        self._newest, self._next_due = 0, datetime.min.replace(tzinfo=UTC)

    def next(self, limit: int) -> Batch | None:
        waiting, now = RetryEntry.objects.filter(destination_id=self._destination), self._now()
        newest = waiting.order_by("-id").values_list("id", flat=True).first()
        self.is_waiting = newest is not None
        if newest is None or (newest == self._newest and now < self._next_due):
            return None
        with connection.cursor() as cursor:
            at = connection.ops.adapt_datetimefield_value(now)
            cursor.execute(NEXT, [self._destination, at, min(limit, self._rows)])
            rows = cursor.fetchall()
        if not rows:
            self._newest, self._next_due = newest, waiting.aggregate(at=Min("not_before"))["at"] or now
            return None
        self._suppressed.refresh()
        items: list[DeliveryItem] = []
        failures: list[DeliveryRecord] = []
        suppressed = 0
        for _, position, total, source, body in rows:
            try:
                message = decode(body)
                if self._suppressed.covers(message):
                    suppressed += total
                else:
                    items.append(DeliveryItem(position, message, total, source))
            except Exception as error:  # noqa: BLE001 - it was alone: whatever it is, the others go on
                failures.append(isolation.failure_of(error, position, body, total))
        ids = [id_ for id_, *_ in rows]
        return Batch(items, lambda: self._commit(ids, failures, suppressed), len(rows))

    @contextmanager
    def _commit(
        self, ids: Sequence[int], failures: Sequence[DeliveryRecord], suppressed: int
    ) -> Iterator[DeliveryCounts]:
        with transaction.atomic():
            counts = DeliveryCounts()
            if suppressed:
                counts.filtered[USER_SUPPRESSED] += suppressed
            for delivery_record in failures:
                counts.fail(delivery_record)
            yield counts
            ledger.add(self._destination, counts)
            with connection.cursor() as cursor:
                cursor.execute(KEEP_REQUESTED_AT, [self._destination, max(ids)])
            gone, _ = RetryEntry.objects.filter(id__in=ids).delete()
            if gone != len(ids):
                raise TransientError("CONFLICT", "Messages to be tried again were withdrawn meanwhile.")
