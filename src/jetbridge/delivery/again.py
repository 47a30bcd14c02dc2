"""Trying failures again: from an exhibit to an item of its destination, with the account right at every moment.

A failure that is to be tried again stops being one: its exhibit becomes an AgainRow in the same transaction
that lowers the counter. AgainRows are pending, until the destination takes them.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import NamedTuple

from django.db import connection, transaction
from django.db.models import Count, Sum

from jetbridge.delivery import ledger
from jetbridge.delivery.base import Item
from jetbridge.delivery.batch import Batch
from jetbridge.delivery.exhibits import Choice, message_of
from jetbridge.delivery.models import AgainRow, ExhibitRow
from jetbridge.delivery.tally import Tally
from jetbridge.errors import TransientError
from jetbridge.eventlog.base import EventLog
from jetbridge.spec.message import decode

#: How many the consumer takes between two batches of new messages.
BATCH_ROWS = 500

NEXT = "SELECT id, position, total, body FROM delivery_again WHERE destination_id = %s ORDER BY id LIMIT %s"


class Failures(NamedTuple):
    """Failures with the same reason. `messages` is more than `exhibits` where messages merged."""

    reason: str
    exhibits: int
    messages: int


class Retried(NamedTuple):
    """Messages that wait to be tried again, and those that cannot: the log and the exhibit have lost them."""

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
            again = AgainRow(
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


def waiting(destination: int) -> int:
    """Messages that wait to be tried again."""
    return AgainRow.objects.filter(destination_id=destination).aggregate(total=Sum("total"))["total"] or 0


_Found = tuple[int, str, AgainRow]


def _turn(destination: int, found: Sequence[_Found]) -> int:
    """Exhibits to AgainRows, but for those that left since they were read; how many messages."""
    exhibits = ExhibitRow.objects.filter(id__in=[id_ for id_, _, _ in found])
    here = set(exhibits.values_list("id", flat=True))
    kept = [(reason, again) for id_, reason, again in found if id_ in here]
    AgainRow.objects.bulk_create(again for _, again in kept)
    exhibits.delete()
    failed: Counter[str] = Counter()
    for reason, again in kept:
        failed[reason] -= again.total
    ledger.add(destination, Tally(failed=failed))
    return -failed.total()


def _chunks(found: Sequence[_Found]) -> Iterator[list[_Found]]:
    remaining = iter(found)
    while chunk := list(islice(remaining, 500)):
        yield chunk


class AgainFeed:
    """The AgainRows of one destination, oldest first (`batch.Feed`)."""

    def __init__(self, destination: int) -> None:
        self._destination = destination

    def next(self) -> Batch | None:
        with connection.cursor() as cursor:
            cursor.execute(NEXT, [self._destination, BATCH_ROWS])
            rows = cursor.fetchall()
        if not rows:
            return None
        items = [Item(position, decode(body), total) for _, position, total, body in rows]
        ids = [id_ for id_, *_ in rows]
        return Batch(items, lambda: self._commit(ids))

    @contextmanager
    def _commit(self, ids: Sequence[int]) -> Iterator[Tally]:
        with transaction.atomic():
            tally = Tally()
            yield tally
            ledger.add(self._destination, tally)
            gone, _ = AgainRow.objects.filter(id__in=ids).delete()
            if gone != len(ids):
                raise TransientError(
                    "CHANGED_MEANWHILE", "Messages to be tried again were withdrawn meanwhile."
                )
