"""Destinations: added, changed, resumed, removed."""

from collections.abc import Collection, Mapping, Sequence

from django.db import transaction

from jetbridge.control.audit import Actor
from jetbridge.control.models import Destination
from jetbridge.delivery import pauses
from jetbridge.delivery.models import destination_consumer
from jetbridge.integrations import registry
from jetbridge.services import destination_settings, new_destinations, removal
from jetbridge.services.destination_settings import Change
from jetbridge.services.log import event_log


def add(
    actor: Actor,
    kind: str,
    name: str | None,
    values: Mapping[str, str],
    sources: Collection[int],
    *,
    enabled: bool = False,
) -> Destination:
    """It begins at the end of the event log. Without a name it is named by its kind, with a number if need be.

    Raises ConflictError if another destination has the name.
    """
    with event_log() as log, transaction.atomic():
        if name is not None:
            name = new_destinations.check_name(actor.workspace, name)
        row_name = name or registry.destination(kind).title
        rows = destination_settings.sources_of(actor.workspace, sources)
        row = new_destinations.add(
            log, actor.workspace, kind, row_name, values, sources=rows, enabled=enabled
        )
        actor.audit("destination.added", row, {"kind": row.kind, "sources": [str(source) for source in rows]})
    return row


def change(
    actor: Actor,
    row: Destination,
    values: Mapping[str, str] | None = None,
    *,
    enabled: bool | None = None,
    name: str | None = None,
    sources: Collection[int] | None = None,
) -> list[Change]:
    """As `destination_settings.change` and `choose_sources`: all of it, or nothing. May ask the other side for seconds."""
    if values:
        destination_settings.check_engage_properties(row, values)
    with event_log() as log, transaction.atomic():
        made = destination_settings.change(row.id, values or {}, enabled=enabled, name=name)
        if sources is not None:
            made += destination_settings.choose_sources(row, sources, log)
        note(actor, row, made)
    return made


def switch_off(actor: Actor, row: Destination, because: str) -> None:
    with transaction.atomic():
        destination_settings.change(row.id, {}, enabled=False)
        actor.audit("destination.disabled", row, {"because": because})


def resume(actor: Actor, row: Destination) -> bool:
    """Let it try at once; False if it is not paused."""
    with transaction.atomic():
        resumed = pauses.resume_by_hand(destination_consumer(row.id))
        if resumed:
            actor.audit("destination.resumed", row)
    return resumed


def remove(actor: Actor, row: Destination) -> None:
    """There is no way back."""
    with transaction.atomic():
        actor.audit("destination.removed", row, {"kind": row.kind})
        removal.remove(row)


def note(actor: Actor, row: Destination, made: Sequence[Change]) -> None:
    """Write changes down; of secrets only that they changed, for `Change` masks them."""
    details = {change.what: [change.before, change.after] for change in made if change.what != "enabled"}
    for change in made:
        if change.what == "enabled":
            actor.audit("destination.enabled" if change.after == "yes" else "destination.disabled", row)
    if details:
        actor.audit("destination.changed", row, details)
