"""What a destination is to the delivery engine."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from jetbridge.delivery.delivery_counts import DeliveryCounts
from jetbridge.spec.message import Message


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
        (pending) until it is settled through `ledger`. May block. Raises TransientError (the same items
        come again, later; others may come in between) or PauseError (the destination is paused at this place).
        """

    def close(self) -> None: ...
