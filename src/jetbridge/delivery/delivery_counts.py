"""What became of the messages of one transaction, to be added to the account."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple


class DeliveryRecord(NamedTuple):
    """A message (or several that merged) that was filtered by state or failed, so that a person can find it.

    `total` messages up to `position` share it. `request` and `answer` are text with secrets masked. `body` is
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

    `in_flight` is how many more messages the destination has taken and not settled; negative as they settle.
    """

    delivered: int = 0
    in_flight: int = 0
    filtered: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    delivery_records: list[DeliveryRecord] = field(default_factory=list)
    #: Messages that were read, by the minute (since 1970) in which they were received.
    received: Counter[int] = field(default_factory=Counter)
    #: Delivered messages by how long they took (`minutes.bucket`), as far as that is known.
    latencies: Counter[int] = field(default_factory=Counter)

    def filter(self, delivery_record: DeliveryRecord) -> None:
        self.filtered[delivery_record.reason] += delivery_record.total
        self.delivery_records.append(delivery_record)

    def fail(self, delivery_record: DeliveryRecord) -> None:
        self.failed[delivery_record.reason] += delivery_record.total
        self.delivery_records.append(delivery_record)
