"""Sources: where messages come from."""

from datetime import datetime

import msgspec

from jetbridge.console.acts import sources as acts
from jetbridge.console.api.caller import Caller
from jetbridge.console.api.destinations import own_destination
from jetbridge.console.api.endpoint import endpoint
from jetbridge.console.api.kinds import Name
from jetbridge.console.api.paging import Page, Paging, page_of
from jetbridge.control import models
from jetbridge.control.people import Role


class Source(msgspec.Struct):
    """`kind` is http, segment or mailjet. `write_key` is what Segment's libraries present; null for other kinds."""

    id: int
    name: str
    kind: str
    enabled: bool
    write_key: str | None
    created_at: datetime


class NewSource(msgspec.Struct, forbid_unknown_fields=True):
    name: Name


class SourceChange(msgspec.Struct, forbid_unknown_fields=True):
    """What is absent stays."""

    name: Name | None = None
    enabled: bool | None = None


class Connected(msgspec.Struct):
    """The destinations that get the messages of a source, by id."""

    destinations: list[int]


@endpoint("GET", "sources")
def list_sources(caller: Caller, query: Paging) -> Page[Source]:
    """The sources of the workspace, newest first."""
    return page_of(caller.workspace.sources.all(), query, _shape)


@endpoint("POST", "sources", Role.EDITOR, status=201)
def create_source(caller: Caller, body: NewSource) -> Source:
    """Add a source for Segment's libraries and HTTP API."""
    return _shape(acts.add(caller.actor, body.name))


@endpoint("GET", "sources/<int:source>")
def get_source(caller: Caller, source: int) -> Source:
    """One source."""
    return _shape(own_source(caller, source))


@endpoint("PATCH", "sources/<int:source>", Role.EDITOR)
def change_a_source(caller: Caller, source: int, body: SourceChange) -> Source:
    """Rename a source, or switch it on or off.

    A source that is off takes nothing: whoever presents its key is answered 401.
    """
    row = own_source(caller, source)
    acts.change(caller.actor, row, name=body.name, enabled=body.enabled)
    return _shape(row)


@endpoint("PUT", "sources/<int:source>/destinations/<int:destination>", Role.EDITOR)
def connect_source(caller: Caller, source: int, destination: int) -> Connected:
    """Let a destination get the messages of a source, those that come from then on."""
    row, other = own_source(caller, source), own_destination(caller, destination)
    acts.connect(caller.actor, row, other)
    return _connected(row)


@endpoint("DELETE", "sources/<int:source>/destinations/<int:destination>", Role.EDITOR)
def disconnect_source(caller: Caller, source: int, destination: int) -> Connected:
    """Let a destination get no more messages of a source. What was counted stays."""
    row, other = own_source(caller, source), own_destination(caller, destination)
    acts.disconnect(caller.actor, row, other)
    return _connected(row)


def own_source(caller: Caller, source: int) -> models.Source:
    """Raises Refused (404)."""
    return caller.own(caller.workspace.sources.select_related("workspace"), source, "source")


def _connected(row: models.Source) -> Connected:
    return Connected(sorted(row.destinations.values_list("id", flat=True)))


def _shape(row: models.Source) -> Source:
    is_http = row.kind == models.SourceKind.HTTP
    key = row.write_key if is_http else None
    return Source(row.id, row.name, row.kind, row.enabled, key, row.created_at)
