"""What `jetbridge trace` looks up: records with their delivery statuses, and the person as the destinations hold it."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.conf import settings

from jetbridge import eventlog
from jetbridge.control.directory import custom_id_sources, destinations_of
from jetbridge.control.models import Source, Workspace
from jetbridge.delivery.trace import TracedMessage, trace
from jetbridge.eventlog.base import EventLog
from jetbridge.eventlog.search import about, with_message_id
from jetbridge.integrations import registry
from jetbridge.spec.person import Identity, identity_of


@dataclass(frozen=True)
class Found:
    """`more` says that there are further records. `people` is by destination name."""

    records: list[TracedMessage]
    more: bool
    people: dict[str, list[dict[str, Any]]]
    sources: dict[int, str]


def find(name: str, limit: int, watch: Callable[[EventLog], EventLog]) -> Found:
    """First as a messageId; if there is none, as a userId or an address. Of each workspace.

    Reads the whole log, once or twice; `watch` may wrap it to see how far.
    """
    with eventlog.open(settings.CONFIG) as event_log:
        return _find(watch(event_log), name, limit)


def _find(event_log: EventLog, name: str, limit: int) -> Found:
    records: list[TracedMessage] = []
    people: dict[str, list[dict[str, Any]]] = {}
    for workspace in Workspace.objects.order_by("id"):
        refs = [ref for ref in destinations_of(workspace.id) if ref.kind in registry.destinations()]
        sources = list(workspace.sources.values_list("id", flat=True))
        known = [registry.destination(ref.kind).traceable(ref) for ref in refs]
        identity = Identity.of_name(name)
        found = list(islice(trace(event_log, with_message_id(sources, name), known), limit + 1))
        if found:
            identity |= identity_of(found[0].message) if found[0].message else Identity()
        else:
            search = about(sources, identity, custom_id_sources(workspace.id))
            found = list(islice(trace(event_log, search, known), limit + 1))
        records += found
        people |= {
            ref.name: rows for ref in refs if (rows := registry.destination(ref.kind).person(ref, identity))
        }
    return Found(
        records[:limit], len(records) > limit, people, dict(Source.objects.values_list("id", "name"))
    )
