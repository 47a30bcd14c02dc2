"""Destinations: where messages go, how they are set, and whether they run."""

import msgspec

from jetbridge.console.acts import destinations as acts
from jetbridge.console.api.caller import Caller
from jetbridge.console.api.endpoint import endpoint
from jetbridge.console.api.kinds import Id, Name
from jetbridge.console.api.paging import Page, Paging, page_of
from jetbridge.control import models
from jetbridge.control.directory import DestinationRef, destinations_of
from jetbridge.control.people import Role
from jetbridge.destinations import changes


class Destination(msgspec.Struct):
    """`settings` are texts by name; of a secret it is told only whether it is set. `sources` are ids."""

    id: int
    name: str
    kind: str
    enabled: bool
    sources: list[int]
    settings: dict[str, str]


class DestinationChange(msgspec.Struct, forbid_unknown_fields=True):
    """What is absent stays; an empty setting goes back to its default. All of it is done, or nothing."""

    name: Name | None = None
    enabled: bool | None = None
    sources: list[Id] | None = None
    settings: dict[str, str] = {}


class NewDestination(msgspec.Struct, forbid_unknown_fields=True):
    """`kind` and `settings` are as in the catalogue. Without a name it is called by its kind."""

    kind: str
    settings: dict[str, str]
    sources: list[Id] = []
    name: Name | None = None
    enabled: bool = False


class Changed(msgspec.Struct):
    """`notes` are what a person should know about the new value."""

    what: str
    before: str
    after: str
    notes: list[str]


class ChangedDestination(msgspec.Struct):
    """`changed` is empty if it was so already."""

    destination: Destination
    changed: list[Changed]


class Released(msgspec.Struct):
    """False: it was not held."""

    released: bool


@endpoint("GET", "destinations")
def list_destinations(caller: Caller, query: Paging) -> Page[Destination]:
    """The destinations of the workspace, newest first."""
    return page_of(caller.workspace.destinations.prefetch_related("sources"), query, _shape)


@endpoint("POST", "destinations", Role.EDITOR, status=201)
def create_destination(caller: Caller, body: NewDestination) -> Destination:
    """Add a destination. It takes messages that come from then on, once it is enabled."""
    name = body.name or body.kind.capitalize()
    row = acts.add(caller.actor, body.kind, name, body.settings, body.sources, enabled=body.enabled)
    return _shape(own_destination(caller, row.id))


@endpoint("GET", "destinations/<int:destination>")
def get_destination(caller: Caller, destination: int) -> Destination:
    """One destination with its settings."""
    return _shape(own_destination(caller, destination))


@endpoint("PATCH", "destinations/<int:destination>", Role.EDITOR)
def change_destination(caller: Caller, destination: int, body: DestinationChange) -> ChangedDestination:
    """Rename a destination, change its settings or sources, or switch it on or off.

    The settings of each kind stand on its page of the documentation. A running worker takes a change up within
    a second.
    """
    row = own_destination(caller, destination)
    made = acts.change(
        caller.actor, row, body.settings, enabled=body.enabled, name=body.name, sources=body.sources
    )
    changed = [Changed(each.what, each.before, each.after, list(each.notes)) for each in made]
    return ChangedDestination(_shape(own_destination(caller, destination)), changed)


@endpoint("POST", "destinations/<int:destination>/release", Role.EDITOR)
def release_destination(caller: Caller, destination: int) -> Released:
    """Let a held destination try again at once, and fail what is refused until something succeeds."""
    row = own_destination(caller, destination)
    return Released(acts.release(caller.actor, row))


@endpoint("DELETE", "destinations/<int:destination>", Role.EDITOR)
def remove_destination(caller: Caller, destination: int) -> Destination:
    """Remove a destination for good, with the failures that are kept. Nothing changes at the other side."""
    row = own_destination(caller, destination)
    told = _shape(row)
    acts.remove(caller.actor, row)
    return told


def own_destination(caller: Caller, destination: int) -> models.Destination:
    """Raises Refused (404)."""
    rows = caller.workspace.destinations.prefetch_related("sources")
    return caller.own(rows, destination, "destination")


def own_ref(caller: Caller, destination: int) -> DestinationRef:
    """Raises Refused (404)."""
    row = own_destination(caller, destination)
    (ref,) = [each for each in destinations_of(caller.workspace.id) if each.id == row.id]
    return ref


def _shape(row: models.Destination) -> Destination:
    values = changes.values_of(row)
    fields = changes.definition_of(row).fields
    return Destination(
        row.id,
        row.name,
        row.kind,
        row.enabled,
        sorted(source.id for source in row.sources.all()),
        {field.name: changes.shown(field, values.get(field.name, field.default)) for field in fields},
    )
