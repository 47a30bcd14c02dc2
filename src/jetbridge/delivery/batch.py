"""Batches: what a destination is given at once, and the one transaction that ends it.

A consumer takes them from feeds in turn: the log as it grows, failures that are to be tried again, and
spans of the log that are to be read once more.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from jetbridge.delivery import isolation
from jetbridge.delivery.base import DeliveryItem
from jetbridge.delivery.delivery_counts import DeliveryCounts, DeliveryRecord
from jetbridge.eventlog.base import EMAIL_EVENT, INVALID, Record
from jetbridge.routing.route import UNSUPPORTED_EVENT_TYPE, USER_SUPPRESSED, Route
from jetbridge.spec.message import decode

#: How many records a scan of the log takes at once. Fewer syncs the larger, but 2,000 calls and their contacts
#: outgrow the processor's cache: folding is a tenth slower than with 1,000.
BATCH_RECORDS = 1_000


@dataclass(frozen=True)
class Batch:
    """Items, and `Progress` for them. `records` is how many were read, those that do not come to it included."""

    items: Sequence[DeliveryItem]
    commit: Callable[[], AbstractContextManager[DeliveryCounts]]
    records: int


class Feed(Protocol):
    #: Why `next` had nothing: something is there, and its time has not come.
    is_waiting: bool

    def next(self, limit: int) -> Batch | None:
        """The next batch, of so many records at the most; None if there is nothing now. What was not committed
        comes again.
        """


class RoutedBatch:
    """Records of one read, routed: the items for the destination, and the counts of what it did not get.

    Nobody gets messages of people who are suppressed, nor what is left of those who were forgotten.
    """

    def __init__(self, records: Iterable[Record], route: Route) -> None:
        route.suppressed.refresh()
        self.items: list[DeliveryItem] = []
        #: Of records that cannot be read or routed; each was alone.
        self.failures: list[DeliveryRecord] = []
        #: Messages by source, whether routing let them through or not.
        self.consumed: Counter[int] = Counter()
        self.filtered: Counter[str] = Counter()
        #: The same messages by the minute in which they were received.
        self.received: Counter[int] = Counter()
        for record in records:
            self._add(record, route)

    def _add(self, record: Record, route: Route) -> None:
        if not is_received(record, route):
            return
        self.consumed[record.source] += 1
        self.received[record.received_at // 60_000] += 1
        if record.type not in route.accepts:
            self.filtered[UNSUPPORTED_EVENT_TYPE] += 1
            return
        if not record.body:
            self.filtered[USER_SUPPRESSED] += 1
            return
        try:
            message = decode(record.body)
            reason, message, _ = route.decide(message, record.source)
        except Exception as error:
            if isolation.is_environmental(error):
                raise
            isolation.note(error, f"The message at position {record.position}")
            self.failures.append(isolation.failure_of(error, record.position, record.body))
            return
        if reason:
            self.filtered[reason] += 1
        else:
            self.items.append(DeliveryItem(record.position, message, source=record.source))

    def counts(self, received: Counter[int] | None = None) -> DeliveryCounts:
        """What became of those that the destination does not get, at the minutes of their receipt or others."""
        counts = DeliveryCounts(
            filtered=self.filtered.copy(), received=self.received if received is None else received
        )
        for delivery_record in self.failures:
            counts.fail(delivery_record)
        return counts


def is_received(record: Record, route: Route) -> bool:
    """Whether the destination receives the record at all: a message of one of its sources."""
    return record.source in route.source_kinds and record.type not in _NO_MESSAGES


_NO_MESSAGES = frozenset({INVALID, EMAIL_EVENT})
