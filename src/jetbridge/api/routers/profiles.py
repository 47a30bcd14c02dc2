"""Profiles: what Engage knows of a person."""

from typing import Annotated, Any

from ninja import Query
from pydantic import Field

from jetbridge.api.computations import IdentifierOut, Key, PersonName, ProfileName, identifiers_out
from jetbridge.api.errors import not_found
from jetbridge.api.routing import ApiRequest, ApiRouter, editor
from jetbridge.api.schemas import Id, OutSchema, QuerySchema, Timestamp, example
from jetbridge.engage import people, queries
from jetbridge.engage.people import Membership

router = ApiRouter(tags=["Profiles"])


class ProfileQuery(QuerySchema):
    """`events`: how many of the newest are shown."""

    events: Annotated[int, Field(ge=0, le=people.MAX_EVENTS, examples=[50])] = 50


class MembershipOut(OutSchema):
    """An audience that the person is in, or a computed trait with its `value`. `until`: when time alone may change it; `since`: when
    it was found to be so, null: not known.
    """

    id: Id
    key: Key
    name: Annotated[str, example("Order completed last 30days")]
    value: Annotated[Any, Field(examples=[True])]
    until: Timestamp | None
    since: Timestamp | None


class ProfileEventOut(OutSchema):
    name: Annotated[str, example("Order Completed")]
    at: Timestamp
    properties: Annotated[dict[str, Any], example({"total": 20})]


class ProfileOut(OutSchema):
    """A person. `merged` are the names of profiles that became part of this one; `events` are the newest that are kept."""

    profile: ProfileName
    created_at: Timestamp
    identifiers: list[IdentifierOut]
    traits: Annotated[dict[str, Any], example({"plan": "premium"})]
    audiences: list[MembershipOut]
    computed_traits: list[MembershipOut]
    events: list[ProfileEventOut]
    merged: Annotated[list[str], example([])]


@router.get("/profiles/{path:identifier}", auth=editor, response=ProfileOut)
def get_profile(request: ApiRequest, identifier: PersonName, query: Query[ProfileQuery]) -> ProfileOut:
    """A person with traits, audiences and the newest events, by `type:value` such as `user_id:u-1` or `email:ada@example.com`."""
    profile = people.profile(queries.space_of(request.auth.workspace), identifier, events=query.events)
    if profile is None:
        raise not_found(
            "profile",
            identifier,
            request.auth.workspace,
            fix="Send `type:value`, such as `user_id:u-1`, of somebody whom a source has sent since Engage is on.",
        )
    return ProfileOut(
        profile=profile.segment_id,
        created_at=profile.created_at,
        identifiers=identifiers_out(profile.identifiers),
        traits=dict(profile.traits),
        audiences=[_membership(membership) for membership in profile.audiences],
        computed_traits=[_membership(membership) for membership in profile.computed],
        events=[
            ProfileEventOut(name=event.name, at=event.at, properties=dict(event.properties))
            for event in profile.events
        ],
        merged=list(profile.merged),
    )


def _membership(membership: Membership) -> MembershipOut:
    row = membership.computation
    return MembershipOut(
        id=row.id,
        key=row.key,
        name=row.name,
        value=membership.value,
        until=membership.until,
        since=membership.since,
    )
