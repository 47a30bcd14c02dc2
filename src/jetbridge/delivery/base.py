"""The shapes of the delivery engine: a message on its way, what came of it, and what a destination and a feed promise."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from jetbridge.spec.message import Message

#: Outcomes of a message at a destination.
DELIVERED, FILTERED, FAILED = "delivered", "filtered", "failed"
#: Messages that a destination has accepted and not completed. Not an outcome: with the unread ones, pending.
IN_FLIGHT = "in_flight"
#: Not an outcome either: messages by the minute in which they were received, as far as they were read.
RECEIVED = "received"

#: Reason of Segment's `delete` calls in a replay: who was let in again since must not be forgotten by an old call.
NOT_REPLAYED = "NOT_REPLAYED"


class DeliveryItem(NamedTuple):
    """A message that routing lets through, and its place in the log.

    `total` messages stand behind it and share its outcome: more than one if they merged, failed together and
    are tried again. `source` is the id of its source.
    """

    position: int
    message: Message
    total: int = 1
    source: int = 0


@dataclass(frozen=True)
class BatchPolicy:
    """How many messages a destination wants at once, how long it waits for more, and how long at most between two tries.

    The oldest message waits `linger_seconds`, unless `records` are there before; with 0 whatever is there goes at once.
    """

    records: int = 1_000
    linger_seconds: float = 0.0
    retry_cap_seconds: float = 60.0


class DeliveryRecord(NamedTuple):
    """A message (or several that merged) that was filtered by state or failed, so that a person can find it.

    `total` messages up to `position` share it. `request` and `response` are text with secrets masked. `body` is
    the message as it was received, if it is at hand; the log may have it, too.
    """

    outcome: str
    reason: str
    detail: str
    position: int
    total: int = 1
    message_id: str = ""
    person: str = ""
    request: str = ""
    response: str = ""
    body: bytes | None = None


@dataclass
class DeliveryCounts:
    """Counts of messages, by reason where there is one. Reasons are stable upper-case codes.

    `in_flight` is how many more messages the destination has accepted and not completed; negative as they complete.
    """

    delivered: int = 0
    in_flight: int = 0
    filtered: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    delivery_records: list[DeliveryRecord] = field(default_factory=list)
    #: Messages that were read, by the minute (since 1970) in which they were received.
    received: Counter[int] = field(default_factory=Counter)
    #: Delivered messages by how long they took (`metrics.bucket`), as far as that is known.
    latencies: Counter[int] = field(default_factory=Counter)

    def filter(self, delivery_record: DeliveryRecord) -> None:
        self.filtered[delivery_record.reason] += delivery_record.total
        self.delivery_records.append(delivery_record)

    def fail(self, delivery_record: DeliveryRecord) -> None:
        self.failed[delivery_record.reason] += delivery_record.total
        self.delivery_records.append(delivery_record)


@dataclass(frozen=True)
class Batch:
    """What a destination gets at once, and the transaction that ends it (`Progress`). `records` is how many were read of the
    feed, those that are filtered included.
    """

    items: Sequence[DeliveryItem]
    commit: Callable[[], AbstractContextManager[DeliveryCounts]]
    records: int


class Feed(Protocol):
    """Where a consumer gets batches from: the log as it grows, failures to be tried again, or a range of the log once more."""

    #: Why `next` had nothing: something is there, and its time has not come.
    is_waiting: bool

    def next(self, limit: int) -> Batch | None:
        """The next batch, of so many records at the most; None if there is nothing now. What was not committed
        comes again.
        """


class Progress(Protocol):
    def commit(self) -> AbstractContextManager[DeliveryCounts]:
        """Open the one transaction that ends this batch.

        What the block writes to the state database, what it adds to the counts and the new position become
        true together. A block that raises leaves all three as they were.
        """


class Sink(Protocol):
    """One configured destination; used by one thread."""

    def deliver(self, items: Sequence[DeliveryItem], progress: Progress) -> None:
        """Take every item, then `with progress.commit() as counts` once, accounting for each item.

        An item that is neither delivered, filtered nor failed in the counts is in flight at the destination
        (pending) until it is completed through `ledger`. May block. Raises TransientError (the same items
        come again, later; others may come in between) or PauseError (the destination is paused at this place).
        """

    def close(self) -> None: ...
