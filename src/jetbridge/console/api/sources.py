"""Sources: where messages come from."""

from datetime import datetime

import msgspec

from jetbridge.console.acts import sources as acts
from jetbridge.console.api.caller import Caller
from jetbridge.console.api.endpoint import endpoint
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
    name: str


class SourceChange(msgspec.Struct, forbid_unknown_fields=True):
    """What is absent stays."""

    name: str | None = None
    enabled: bool | None = None


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
    return _shape(caller.own(caller.workspace.sources.all(), source, "source"))


@endpoint("PATCH", "sources/<int:source>", Role.EDITOR)
def change_a_source(caller: Caller, source: int, body: SourceChange) -> Source:
    """Rename a source, or switch it on or off.

    A source that is off takes nothing: whoever presents its key is answered 401.
    """
    row = caller.own(caller.workspace.sources.select_related("workspace"), source, "source")
    acts.change(caller.actor, row, name=body.name, enabled=body.enabled)
    return _shape(row)


def _shape(row: models.Source) -> Source:
    is_http = row.kind == models.SourceKind.HTTP
    key = row.write_key if is_http else None
    return Source(row.id, row.name, row.kind, row.enabled, key, row.created_at)
