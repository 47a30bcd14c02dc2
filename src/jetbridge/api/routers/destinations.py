"""Destinations: where messages go, how they are set, and whether they run."""

from typing import Annotated, Any

from ninja import Query
from pydantic import Field

from jetbridge.api.pagination import Page, Paging, page_of
from jetbridge.api.routing import ApiRequest, ApiRouter, editor
from jetbridge.api.schemas import Id, InSchema, Name, OutSchema, example
from jetbridge.control import models
from jetbridge.integrations import registry
from jetbridge.services import destination_settings, new_destinations
from jetbridge.services import destinations as destination_services

router = ApiRouter(tags=["Destinations"])

DestinationName = Annotated[Name, example("Mailjet")]
Kind = Annotated[str, Field(max_length=100, examples=["mailjet"])]
#: Values by name, of the types that the catalogue names.
Settings = Annotated[dict[str, Any], Field(max_length=200, examples=[{"apiKey": "5f1c…", "listId": "10001"}])]
SourceIds = Annotated[list[Id], Field(max_length=10_000, examples=[[1]])]


class DestinationIn(InSchema):
    """`kind` and `settings` are as in the catalogue. Without a name it is called by its kind. Settings that lead nowhere at
    the other side, and a warehouse that cannot be connected, are rejected unless `anyway` is true.
    """

    kind: Kind
    settings: Settings
    sources: SourceIds = []
    name: DestinationName | None = None
    enabled: bool = False
    anyway: bool = False


class DestinationPatch(InSchema):
    """What is absent stays; an empty setting goes back to its default. All of it is done, or nothing. Settings that lead
    nowhere at the other side, such as a contacts list that is not there, are rejected unless `anyway` is true.
    """

    name: DestinationName | None = None
    enabled: bool | None = None
    sources: SourceIds | None = None
    settings: Settings = {}
    anyway: bool = False


class DestinationOut(OutSchema):
    """`settings` are values by name, of the types that the catalogue names; secrets are masked. `sources` are ids."""

    id: Id
    name: DestinationName
    kind: Kind
    enabled: bool
    sources: Annotated[list[int], example([1])]
    settings: Annotated[dict[str, Any], example({"apiKey": "••••••••", "listId": "10001"})]


class AddedDestinationOut(DestinationOut):
    """`notes` are what a person should know about its settings."""

    notes: Annotated[list[str], example([])]


class RemovedDestinationOut(DestinationOut):
    """As it was. `note`: what ends with it and what stays at the other side, such as audiences that were sent there; "" if nothing."""

    note: Annotated[
        str, example("With it ends what is sent here of Engage: Buyers. Contacts keep the properties.")
    ]


class ChangeOut(OutSchema):
    """`notes` are what a person should know about the new value."""

    what: Annotated[str, example("listId")]
    before: Annotated[str, example("10001")]
    after: Annotated[str, example("10002")]
    notes: Annotated[list[str], example([])]


class ChangedDestinationOut(OutSchema):
    """`changed` is empty if it was so already."""

    destination: DestinationOut
    changed: list[ChangeOut]


class ResumedOut(OutSchema):
    """False: it was not paused."""

    resumed: bool


@router.get("/destinations", response=Page[DestinationOut])
def list_destinations(request: ApiRequest, paging: Query[Paging]) -> Page[DestinationOut]:
    """The destinations of the workspace, newest first."""
    rows = request.auth.workspace.destinations.prefetch_related("sources")
    return page_of(rows, paging, _destination)


@router.post("/destinations", auth=editor, response={201: AddedDestinationOut})
def create_destination(request: ApiRequest, body: DestinationIn) -> AddedDestinationOut:
    """Create a destination. It takes messages that come from then on, once it is enabled."""
    caller = request.auth
    integration = registry.destination(body.kind)
    destination_settings.sources_of(caller.workspace, body.sources)
    new_destinations.check(integration, body.settings)
    if body.name is not None:
        new_destinations.check_name(caller.workspace, body.name)
    if not body.anyway:
        destination_settings.check_at_the_other_side(caller.workspace.id, integration, {}, body.settings)
        draft = destination_settings.connection_draft(
            integration, caller.workspace.id, body.settings, sources=body.sources
        )
        destination_settings.require_connection(integration, draft)
    row = destination_services.add(
        caller.actor,
        body.kind,
        body.name,
        body.settings,
        body.sources,
        enabled=body.enabled,
    )
    added = _destination(caller.destination(row.id))
    return AddedDestinationOut(**added.model_dump(), notes=destination_settings.notes_of(row))


@router.get("/destinations/{int:destination}", response=DestinationOut)
def get_destination(request: ApiRequest, destination: Id) -> DestinationOut:
    """One destination with its settings."""
    return _destination(request.auth.destination(destination))


@router.patch("/destinations/{int:destination}", auth=editor, response=ChangedDestinationOut)
def change_destination(request: ApiRequest, destination: Id, body: DestinationPatch) -> ChangedDestinationOut:
    """Rename a destination, change its settings or sources, or enable or disable it.

    The documentation of each kind explains its settings. A running worker takes a change up within a second.
    """
    caller = request.auth
    row = caller.destination(destination)
    if not body.anyway:
        integration, values = destination_settings.integration_of(row), destination_settings.values_of(row)
        sources = [source.id for source in row.sources.all()] if body.sources is None else body.sources
        destination_settings.check_at_the_other_side(
            caller.workspace.id, integration, values, body.settings, destination=row.id, sources=sources
        )
    made = destination_services.change(
        caller.actor, row, body.settings, enabled=body.enabled, name=body.name, sources=body.sources
    )
    return ChangedDestinationOut(
        destination=_destination(caller.destination(destination)),
        changed=[
            ChangeOut(what=change.what, before=change.before, after=change.after, notes=list(change.notes))
            for change in made
        ],
    )


@router.post("/destinations/{int:destination}/resume", auth=editor, response=ResumedOut)
def resume_destination(request: ApiRequest, destination: Id) -> ResumedOut:
    """Resume a paused destination at once, and fail what is refused until something succeeds."""
    row = request.auth.destination(destination)
    return ResumedOut(resumed=destination_services.resume(request.auth.actor, row))


@router.delete("/destinations/{int:destination}", auth=editor, response=RemovedDestinationOut)
def remove_destination(request: ApiRequest, destination: Id) -> RemovedDestinationOut:
    """Remove a destination for good, with the failures that are kept. Nothing changes at the other side."""
    row = request.auth.destination(destination)
    removed = RemovedDestinationOut(
        **_destination(row).model_dump(), note=destination_settings.removal_note(row)
    )
    destination_services.remove(request.auth.actor, row)
    return removed


def _destination(row: models.Destination) -> DestinationOut:
    return DestinationOut(
        id=row.id,
        name=row.name,
        kind=row.kind,
        enabled=row.enabled,
        sources=sorted(source.id for source in row.chosen_sources),
        settings=destination_settings.shown_values(row),
    )
