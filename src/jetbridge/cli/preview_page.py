"""A call, looked up or read, and its preview laid out for `jetbridge preview`."""

import dataclasses
import json
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec
from django.conf import settings
from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from jetbridge.cli import identify_rows
from jetbridge.control.directory import DestinationRef, destinations_of
from jetbridge.control.models import Workspace
from jetbridge.destinations import changes
from jetbridge.destinations.mailjet.definition import DEFINITION
from jetbridge.destinations.mailjet.preview import SENT, Preview, TraitPreview, preview
from jetbridge.errors import ConfigurationError
from jetbridge.eventlog.search import with_message_id
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.spec.message import Message, decode
from jetbridge.spec.normalise import Arrival
from jetbridge.spec.parse import parse_single


def destination(wanted: int | None, values: Mapping[str, str]) -> DestinationRef:
    """The Mailjet destination that is meant, with these settings tried on. Raises ConfigurationError."""
    refs = [ref for row in Workspace.objects.order_by("id") for ref in destinations_of(row.id)]
    found = [ref for ref in refs if ref.kind == DEFINITION.kind and wanted in {None, ref.id}]
    if len(found) != 1:
        one_of = "there are several: say which with --destination" if found else "there is no such one"
        raise ConfigurationError(
            f"A preview is of one Mailjet destination; {one_of}. See `jetbridge settings`."
        )
    (ref,) = found
    changes.check(DEFINITION, {**ref.settings, **ref.secrets}, values)
    return dataclasses.replace(ref, settings={**ref.settings, **values})


def of_log(ref: DestinationRef, message_id: str) -> Message:
    """The message as the event log has it; the last one if it came more than once."""
    event_log = SqliteEventLog(settings.CONFIG.log_path)
    try:
        found = list(event_log.find(with_message_id(ref.source_kinds, message_id)))
    finally:
        event_log.close()
    if not found:
        raise ConfigurationError(
            f"The event log holds no message {message_id} from a source of {ref.name}, as far as it is retained."
        )
    return decode(found[-1].body)


def of_file(text: bytes) -> Message:
    """An identify call, or a flat object of traits."""
    try:
        line = msgspec.json.encode(msgspec.json.decode(text))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigurationError("What was given is not one JSON object.") from error
    (row,) = identify_rows.ndjson([line], identify_rows.Columns())
    if row.call is None:
        raise ConfigurationError(f"What was given {row.wrong}.")
    parsed = parse_single(row.call, Arrival(received_at=datetime.now(UTC), type="identify"))
    if parsed.rejected:
        raise ConfigurationError(f"No door would take this call: {parsed.rejected[0].reason}")
    return decode(parsed.accepted[0].body)


def look(ref: DestinationRef, message: Message, *, offline: bool) -> Preview:
    """Route the message and preview it. Raises ConfigurationError for what is no identify call."""
    if message.type != "identify":
        raise ConfigurationError(f"This is a {message.type} call; only identify calls make contacts.")
    route = DEFINITION.route(ref)
    route.suppressed.refresh()
    source = next(iter(ref.source_kinds), 0)
    if reason := route.why_not(message, source):
        return Preview("filtered", reason, "Routing keeps the call from this destination.")
    return preview(ref, message, offline=offline)


def page(ref: DestinationRef, message: Message, result: Preview) -> Group:
    title = Text(f"{ref.name}, message {message.message_id}", style="bold")
    if result.outcome != "delivered":
        return Group(title, Text(f"{result.outcome} ({result.code}): {result.sentence}"))
    lines = [Text(f"{label:<10}{value}") for label, value in _facts(result).items()]
    return Group(title, *lines, _traits(result.traits))


def _facts(result: Preview) -> dict[str, str]:
    effect = "" if result.effect == result.action else f", which consent makes {result.effect}"
    facts = {
        "contact": f"{result.email}{' (new)' if result.is_new else ''}",
        "name": result.name or "",
        "list": f"{result.list_id}: {result.action}{effect}",
        "former": f"{result.moves_from}, which leaves its lists" if result.moves_from else "",
        "calls": "" if result.needs_call else "none: Mailjet has it all",
    }
    return {label: value for label, value in facts.items() if value}


def _traits(traits: list[TraitPreview]) -> Table:
    table = Table(box=SIMPLE_HEAD)
    for heading in ("Trait", "Property", "Datatype", "Value", "What happens"):
        table.add_column(heading, overflow="fold")
    for each in traits:
        style = {SENT: "green"}.get(each.state, "" if each.property and not each.reason else "yellow")
        datatype = f"would be created as {each.datatype}" if each.created else each.datatype or "-"
        state = f"{each.state}: {each.reason}" if each.reason else each.state
        value = json.dumps(each.value, ensure_ascii=False)
        cells = (each.trait, each.property or "-", datatype, value, state)
        table.add_row(*(Text(cell) for cell in cells[:-1]), Text(state, style=style))
    return table
