"""What is known of one failure: the message, what was sent, and what came back. Secrets are masked."""

from typing import Any, NamedTuple

import msgspec

from jetbridge.delivery.delivery_records import message_of
from jetbridge.delivery.models import DeliveryRecordRow
from jetbridge.eventlog.base import EventLog
from jetbridge.integrations import registry
from jetbridge.spec.untrusted import JSON_ERRORS, read_untrusted

MASKED = "***"


class RecordDetail(NamedTuple):
    """`message` is None where it is not kept any more; the last one where several merged."""

    message: dict[str, Any] | None
    request: str
    response: str


def of(row: DeliveryRecordRow, event_log: EventLog) -> RecordDetail:
    kept = message_of(row, event_log)
    return RecordDetail(readable(kept.body) if kept else None, row.request, row.response)


def readable(body: bytes) -> dict[str, Any]:
    """A message of the log as a person may see it: settings that came with it may hold what is secret in ours."""
    try:
        message = read_untrusted(body, dict[str, Any])
    except JSON_ERRORS:
        return {"unreadable": body[:2_000].decode("utf-8", "replace")}
    if isinstance(settings := message.get("_settings"), dict):
        integrations = registry.destinations().values()
        secret = {
            setting.name
            for integration in integrations
            for setting in integration.settings
            if setting.is_secret
        }
        message["_settings"] = {name: MASKED if name in secret else settings[name] for name in settings}
    return message


def lines(record: RecordDetail) -> list[str]:
    """The same for a person."""
    message = "not kept any more" if record.message is None else msgspec.json.encode(record.message).decode()
    parts = {"message": message, "request": record.request, "response": record.response}
    return [f"    {name}: {text}" for name, text in parts.items() if text]
