"""What `jetbridge messages trace` looks up and prints: records with their deliveries, and the person at each destination."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.conf import settings
from rich.console import RenderableType
from rich.markup import escape
from rich.text import Text

from jetbridge import eventlog
from jetbridge.cli import person_page
from jetbridge.cli.person_page import time_of
from jetbridge.control.directory import custom_id_sources, destinations_of
from jetbridge.control.models import Source, Workspace
from jetbridge.delivery.trace import TracedMessage, trace
from jetbridge.eventlog.base import INVALID, EventLog
from jetbridge.eventlog.search import about, with_message_id
from jetbridge.integrations import registry
from jetbridge.spec.person import Identity, identity_of

_STYLES = {"delivered": "green", "filtered": "dim", "failed": "bold red", "pending": "yellow"}


@dataclass(frozen=True)
class Trace:
    """`more`: there are further records. `people` are contacts by destination name; `sources` are names by id."""

    records: list[TracedMessage]
    more: bool
    people: dict[str, list[dict[str, Any]]]
    sources: dict[int, str]


def find(name: str, limit: int, watch: Callable[[EventLog], EventLog]) -> Trace:
    """First as a messageId; if there is none, as a userId or an address. Of each workspace.

    Reads the whole log, once or twice; `watch` may wrap it to see how far.
    """
    records: list[TracedMessage] = []
    people: dict[str, list[dict[str, Any]]] = {}
    with eventlog.open(settings.CONFIG) as log:
        event_log = watch(log)
        for workspace in Workspace.objects.order_by("id"):
            refs = [ref for ref in destinations_of(workspace.id) if ref.kind in registry.destinations()]
            sources = list(workspace.sources.values_list("id", flat=True))
            traceable = [registry.destination(ref.kind).traceable(ref) for ref in refs]
            identity = Identity.of_name(name)
            traced = list(islice(trace(event_log, with_message_id(sources, name), traceable), limit + 1))
            if traced:
                identity |= identity_of(traced[0].message) if traced[0].message else Identity()
            else:
                search = about(sources, identity, custom_id_sources(workspace.id))
                traced = list(islice(trace(event_log, search, traceable), limit + 1))
            records += traced
            people |= person_page.contacts(workspace, identity)
    names = dict(Source.objects.values_list("id", "name"))
    return Trace(records[:limit], len(records) > limit, people, names)


def as_object(traces: Trace) -> dict[str, Any]:
    """The JSON of `--json`; its keys are a promise to scripts."""
    records = [
        {
            "position": traced.record.position,
            "received_at": time_of(traced.record.received_at),
            "source": traces.sources.get(traced.record.source, str(traced.record.source)),
            "type": traced.record.type,
            "message_id": traced.message.message_id if traced.message else None,
            "error": traced.record.error,
            "dropped": (traced.message and traced.message.dropped) or [],
            "statuses": [status.__dict__ for status in traced.statuses],
        }
        for traced in traces.records
    ]
    return {"records": records, "more": traces.more, "people": traces.people}


def page(name: str, traces: Trace) -> Iterator[RenderableType]:
    """The same for a person who reads it."""
    for traced in traces.records:
        record, message = traced.record, traced.message
        about_it = [record.type, message.event or "", message.message_id] if message else [record.type]
        source = traces.sources.get(record.source, str(record.source))
        yield Text.assemble(
            (f"{time_of(record.received_at)}  ", "dim"),
            (" ".join(part for part in about_it if part), "bold"),
            f"  at {source}, position {record.position:,}",
        )
        if record.error and record.type == INVALID:
            yield Text(f"    failed on ingest: {record.error}", style="red")
        if message and (note := message.dropped_note()):
            yield Text(f"    {note}", style="yellow")
        for status in traced.statuses:
            reason = f" ({status.reason})" if status.reason else ""
            style = _STYLES.get(status.outcome, "")
            yield Text.assemble(f"    {status.destination}: ", (status.outcome, style), reason)
            yield from (Text(f"        {line}") for line in status.details)
    if not traces.records:
        yield f"The event log holds nothing about {escape(name)}, as far as it is retained."
    if traces.more:
        yield "There is more: see --limit."
    yield from person_page.contact_parts(traces.people)
