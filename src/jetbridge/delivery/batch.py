"""Batches: what a destination is given at once, and the one transaction that ends it.

A consumer takes them from feeds in turn: the log as it grows, failures that are to be tried again, and
spans of the log that are to be read once more.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from jetbridge.delivery.base import Item
from jetbridge.delivery.tally import Tally
from jetbridge.eventlog.base import EMAIL_EVENT, INVALID, Record
from jetbridge.routing.route import UNSUPPORTED_EVENT_TYPE, USER_SUPPRESSED, Route
from jetbridge.spec.message import decode

#: How many records one batch takes at the most. Fewer syncs the larger, but 2,000 calls and their contacts
#: outgrow the processor's cache: folding is a tenth slower than with 1,000.
BATCH_RECORDS = 1_000


@dataclass(frozen=True)
class Batch:
    """Items, and `Progress` for them."""

    items: Sequence[Item]
    commit: Callable[[], AbstractContextManager[Tally]]


class Feed(Protocol):
    def next(self) -> Batch | None:
        """The next batch; None if there is nothing now. What was not committed comes again."""


class Routed:
    """Records of one read, routed: the items for the destination, and the counts of what it did not get.

    Nobody gets messages of people who are suppressed, nor what is left of those who were forgotten.
    """

    def __init__(self, records: Iterable[Record], route: Route) -> None:
        route.suppressed.refresh()
        self.items: list[Item] = []
        #: Messages by source, whether routing let them through or not.
        self.consumed: Counter[int] = Counter()
        self.filtered: Counter[str] = Counter()
        #: The same messages by the minute in which they were received.
        self.received: Counter[int] = Counter()
        for record in records:
            self._add(record, route)

    def _add(self, record: Record, route: Route) -> None:
        if not takes(record, route):
            return
        self.consumed[record.source] += 1
        self.received[record.received_at // 60_000] += 1
        if record.type not in route.accepts:
            self.filtered[UNSUPPORTED_EVENT_TYPE] += 1
            return
        if not record.body:
            self.filtered[USER_SUPPRESSED] += 1
            return
        message = decode(record.body)
        if reason := route.why_not(message, record.source):
            self.filtered[reason] += 1
        else:
            self.items.append(Item(record.position, message))


def takes(record: Record, route: Route) -> bool:
    """Whether the destination receives the record at all: a message of one of its sources."""
    return record.source in route.source_kinds and record.type not in _NO_MESSAGES


_NO_MESSAGES = frozenset({INVALID, EMAIL_EVENT})
