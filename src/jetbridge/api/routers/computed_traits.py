"""Computed traits: a value made of each person's events, and where that is sent."""

from typing import Annotated

from ninja import Query

from jetbridge.api import computations
from jetbridge.api.computations import (
    ActivationIn,
    ActivationOut,
    ActivationPreviewOut,
    ComputationIn,
    ComputationOut,
    ComputedTraitPatch,
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
    TraitDefinition,
    VersionOut,
)
from jetbridge.api.download import Download
from jetbridge.api.pagination import Page, Paging
from jetbridge.api.routing import ApiRequest, ApiRouter, Caller, editor
from jetbridge.api.schemas import Id, Name, example
from jetbridge.engage.models import Computation, ComputationClass

router = ApiRouter(tags=["Computed traits"])

_FILE = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


class ComputedTraitIn(ComputationIn):
    """`definition` is a value made of a person's events (docs/engage.md). It is sent to `destinations`, with their defaults; more can follow later.

    `include_history`: events from before now count. `include_anonymous`: so do people who are known by an anonymousId alone.
    """

    name: Annotated[Name, example("Lifetime value")]
    definition: TraitDefinition


class ComputedTraitPreviewIn(DefinitionIn):
    """`computed_trait`: the one whose definition it would become."""

    definition: TraitDefinition
    computed_trait: Annotated[Id | None, example(None)] = None


class ComputedTraitExplainIn(ComputedTraitPreviewIn):
    """A definition, and a person."""

    person: PersonName


@router.get("/computed-traits", response=Page[ComputationOut])
def list_computed_traits(request: ApiRequest, paging: Query[Paging]) -> Page[ComputationOut]:
    """The computed traits of the workspace, newest first."""
    return computations.page_of_class(request.auth, ComputationClass.TRAIT, paging)


@router.post("/computed-traits", auth=editor, response={201: CreatedComputationOut})
def create_computed_trait(request: ApiRequest, body: ComputedTraitIn) -> CreatedComputationOut:
    """Create a computed trait. The first one switches Engage on.

    Its key is the name in snake_case, and never changes. The worker computes it at once, and sends it to its destinations.
    """
    return computations.create(request.auth, ComputationClass.TRAIT, body)


@router.post("/computed-traits/preview", auth=editor, response=PreviewOut)
def preview_computed_trait(request: ApiRequest, body: ComputedTraitPreviewIn) -> PreviewOut:
    """How many people would have a value by a definition now, and ten of them with theirs."""
    return computations.preview(request.auth, ComputationClass.TRAIT, body, of=body.computed_trait)


@router.post("/computed-traits/explain", auth=editor, response=ExplanationOut)
def explain_computed_trait_definition(request: ApiRequest, body: ComputedTraitExplainIn) -> ExplanationOut:
    """The value that a person would have by this definition now, and what it is made of."""
    return computations.explain_definition(
        request.auth, ComputationClass.TRAIT, body, body.person, of=body.computed_trait
    )


@router.get("/computed-traits/{int:computed_trait}", response=ComputationOut)
def get_computed_trait(request: ApiRequest, computed_trait: Id) -> ComputationOut:
    """One computed trait with its state, size and destinations."""
    return computations.one(_find(request.auth, computed_trait))


@router.patch("/computed-traits/{int:computed_trait}", auth=editor, response=ComputationOut)
def change_computed_trait(
    request: ApiRequest, computed_trait: Id, body: ComputedTraitPatch
) -> ComputationOut:
    """Rename a computed trait, change its definition, or enable or disable it.

    The key stays. A changed definition sends differences only. A disabled one is neither computed nor sent.
    """
    return computations.changed(request.auth, _find(request.auth, computed_trait), body)


@router.delete("/computed-traits/{int:computed_trait}", auth=editor, response=ComputationOut)
def delete_computed_trait(
    request: ApiRequest, computed_trait: Id, query: Query[DeletionQuery]
) -> ComputationOut:
    """Delete a computed trait for good, if no other definition refers to it. Its key is never used again."""
    return computations.deleted(request.auth, _find(request.auth, computed_trait), query)


@router.get("/computed-traits/{int:computed_trait}/days", response=DaysOut)
def list_computed_trait_days(request: ApiRequest, computed_trait: Id, query: Query[DaysQuery]) -> DaysOut:
    """How many people got a first value of a computed trait, and how many lost theirs, on each of the last days."""
    return computations.days(_find(request.auth, computed_trait), query)


@router.get("/computed-traits/{int:computed_trait}/versions", response=Page[VersionOut])
def list_computed_trait_versions(
    request: ApiRequest, computed_trait: Id, paging: Query[Paging]
) -> Page[VersionOut]:
    """The definitions that a computed trait has had, newest first, and who wrote them."""
    return computations.versions(_find(request.auth, computed_trait), paging)


@router.get("/computed-traits/{int:computed_trait}/members", auth=editor, response=Page[PersonOut])
def list_computed_trait_members(
    request: ApiRequest, computed_trait: Id, query: Query[MembersQuery]
) -> Page[PersonOut]:
    """The people who have a value of a computed trait with their identifiers, by profile; or those whom a search finds."""
    return computations.members(_find(request.auth, computed_trait), query)


@router.get(
    "/computed-traits/{int:computed_trait}/members/export",
    auth=editor,
    openapi_extra={"responses": {200: {"content": _FILE}}},
)
def export_computed_trait_members(
    request: ApiRequest, computed_trait: Id, query: Query[ExportQuery]
) -> Download:
    """The people who have a value of a computed trait as a file, in UTF-8. The audit log records who took it."""
    return computations.export(request.auth, _find(request.auth, computed_trait), query)


@router.get("/computed-traits/{int:computed_trait}/explain", auth=editor, response=ExplanationOut)
def explain_computed_trait(
    request: ApiRequest, computed_trait: Id, query: Query[PersonQuery]
) -> ExplanationOut:
    """The value of a computed trait that a person has now, and what it is made of."""
    return computations.explain(request.auth, _find(request.auth, computed_trait), query)


@router.get(
    "/computed-traits/{int:computed_trait}/destinations/{int:destination}/preview",
    response=ActivationPreviewOut,
)
def preview_computed_trait_activation(
    request: ApiRequest, computed_trait: Id, destination: Id
) -> ActivationPreviewOut:
    """What sending a computed trait to a destination would mean: the property, how many people, and what is in the way."""
    return computations.activation_preview(request.auth, _find(request.auth, computed_trait), destination)


@router.put(
    "/computed-traits/{int:computed_trait}/destinations/{int:destination}",
    auth=editor,
    response=ActivationOut,
)
def activate_computed_trait(
    request: ApiRequest, computed_trait: Id, destination: Id, body: ActivationIn
) -> ActivationOut:
    """Send a computed trait to a destination from now on, beginning with everybody who has a value; or change how it is sent there."""
    return computations.activate(request.auth, _find(request.auth, computed_trait), destination, body)


@router.delete(
    "/computed-traits/{int:computed_trait}/destinations/{int:destination}",
    auth=editor,
    response=ActivationOut,
)
def deactivate_computed_trait(request: ApiRequest, computed_trait: Id, destination: Id) -> ActivationOut:
    """Send a computed trait to a destination no more. What was sent stays as it is there."""
    return computations.deactivate(request.auth, _find(request.auth, computed_trait), destination)


def _find(caller: Caller, computed_trait: int) -> Computation:
    """Raises HTTPError (404)."""
    return computations.find(caller, ComputationClass.TRAIT, computed_trait)
