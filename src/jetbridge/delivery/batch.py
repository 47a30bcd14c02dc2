"""Routing of the records that one read of the log gave, and the batches that destinations work on now."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from jetbridge.delivery import isolation
from jetbridge.delivery.base import FAILED, DeliveryCounts, DeliveryItem, DeliveryRecord
from jetbridge.delivery.isolation import INTERNAL_ERROR
from jetbridge.eventlog.base import EMAIL_EVENT, INVALID, Record
from jetbridge.routing.route import UNSUPPORTED_EVENT_TYPE, USER_SUPPRESSED, Route
from jetbridge.spec.message import decode, decode_or_none

_NO_MESSAGES = frozenset({INVALID, EMAIL_EVENT})

#: By destination, the batch that it works on, in this process. An erasure waits until one that was read before it has ended.
_open_batches: dict[int, object] = {}


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
            if not is_received(record, route):
                continue
            self.consumed[record.source] += 1
            self.received[record.received_at // 60_000] += 1
            if record.type not in route.accepts:
                self.filtered[UNSUPPORTED_EVENT_TYPE] += 1
                continue
            if not record.body:
                self.filtered[USER_SUPPRESSED] += 1
                continue
            try:
                message = decode(record.body)
                reason, message, _ = route.decide(message, record.source)
            except Exception as error:
                if isolation.is_environmental(error):
                    raise
                isolation.note(error, f"The message at position {record.position}")
                self.failures.append(failure_of(error, record.position, record.body))
                continue
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


def of_source(route: Route, source: int | None) -> Route:
    """The route for messages of one source only; the same one without a source."""
    if source is None:
        return route
    return replace(
        route, source_kinds={id_: kind for id_, kind in route.source_kinds.items() if id_ == source}
    )


def failure_of(error: BaseException, position: int, body: bytes, total: int = 1) -> DeliveryRecord:
    """Of a record that raised alone. What it says of itself is shown as far as it can be read."""
    message = decode_or_none(body)
    return DeliveryRecord(
        outcome=FAILED,
        reason=INTERNAL_ERROR,
        detail=isolation.bug_message(error),
        position=position,
        total=total,
        message_id=message.message_id[:200] if message else "",
        person=message.person if message else "",
        body=body,
    )


@contextmanager
def open_batch(destination: int) -> Iterator[None]:
    """From before the messages are read, and it is known who is suppressed, until all is written."""
    _open_batches[destination] = object()
    try:
        yield
    finally:
        _open_batches.pop(destination, None)


def open_batches(destinations: Iterable[int]) -> dict[int, object]:
    """The batches that are open now, by destination."""
    return {id_: _open_batches[id_] for id_ in destinations if id_ in _open_batches}


def still_open(batches: Mapping[int, object]) -> list[int]:
    """The destinations of those that have not ended since."""
    return [id_ for id_, batch in batches.items() if _open_batches.get(id_) is batch]
