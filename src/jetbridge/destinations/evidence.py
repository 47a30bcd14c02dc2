"""What is known of one failure: the message, what was sent, and what came back. Secrets are masked."""

from typing import Any, NamedTuple

import msgspec

from jetbridge.delivery.exhibits import message_of
from jetbridge.delivery.models import ExhibitRow
from jetbridge.destinations.registry import DEFINITIONS
from jetbridge.eventlog.base import EventLog

MASKED = "***"


class Evidence(NamedTuple):
    """`message` is None where it is not kept any more; the last one where several merged."""

    message: dict[str, Any] | None
    request: str
    answer: str


def of(row: ExhibitRow, event_log: EventLog) -> Evidence:
    kept = message_of(row, event_log)
    return Evidence(readable(kept.body) if kept else None, row.request, row.answer)


def readable(body: bytes) -> dict[str, Any]:
    """A message of the log as a person may see it: settings that came with it may hold what is secret in ours."""
    message = msgspec.json.decode(body, type=dict[str, Any])
    if isinstance(settings := message.get("_settings"), dict):
        fields = [field for definition in DEFINITIONS.values() for field in definition.fields]
        secret = {field.name for field in fields if field.secret}
        message["_settings"] = {name: MASKED if name in secret else settings[name] for name in settings}
    return message


def lines(evidence: Evidence) -> list[str]:
    """The same for a person."""
    message = (
        "not kept any more" if evidence.message is None else msgspec.json.encode(evidence.message).decode()
    )
    parts = {"message": message, "request": evidence.request, "answer": evidence.answer}
    return [f"    {name}: {text}" for name, text in parts.items() if text]
