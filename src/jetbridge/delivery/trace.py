"""Trace: what became of messages, found afterwards in the log, the ledger and what the destinations remember.

No row is written per message for it. Routing is decided again by the same Route; failures have delivery records; what
a destination did with the rest it explains itself.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from jetbridge.delivery import isolation
from jetbridge.delivery.base import DELIVERED, FILTERED
from jetbridge.delivery.isolation import INTERNAL_ERROR
from jetbridge.delivery.ledger import ReadCounter
from jetbridge.delivery.models import ConsumerOffset, DeliveryRecordRow, RetryEntry, destination_consumer
from jetbridge.eventlog.base import EMAIL_EVENT, INVALID, EventLog, Record, Search
from jetbridge.routing.route import (
    BLOCKED_AT_SOURCE,
    FILTERED_BY_INTEGRATIONS_OBJECT,
    UNSUPPORTED_EVENT_TYPE,
    USER_SUPPRESSED,
    Decision,
    Route,
)
from jetbridge.spec.message import Message, decode_or_none
from jetbridge.text import for_editors

PENDING = "pending"
#: Nobody can tell, because the message raises an exception.
UNKNOWN = "unknown"
#: The message came before its source was connected with the destination, or while it was not.
BEFORE = "before its time"
_ROUTING = {
    BLOCKED_AT_SOURCE: "The event is blocked at its source, for all destinations.",
    FILTERED_BY_INTEGRATIONS_OBJECT: "The call's integrations object leaves the destination out.",
    USER_SUPPRESSED: "The person was forgotten: no destination gets messages of them.",
}


@dataclass(frozen=True)
class DeliveryStatus:
    """The status of one message at one destination. `reason` is a code, `sentences` are for a person."""

    destination: str
    outcome: str
    reason: str = ""
    details: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class TracedMessage:
    """A record and its statuses. `message` is None for what is no message."""

    record: Record
    message: Message | None
    statuses: list[DeliveryStatus]


class StatusExplainer(Protocol):
    """What a destination remembers of a message that it took."""

    def status(self, message: Message, position: int) -> tuple[str, str, list[str]]:
        """Its outcome, the reason's code, and how it came to it."""

    def undelivered(self, messages: Sequence[tuple[int, Message]]) -> dict[int, str]:
        """Outcomes, by position, of those that were not delivered; in a few queries, however many are asked for."""


class Traceable:
    """One destination, ready to be traced. `explainer` None: what it took, it delivered."""

    def __init__(
        self,
        destination: int,
        name: str,
        accepts: Iterable[str],
        route: Route,
        explainer: StatusExplainer | None,
    ) -> None:
        route.suppressed.refresh()
        self._id, self._name, self._accepts, self._explainer = (
            destination,
            name,
            frozenset(accepts),
            explainer,
        )
        offset = ConsumerOffset.objects.filter(consumer=destination_consumer(destination)).first()
        self._position = offset.position if offset else 0
        self._pause = offset.pause_reason if offset else ""
        self._read_counter = ReadCounter(destination)
        self._connected = frozenset(route.source_kinds)
        self._route = replace(route, source_kinds={**route.source_kinds, **self._read_counter.kinds})

    def status(self, record: Record, message: Message | None) -> DeliveryStatus | None:
        """None if the record's source leads to the destination neither now nor when it came. `message` is None if it cannot
        be read.
        """
        if not self._concerns(record):
            return None
        try:
            outcome, reason, details = self._unseen(record, message) or self._seen(record, message)
        except Exception as error:
            if isolation.is_environmental(error):
                raise
            isolation.note(error, f"The trace of position {record.position}")
            return DeliveryStatus(self._name, UNKNOWN, INTERNAL_ERROR, [isolation.bug_message(error)])
        return DeliveryStatus(self._name, outcome, reason, details)

    def _seen(self, record: Record, message: Message | None) -> tuple[str, str, list[str]]:
        """Of a message that routing let through: as recorded, as queued, or as the destination explains it."""
        row = DeliveryRecordRow.objects.filter(destination_id=self._id, position=record.position).last()
        if row:
            details = [row.detail]
            details += [f"Sent: {row.request[:300]}"] if row.request else []
            details += [f"Answer: {for_editors(row.response)}"] if row.response else []
            return row.outcome, row.reason, details
        if RetryEntry.objects.filter(destination_id=self._id, position=record.position).exists():
            return PENDING, "RETRY_QUEUED", ["It failed, and is to be tried again."]
        if message is None:
            return UNKNOWN, INTERNAL_ERROR, ["The message cannot be read, and its failure is no longer kept."]
        if self._explainer is None:
            return DELIVERED, "", []
        return self._explainer.status(self._decide(record, message).message, record.position)

    def filter_reason(self, record: Record, message: Message) -> tuple[str, list[str]] | None:
        """The reason for which routing kept a message from the destination, and why; None if it did not. Makes no query."""
        status = self._unseen(record, message)
        return status[1:] if status and status[0] == FILTERED else None

    def outcomes(self, records: Sequence[tuple[Record, Message | None]]) -> dict[int, str]:
        """The outcomes of `status` by position, in a few queries, however many are asked for. Without a message:
        of one that was emptied, or that cannot be read.
        """
        concerned = [(record, message) for record, message in records if self._concerns(record)]
        outcomes = {}
        seen = {}
        for record, message in concerned:
            if status := self._unseen(record, message):
                outcomes[record.position] = status[0]
            else:
                seen[record.position] = record, message
        places = {"destination_id": self._id, "position__in": list(seen)}
        rows = DeliveryRecordRow.objects.filter(**places).order_by("id")
        outcomes |= dict(rows.values_list("position", "outcome"))
        queued = RetryEntry.objects.filter(**places).values_list("position", flat=True)
        outcomes |= dict.fromkeys(set(queued) - outcomes.keys(), PENDING)
        rest = [
            (position, self._decide(record, message).message)
            for position, (record, message) in seen.items()
            if message and position not in outcomes
        ]
        undelivered = self._undelivered(rest)
        return outcomes | {position: undelivered.get(position, DELIVERED) for position, _ in rest}

    def _concerns(self, record: Record) -> bool:
        return record.source in self._connected or self._read_counter.of(record) > 0

    def _undelivered(self, messages: Sequence[tuple[int, Message]]) -> dict[int, str]:
        """Those that raise an exception together are looked at one by one."""
        if not (self._explainer and messages):
            return {}
        try:
            return self._explainer.undelivered(messages)
        except Exception as error:
            if isolation.is_environmental(error):
                raise
            isolation.note(error, f"The outcome of position {messages[0][0]}")
            if len(messages) == 1:
                return {messages[0][0]: UNKNOWN}
        outcomes: dict[int, str] = {}
        for message in messages:
            outcomes |= self._undelivered([message])
        return outcomes

    def _decide(self, record: Record, message: Message) -> Decision:
        """A message that raises in routing has failed: there is a delivery record of it."""
        try:
            return self._route.decide(message, record.source)
        except Exception as error:  # noqa: BLE001 - one message must not break a page of many
            isolation.note(error, f"The route of position {record.position}")
            return Decision(None, message)

    def _unseen(self, record: Record, message: Message | None) -> tuple[str, str, list[str]] | None:
        """The status of a message that the destination itself has not seen; None if it has."""
        if not self._read_counter.of(record):
            return BEFORE, "", ["`jetbridge destinations replay` brings it to the destination."]
        if record.position > self._position:
            pause = f"The destination is paused: {self._pause}"
            return PENDING, "UNREAD", [pause if self._pause else "The destination has not read it yet."]
        if record.type not in self._accepts:
            accepted = ", ".join(sorted(self._accepts))
            return FILTERED, UNSUPPORTED_EVENT_TYPE, [f"The destination takes {accepted} calls only."]
        if not record.body:
            return FILTERED, USER_SUPPRESSED, [_ROUTING[USER_SUPPRESSED]]
        reason, _, detail = self._decide(record, message) if message else (None, None, "")
        if reason is None:
            return None
        why = f"{detail} Decided by the filters as they are now." if detail else _ROUTING.get(reason, "")
        return FILTERED, reason, [why] if why else []


def trace(event_log: EventLog, search: Search, destinations: Iterable[Traceable]) -> Iterator[TracedMessage]:
    """The records that a search means, oldest first, with their delivery statuses. Reads the whole log."""
    known = list(destinations)
    for record in event_log.find(search):
        if record.type in {INVALID, EMAIL_EVENT}:
            yield TracedMessage(record, None, [])
            continue
        message = decode_or_none(record.body)
        statuses = [status for traceable in known if (status := traceable.status(record, message))]
        yield TracedMessage(record, message, statuses)
