"""Trying a call: the way it would go to a destination, step by step; and sending it, as its source would.

Sending goes through the event log like every other call, because a shortcut to the destination would prove
nothing about the way there, and would tell Mailjet what the contact state does not know.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from jetbridge.control.directory import DestinationRef
from jetbridge.destinations.definition import Definition
from jetbridge.destinations.registry import DEFINITIONS
from jetbridge.destinations.segment.outgoing import render
from jetbridge.errors import MessageRejected
from jetbridge.eventlog.base import Entry, EventLog
from jetbridge.routing.filters import Filters
from jetbridge.routing.route import (
    EVENT_TYPE_OFF,
    FILTERED_BY_DESTINATION_FILTER,
    FILTERED_BY_INTEGRATIONS_OBJECT,
    REASONS,
    UNSUPPORTED_EVENT_TYPE,
    USER_SUPPRESSED,
)
from jetbridge.spec.message import Message, decode
from jetbridge.spec.normalise import Arrival
from jetbridge.spec.parse import parse_single
from jetbridge.spec.parsed import Accepted

#: What is looked at, by the reason for which a message would not come.
TITLES = {
    UNSUPPORTED_EVENT_TYPE: "Call type",
    FILTERED_BY_INTEGRATIONS_OBJECT: "Integrations object",
    EVENT_TYPE_OFF: "Email events",
    USER_SUPPRESSED: "Forgotten people",
    FILTERED_BY_DESTINATION_FILTER: "Filters",
}


@dataclass(frozen=True)
class Step:
    """`passed` None: not reached. `code` and `sentence` say why it stopped here."""

    title: str
    passed: bool | None
    code: str = ""
    sentence: str = ""


def message_of(text: str) -> Message:
    """A call that a person typed, as a door would take it now. Raises MessageRejected."""
    return decode(_accepted(text).body)


def readable(message: Message) -> str:
    """A call as a person may change and send it again: without what the server makes, and what came in confidence."""
    return msgspec.json.format(render(message), indent=2).decode()


def steps(ref: DestinationRef, definition: Definition, message: Message, source: int) -> list[Step]:
    """The way of a message through routing. Raises HoldError if the filters cannot be read."""
    chooses_events = definition.route(ref).email_events is not None
    codes = [code for code in REASONS if code != EVENT_TYPE_OFF or chooses_events]
    reason = _why_not(ref, definition, message, source)
    stops_at = codes.index(reason) if reason else len(codes)
    found = [Step(TITLES[code], True if at < stops_at else None) for at, code in enumerate(codes)]
    if reason:
        sentence = _sentence(ref, definition, message, reason)
        found[stops_at] = Step(TITLES[reason], passed=False, code=reason, sentence=sentence)
    return found


def receivers(refs: Sequence[DestinationRef], message: Message, source: int) -> Iterator[DestinationRef]:
    """Those of the destinations that the message would come to."""
    for ref in refs:
        definition = DEFINITIONS.get(ref.kind)
        if definition and source in ref.source_kinds and not _why_not(ref, definition, message, source):
            yield ref


def send(event_log: EventLog, source: int, text: str) -> tuple[str, int]:
    """Append the call as if its source had sent it now, under a new messageId; the id, and a position before it.

    Raises MessageRejected or LogUnavailable.
    """
    accepted = _accepted(text, is_new=True)
    before = event_log.counts().end
    event_log.append([Entry(source, accepted.type, int(datetime.now(UTC).timestamp() * 1000), accepted.body)])
    return decode(accepted.body).message_id, before


def _why_not(ref: DestinationRef, definition: Definition, message: Message, source: int) -> str | None:
    if message.type not in definition.accepts:
        return UNSUPPORTED_EVENT_TYPE
    route = definition.route(ref)
    route.suppressed.refresh()
    return route.why_not(message, source)


def _sentence(ref: DestinationRef, definition: Definition, message: Message, code: str) -> str:
    if code == UNSUPPORTED_EVENT_TYPE:
        return f"It accepts {', '.join(sorted(definition.accepts))}; this is {message.type}."
    if code == FILTERED_BY_INTEGRATIONS_OBJECT:
        return f"It answers to {' and '.join(definition.names)}, and is switched off there."
    if code == EVENT_TYPE_OFF:
        return f"{message.event} is not among the email events that go on."
    if code == FILTERED_BY_DESTINATION_FILTER:
        filters: Filters | None = definition.route(ref).filters
        return f"The filter {filters.dropped_by(message)} drops it." if filters else ""
    return "Messages that name the person are not taken any more."


def _accepted(text: str, *, is_new: bool = False) -> Accepted:
    body = text.encode()
    if is_new:
        body = _without_id(body)
    parsed = parse_single(body, Arrival(received_at=datetime.now(UTC)))
    if parsed.rejected:
        raise parsed.rejected[0].reason
    return parsed.accepted[0]


def _without_id(body: bytes) -> bytes:
    try:
        call: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise MessageRejected("bad_request", "What was typed is not JSON.") from error
    if not isinstance(call, dict):
        raise MessageRejected("bad_request", "A call must be a JSON object.")
    kept = {name: value for name, value in call.items() if name.replace("_", "").lower() != "messageid"}
    return msgspec.json.encode(kept)
