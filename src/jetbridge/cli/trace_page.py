"""The findings of `jetbridge trace`, for a person and as JSON."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from jetbridge.cli.tracing import Found
from jetbridge.delivery.trace import DeliveryStatus, TracedMessage
from jetbridge.eventlog.base import INVALID

_STYLES = {"delivered": "green", "filtered": "dim", "failed": "bold red", "pending": "yellow"}


def as_object(found: Found) -> dict[str, Any]:
    return {
        "records": [_record(each, found.sources) for each in found.records],
        "more": found.more,
        "people": found.people,
    }


def page(name: str, found: Found) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for traced in found.records:
        parts += _lines(traced, found.sources)
    if not found.records:
        parts.append(f"The event log holds nothing about {escape(name)}, as far as it is retained.")
    if found.more:
        parts.append("There is more: see --limit.")
    for destination, contacts in found.people.items():
        for contact in contacts:
            parts += _contact(destination, contact)
    return parts


def _record(traced: TracedMessage, sources: dict[int, str]) -> dict[str, Any]:
    record = traced.record
    return {
        "position": record.position,
        "received_at": _time(record.received_at),
        "source": sources.get(record.source, str(record.source)),
        "type": record.type,
        "message_id": traced.message.message_id if traced.message else None,
        "error": record.error,
        "dropped": (traced.message and traced.message.dropped) or [],
        "statuses": [status.__dict__ for status in traced.statuses],
    }


def _lines(traced: TracedMessage, sources: dict[int, str]) -> Iterator[Text]:
    record = traced.record
    what = (
        [record.type, traced.message.event or "", traced.message.message_id]
        if traced.message
        else [record.type]
    )
    source = sources.get(record.source, str(record.source))
    yield Text.assemble(
        (f"{_time(record.received_at)}  ", "dim"),
        (" ".join(part for part in what if part), "bold"),
        f"  at {source}, position {record.position:,}",
    )
    if record.error and record.type == INVALID:
        yield Text(f"    failed on ingest: {record.error}", style="red")
    if traced.message and (note := traced.message.dropped_note()):
        yield Text(f"    {note}", style="yellow")
    for status in traced.statuses:
        yield from _status(status)


def _status(status: DeliveryStatus) -> Iterator[Text]:
    reason = f" ({status.reason})" if status.reason else ""
    yield Text.assemble(
        f"    {status.destination}: ", (status.outcome, _STYLES.get(status.outcome, "")), reason
    )
    for sentence in status.details:
        yield Text(f"        {sentence}")


def _contact(destination: str, contact: dict[str, Any]) -> Iterator[RenderableType]:
    verdict = (
        ("as Mailjet confirmed it", "green") if contact["agrees"] else ("differs from Mailjet", "yellow")
    )
    yield Text()
    yield Text.assemble(
        (contact["email"], "bold"), f" at {destination}: {contact['state']}, ", verdict,
        f"; users: {', '.join(contact['users']) or 'none'}",
    )  # fmt: skip
    for key, words in (("wants_no_mail_since", "wants no mail since"), ("bounced_since", "hard bounce")):
        if contact[key]:
            yield Text(f"  {words} {contact[key]}", style="yellow")
    yield _values(contact)


def _values(contact: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=True)
    for heading in ("", "In Segment", "In Mailjet", ""):
        table.add_column(heading, overflow="fold")
    for list_id, row in contact["lists"].items():
        table.add_row(f"list {list_id}", row["desired"], row["delivered"] or "-", "")
    for name, row in contact["properties"].items():
        mark = "rejected" if row["set_aside"] else "differs" if row["differs"] else ""
        table.add_row(
            *(escape(part) for part in (name, _said(row["desired"]), _said(row["delivered"]), mark))
        )
    return table


def _said(value: Any) -> str:
    return "-" if value is None else str(value)[:200]


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(sep=" ", timespec="seconds")[:19]
