"""Sources: where messages come from."""

from typing import Annotated

from ninja import Query

from jetbridge.api.pagination import Page, Paging, page_of
from jetbridge.api.routing import ApiRequest, ApiRouter, editor
from jetbridge.api.schemas import Id, InSchema, Name, OutSchema, Timestamp, example
from jetbridge.control import models
from jetbridge.services import sources as source_services
from jetbridge.services.log import event_log

router = ApiRouter(tags=["Sources"])

SourceName = Annotated[Name, example("Website")]


class SourceIn(InSchema):
    name: SourceName


class SourcePatch(InSchema):
    """What is absent stays."""

    name: SourceName | None = None
    enabled: bool | None = None


class SourceOut(OutSchema):
    """`write_key` is what Segment's libraries present; null for other kinds than http."""

    id: Id
    name: SourceName
    kind: models.SourceKind
    enabled: bool
    write_key: Annotated[str | None, example("sWq2bX0uYdQyM7tTn0bqCkVhZr8aJp4L")]
    created_at: Timestamp


class ConnectedOut(OutSchema):
    """The destinations that get the messages of a source, by id."""

    destinations: Annotated[list[int], example([2])]


@router.get("/sources", response=Page[SourceOut])
def list_sources(request: ApiRequest, paging: Query[Paging]) -> Page[SourceOut]:
    """The sources of the workspace, newest first."""
    return page_of(request.auth.workspace.sources.prefetch_related("credentials"), paging, _source)


@router.post("/sources", auth=editor, response={201: SourceOut})
def create_source(request: ApiRequest, body: SourceIn) -> SourceOut:
    """Create a source for Segment's libraries and HTTP API."""
    return _source(source_services.add(request.auth.actor, body.name))


@router.get("/sources/{int:source}", response=SourceOut)
def get_source(request: ApiRequest, source: Id) -> SourceOut:
    """One source."""
    return _source(request.auth.source(source))


@router.patch("/sources/{int:source}", auth=editor, response=SourceOut)
def change_source(request: ApiRequest, source: Id, body: SourcePatch) -> SourceOut:
    """Rename a source, or enable or disable it.

    A disabled source accepts nothing: requests with its key get a 401.
    """
    row = request.auth.source(source)
    source_services.change(request.auth.actor, row, name=body.name, enabled=body.enabled)
    return _source(row)


@router.delete("/sources/{int:source}", auth=editor, response=SourceOut)
def remove_source(request: ApiRequest, source: Id) -> SourceOut:
    """Remove a source for good: one that is disabled, and whose messages all its destinations have read.

    What was counted stays. What it has sent leaves the event log with retention.
    """
    row = request.auth.source(source)
    removed = _source(row)
    with event_log() as log:
        source_services.remove(request.auth.actor, row, log.counts())
    return removed


@router.put("/sources/{int:source}/destinations/{int:destination}", auth=editor, response=ConnectedOut)
def connect_source(request: ApiRequest, source: Id, destination: Id) -> ConnectedOut:
    """Connect a source with a destination, which gets the messages that come from then on."""
    row, other = request.auth.source(source), request.auth.destination(destination)
    source_services.connect(request.auth.actor, row, other)
    return _connected(row)


@router.delete("/sources/{int:source}/destinations/{int:destination}", auth=editor, response=ConnectedOut)
def disconnect_source(request: ApiRequest, source: Id, destination: Id) -> ConnectedOut:
    """Send a destination no more messages of a source. What the source has sent before is still delivered."""
    row, other = request.auth.source(source), request.auth.destination(destination)
    source_services.disconnect(request.auth.actor, row, other)
    return _connected(row)


def _connected(row: models.Source) -> ConnectedOut:
    return ConnectedOut(destinations=sorted(row.destinations.values_list("id", flat=True)))


def _source(row: models.Source) -> SourceOut:
    return SourceOut(
        id=row.id,
        name=row.name,
        kind=models.SourceKind(row.kind),
        enabled=row.enabled,
        write_key=row.current_key if row.kind == models.SourceKind.HTTP else None,
        created_at=row.created_at,
    )
