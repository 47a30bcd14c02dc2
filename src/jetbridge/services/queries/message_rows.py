"""Records of the log as lines of a debugger: what each is, whom it is about, what became of it."""

import json
from collections import defaultdict
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from jetbridge.control.directory import DestinationRef, destinations_of
from jetbridge.delivery.trace import PENDING, Traceable
from jetbridge.errors import PauseError
from jetbridge.eventlog.base import EMAIL_EVENT, INVALID, Record
from jetbridge.integrations import registry
from jetbridge.spec.message import Message, decode_or_none
from jetbridge.spec.person import addresses

FORGOTTEN, UNREADABLE = "forgotten", "not readable"
_LABELS = {INVALID: "failed on ingest", EMAIL_EVENT: "email event"}


@dataclass(frozen=True)
class Row:
    """`what` is an event, a name, an address, or what a call of Engage changes; `who` an id or an address. `outcomes` names destinations by outcome.

    `dropped` are the fields whose values could not be read.
    """

    position: int
    type: str
    received_at: int
    what: str = ""
    who: str = ""
    reason: str = ""
    outcomes: dict[str, list[str]] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return str(self.position)

    @property
    def label(self) -> str:
        return _LABELS.get(self.type, self.type)

    @property
    def title(self) -> str:
        return self.what or self.who

    @property
    def about(self) -> str:
        """Whom it is about, if the title does not say so."""
        return self.who if self.what and self.who != self.what else ""

    @property
    def is_complete(self) -> bool:
        return PENDING not in self.outcomes


class RowPresenter:
    """Makes rows of the records of a workspace's sources, in a few queries however many there are.

    Knows the destinations and how far they have read as it was when it was made.
    """

    def __init__(self, workspace: int, sources: Collection[int]) -> None:
        self._known: list[tuple[DestinationRef, Traceable]] = []
        for ref in destinations_of(workspace):
            if not ref.source_kinds.keys().isdisjoint(sources) and ref.kind in registry.destinations():
                with suppress(PauseError):  # its own pages say what is wrong with it
                    self._known.append((ref, registry.destination(ref.kind).traceable(ref)))

    def rows(self, records: Sequence[Record]) -> list[Row]:
        messages = [(record, message_of(record)) for record in records]
        calls = [(record, message) for record, message in messages if is_message(record)]
        outcomes: defaultdict[int, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for ref, traceable in self._known:
            for position, outcome in traceable.outcomes(calls).items():
                outcomes[position][outcome].append(ref.name)
        return [row_of(record, message, outcomes[record.position]) for record, message in messages]


def is_message(record: Record) -> bool:
    return record.type not in {INVALID, EMAIL_EVENT}


def message_of(record: Record) -> Message | None:
    """None for what is no message or cannot be read, and of one whose person was forgotten."""
    return decode_or_none(record.body) if record.body and is_message(record) else None


def row_of(record: Record, message: Message | None, outcomes: dict[str, list[str]]) -> Row:
    what, who = UNREADABLE if record.body else FORGOTTEN, ""
    if message:
        email = _email(message)
        what, who = _name(message) or email, message.user_id or email or message.anonymous_id or ""
    elif record.type == EMAIL_EVENT and record.body:
        what, who = _email_event(record.body)
    elif record.type == INVALID and record.body:
        what = (record.error or "").partition(": ")[0]
    return Row(
        position=record.position,
        type=record.type,
        received_at=record.received_at,
        what=what,
        who=who,
        reason=(record.error or "").partition(": ")[2],
        outcomes=dict(outcomes),
        dropped=tuple((message.dropped if message else None) or ()),
    )


def _name(message: Message) -> str:
    if message.engage:
        return _engage_change(message)
    if message.event:
        return message.event
    if message.type in {"page", "screen"}:
        return " ".join(filter(None, (message.category, message.name)))
    return message.group_id or message.previous_id or ""


def _engage_change(message: Message) -> str:
    """What Engage has sent: "ordered_lately: true"."""
    key = str(((message.context or {}).get("personas") or {}).get("computation_key", ""))
    values = {**(message.traits or {}), **(message.properties or {})}
    return f"{key}: {json.dumps(values[key], ensure_ascii=False)}" if key in values else key


def _email(message: Message) -> str:
    return next(iter(addresses(message)), "")


def _email_event(body: bytes) -> tuple[str, str]:
    described = (source.describe_event(body) for source in registry.sources().values())
    return next((summary for summary in described if summary), (UNREADABLE, ""))
