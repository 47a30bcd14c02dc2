"""What is known of one failure: the message, what was sent, and what came back. Secrets are masked."""

from typing import Any, NamedTuple

import msgspec

from jetbridge.delivery.exhibits import message_of
from jetbridge.delivery.models import ExhibitRow
from jetbridge.destinations.definition import Definition
from jetbridge.eventlog.base import EventLog

MASKED = "***"


class Evidence(NamedTuple):
    """`message` is None where it is not kept any more; the last one where several merged."""

    message: dict[str, Any] | None
    request: str
    answer: str


def of(row: ExhibitRow, definition: Definition, event_log: EventLog) -> Evidence:
    kept = message_of(row, event_log)
    message = msgspec.json.decode(kept.body, type=dict[str, Any]) if kept else None
    if message and isinstance(settings := message.get("_settings"), dict):
        # What a Segment workspace sends along with a call.
        secret = {field.name for field in definition.fields if field.secret}
        message["_settings"] = {name: MASKED if name in secret else settings[name] for name in settings}
    return Evidence(message, row.request, row.answer)


def lines(evidence: Evidence) -> list[str]:
    """The same for a person."""
    message = (
        "not kept any more" if evidence.message is None else msgspec.json.encode(evidence.message).decode()
    )
    parts = {"message": message, "request": evidence.request, "answer": evidence.answer}
    return [f"    {name}: {text}" for name, text in parts.items() if text]
