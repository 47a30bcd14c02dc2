"""Audiences: who fulfils a condition now, and where that is sent."""

from typing import Annotated

from ninja import Query

from jetbridge.api import computations
from jetbridge.api.computations import (
    ActivationIn,
    ActivationOut,
    ActivationPreviewOut,
    ComputationIn,
    ComputationOut,
    ComputationPatch,
    CreatedComputationOut,
    DaysOut,
    DaysQuery,
    DefinitionIn,
    DeletionQuery,
    ExplanationOut,
    ExportQuery,
    MembersQuery,
    PersonName,
    PersonOut,
    PersonQuery,
    PreviewOut,
    VersionOut,
)
from jetbridge.api.download import Download
from jetbridge.api.pagination import Page, Paging
from jetbridge.api.routing import ApiRequest, ApiRouter, Caller, editor
from jetbridge.api.schemas import Id, example
from jetbridge.engage.models import Computation, ComputationClass

router = ApiRouter(tags=["Audiences"])

_FILE = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


class AudienceIn(ComputationIn):
    """`definition` is a condition on people (docs/engage.md). It is sent to `destinations`, with their defaults; more can follow later.

    `include_history`: events from before now count. `include_anonymous`: so do people who are known by an anonymousId alone.
    """


class AudiencePreviewIn(DefinitionIn):
    """`audience`: the one whose definition it would become."""

    audience: Annotated[Id | None, example(None)] = None


class AudienceExplainIn(AudiencePreviewIn):
    """A definition, and a person."""

    person: PersonName


@router.get("/audiences", response=Page[ComputationOut])
def list_audiences(request: ApiRequest, paging: Query[Paging]) -> Page[ComputationOut]:
    """The audiences of the workspace, newest first."""
    return computations.page_of_class(request.auth, ComputationClass.AUDIENCE, paging)


@router.post("/audiences", auth=editor, response={201: CreatedComputationOut})
def create_audience(request: ApiRequest, body: AudienceIn) -> CreatedComputationOut:
    """Create an audience. The first one switches Engage on.

    Its key is the name in snake_case, and never changes. The worker computes it at once, and sends it to its destinations.
    """
    return computations.create(request.auth, ComputationClass.AUDIENCE, body)


@router.post("/audiences/preview", auth=editor, response=PreviewOut)
def preview_audience(request: ApiRequest, body: AudiencePreviewIn) -> PreviewOut:
    """How many people a definition would have now, and ten of them with the reasons."""
    return computations.preview(request.auth, ComputationClass.AUDIENCE, body, of=body.audience)


@router.post("/audiences/explain", auth=editor, response=ExplanationOut)
def explain_audience_definition(request: ApiRequest, body: AudienceExplainIn) -> ExplanationOut:
    """Whether a person would be in an audience of this definition now, and why."""
    return computations.explain_definition(
        request.auth, ComputationClass.AUDIENCE, body, body.person, of=body.audience
    )


@router.get("/audiences/{int:audience}", response=ComputationOut)
def get_audience(request: ApiRequest, audience: Id) -> ComputationOut:
    """One audience with its state, size and destinations."""
    return computations.one(_find(request.auth, audience))


@router.patch("/audiences/{int:audience}", auth=editor, response=ComputationOut)
def change_audience(request: ApiRequest, audience: Id, body: ComputationPatch) -> ComputationOut:
    """Rename an audience, change its definition, or enable or disable it.

    The key stays. A changed definition sends differences only. A disabled one is neither computed nor sent.
    """
    return computations.changed(request.auth, _find(request.auth, audience), body)


@router.delete("/audiences/{int:audience}", auth=editor, response=ComputationOut)
def delete_audience(request: ApiRequest, audience: Id, query: Query[DeletionQuery]) -> ComputationOut:
    """Delete an audience for good, if no other definition refers to it. Its key is never used again."""
    return computations.deleted(request.auth, _find(request.auth, audience), query)


@router.get("/audiences/{int:audience}/days", response=DaysOut)
def list_audience_days(request: ApiRequest, audience: Id, query: Query[DaysQuery]) -> DaysOut:
    """How many people entered and left an audience on each of the last days."""
    return computations.days(_find(request.auth, audience), query)


@router.get("/audiences/{int:audience}/versions", response=Page[VersionOut])
def list_audience_versions(request: ApiRequest, audience: Id, paging: Query[Paging]) -> Page[VersionOut]:
    """The definitions that an audience has had, newest first, and who wrote them."""
    return computations.versions(_find(request.auth, audience), paging)


@router.get("/audiences/{int:audience}/members", auth=editor, response=Page[PersonOut])
def list_audience_members(request: ApiRequest, audience: Id, query: Query[MembersQuery]) -> Page[PersonOut]:
    """The members of an audience with their identifiers, by profile; or those whom a search finds."""
    return computations.members(_find(request.auth, audience), query)


@router.get(
    "/audiences/{int:audience}/members/export",
    auth=editor,
    openapi_extra={"responses": {200: {"content": _FILE}}},
)
def export_audience_members(request: ApiRequest, audience: Id, query: Query[ExportQuery]) -> Download:
    """The members of an audience as a file, in UTF-8. The audit log records who took it."""
    return computations.export(request.auth, _find(request.auth, audience), query)


@router.get("/audiences/{int:audience}/explain", auth=editor, response=ExplanationOut)
def explain_audience(request: ApiRequest, audience: Id, query: Query[PersonQuery]) -> ExplanationOut:
    """Whether a person is in an audience now, and why: each condition with its figures."""
    return computations.explain(request.auth, _find(request.auth, audience), query)


@router.get("/audiences/{int:audience}/destinations/{int:destination}/preview", response=ActivationPreviewOut)
def preview_audience_activation(request: ApiRequest, audience: Id, destination: Id) -> ActivationPreviewOut:
    """What sending an audience to a destination would mean: the property, how many people, and what is in the way."""
    return computations.activation_preview(request.auth, _find(request.auth, audience), destination)


@router.put("/audiences/{int:audience}/destinations/{int:destination}", auth=editor, response=ActivationOut)
def activate_audience(
    request: ApiRequest, audience: Id, destination: Id, body: ActivationIn
) -> ActivationOut:
    """Send an audience to a destination from now on, beginning with everybody in it; or change how it is sent there."""
    return computations.activate(request.auth, _find(request.auth, audience), destination, body)


@router.delete(
    "/audiences/{int:audience}/destinations/{int:destination}", auth=editor, response=ActivationOut
)
def deactivate_audience(request: ApiRequest, audience: Id, destination: Id) -> ActivationOut:
    """Send an audience to a destination no more. What was sent stays as it is there."""
    return computations.deactivate(request.auth, _find(request.auth, audience), destination)


def _find(caller: Caller, audience: int) -> Computation:
    """Raises HTTPError (404)."""
    return computations.find(caller, ComputationClass.AUDIENCE, audience)
