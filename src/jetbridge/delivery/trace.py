"""Trace: what became of messages, told afterwards from the log, the ledger and what the destinations remember.

No row is written per message for it. Routing is decided again by the same Route; failures have exhibits; what
a destination did with the rest it explains itself.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from jetbridge.delivery import ledger
from jetbridge.delivery.models import AgainRow, ExhibitRow, Reading
from jetbridge.delivery.readings import Readings
from jetbridge.eventlog.base import EMAIL_EVENT, INVALID, EventLog, Record
from jetbridge.eventlog.search import Search
from jetbridge.routing.route import (
    FILTERED_BY_INTEGRATIONS_OBJECT,
    UNSUPPORTED_EVENT_TYPE,
    USER_SUPPRESSED,
    Route,
)
from jetbridge.spec.message import Message, decode

PENDING = "pending"
#: The message came before the destination began to read its source.
BEFORE = "before its time"
_ROUTING = {
    FILTERED_BY_INTEGRATIONS_OBJECT: "The call's integrations object leaves the destination out.",
    USER_SUPPRESSED: "The person was forgotten: no destination gets messages of them.",
}


@dataclass(frozen=True)
class Fate:
    """What became of one message at one destination. `reason` is a code, `sentences` are for a person."""

    destination: str
    outcome: str
    reason: str = ""
    sentences: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Traced:
    """A record and its fates. `message` is None for what is no message."""

    record: Record
    message: Message | None
    fates: list[Fate]


class Tracer(Protocol):
    """What a destination remembers of a message that it took."""

    def fate(self, message: Message, position: int) -> tuple[str, str, list[str]]:
        """Its outcome, the reason's code, and how it came to it."""

    def unsettled(self, messages: Sequence[tuple[int, Message]]) -> dict[int, str]:
        """Outcomes, by position, of those that were not delivered; in a few queries, however many are asked for."""


class Traceable:
    """One destination, ready to tell. `tracer` None: what it took, it delivered."""

    def __init__(
        self, destination: int, name: str, accepts: Iterable[str], route: Route, tracer: Tracer | None
    ) -> None:
        route.suppressed.refresh()
        self._id, self._name, self._accepts, self._route = destination, name, frozenset(accepts), route
        self._tracer = tracer
        reading = Reading.objects.filter(reader=ledger.destination_reader(destination)).first()
        self._position = reading.position if reading else 0
        self._hold = reading.hold_reason if reading else ""
        self._readings = Readings(destination)

    def fate(self, record: Record, message: Message) -> Fate | None:
        """None if the record's source does not lead to the destination."""
        if record.source not in self._route.source_kinds:
            return None
        outcome, reason, sentences = self._fate(record, message)
        return Fate(self._name, outcome, reason, sentences)

    def left_out(self, record: Record, message: Message) -> tuple[str, list[str]] | None:
        """The reason for which routing kept a message from the destination, and why; None if it did not. Asks
        nobody.
        """
        told = self._not_taken(record, message)
        return told[1:] if told and told[0] == ledger.FILTERED else None

    def outcomes(self, records: Sequence[tuple[Record, Message | None]]) -> dict[int, str]:
        """The outcomes of `fate` by position, in a few queries, however many are asked for. Without a message:
        of one that was emptied.
        """
        ours = [each for each in records if each[0].source in self._route.source_kinds]
        found = {
            record.position: told[0] for record, message in ours if (told := self._not_taken(record, message))
        }
        taken = {record.position: message for record, message in ours if record.position not in found}
        places = {"destination_id": self._id, "position__in": list(taken)}
        found |= dict(ExhibitRow.objects.filter(**places).order_by("id").values_list("position", "outcome"))
        again = AgainRow.objects.filter(**places).values_list("position", flat=True)
        found |= dict.fromkeys(set(again) - found.keys(), PENDING)
        rest = [(position, each) for position, each in taken.items() if each and position not in found]
        unsettled = self._tracer.unsettled(rest) if self._tracer and rest else {}
        return found | {at: unsettled.get(at, ledger.DELIVERED) for at, _ in rest}

    def _fate(self, record: Record, message: Message) -> tuple[str, str, list[str]]:
        return (
            self._not_taken(record, message)
            or self._exhibited(record)
            or self._again(record)
            or self._taken(record, message)
        )

    def _not_taken(self, record: Record, message: Message | None) -> tuple[str, str, list[str]] | None:
        """What became of a message that the destination itself has not seen."""
        if record.position > self._position:
            held = f"The destination is held: {self._hold}"
            return PENDING, "UNREAD", [held if self._hold else "The destination has not read it yet."]
        if not self._readings.of(record):
            return BEFORE, "", ["`jetbridge replay` brings it to the destination."]
        if record.type not in self._accepts:
            accepted = ", ".join(sorted(self._accepts))
            return ledger.FILTERED, UNSUPPORTED_EVENT_TYPE, [f"The destination takes {accepted} calls only."]
        reason = self._route.why_not(message, record.source) if message else USER_SUPPRESSED
        return (ledger.FILTERED, reason, self._why(reason, message)) if reason else None

    def _why(self, reason: str, message: Message | None) -> list[str]:
        if sentence := _ROUTING.get(reason):
            return [sentence]
        name = message and self._route.filters and self._route.filters.dropped_by(message)
        return [f"The filter {name} drops it; decided by the filters as they are now."] if name else []

    def _exhibited(self, record: Record) -> tuple[str, str, list[str]] | None:
        row = ExhibitRow.objects.filter(destination_id=self._id, position=record.position).last()
        if row is None:
            return None
        parts = [row.sentence]
        parts += [f"Sent: {row.request[:300]}"] if row.request else []
        parts += [f"Answer: {row.answer[:300]}"] if row.answer else []
        return row.outcome, row.reason, parts

    def _again(self, record: Record) -> tuple[str, str, list[str]] | None:
        again = AgainRow.objects.filter(destination_id=self._id, position=record.position).exists()
        return (PENDING, "AGAIN", ["It failed, and is to be tried again."]) if again else None

    def _taken(self, record: Record, message: Message) -> tuple[str, str, list[str]]:
        if self._tracer is None:
            return ledger.DELIVERED, "", []
        return self._tracer.fate(message, record.position)


def trace(event_log: EventLog, search: Search, destinations: Iterable[Traceable]) -> Iterator[Traced]:
    """The records that a search means, oldest first, with their fates. Reads the whole log."""
    known = list(destinations)
    for record in event_log.find(search):
        if record.type in {INVALID, EMAIL_EVENT}:
            yield Traced(record, None, [])
            continue
        message = decode(record.body)
        fates = [fate for each in known if (fate := each.fate(record, message))]
        yield Traced(record, message, fates)
