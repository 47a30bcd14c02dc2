"""Spans of the log: found by time, read to their end, counted as one destination would take them."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from jetbridge.delivery.batch import BATCH_RECORDS, RoutedBatch, is_received
from jetbridge.eventlog.base import EventLog, Record
from jetbridge.heartbeat import beat
from jetbridge.routing.route import Route


class Span(NamedTuple):
    """The records after one position and up to another."""

    after: int
    upto: int


@dataclass
class SpanCount:
    """Messages of a span by call type, and how many of them routing would let through."""

    by_type: Counter[str] = field(default_factory=Counter)
    let_through: int = 0

    @property
    def messages(self) -> int:
        return self.by_type.total()


def position_before(event_log: EventLog, moment: int) -> int:
    """The position after which records were received at `moment` (ms since 1970) or later.

    Looks at some twenty records. Web processes append side by side, so close to the moment a record may
    stand some milliseconds off.
    """

    def is_after(position: int) -> bool:
        following = event_log.read(position, limit=1)
        return not following or following[0].received_at >= moment

    return bisect_left(range(event_log.counts().end), True, key=is_after)  # noqa: FBT003 - what to look for


def read(event_log: EventLog, span: Span) -> Iterator[list[Record]]:
    """The records of a span, a batch at a time."""
    after = span.after
    while after < span.upto and (records := event_log.read(after, limit=BATCH_RECORDS)):
        beat()
        yield [record for record in records if record.position <= span.upto]
        after = records[-1].position


def count(
    event_log: EventLog, span: Span, route: Route, on_records: Callable[[int], object] = int
) -> SpanCount:
    """Reads the whole span; `on_records` is told how many records of each batch were looked at."""
    found = SpanCount()
    for records in read(event_log, span):
        found.by_type.update(record.type for record in records if is_received(record, route))
        found.let_through += len(RoutedBatch(records, route).items)
        on_records(len(records))
    return found
