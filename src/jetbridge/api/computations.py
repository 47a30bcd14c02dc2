"""What calls about audiences and about computed traits have in common: their schemas, and what is behind them."""

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from jetbridge.api.download import Download
from jetbridge.api.errors import not_found
from jetbridge.api.pagination import Page, Paging, position_of
from jetbridge.api.routing import Caller
from jetbridge.api.schemas import Id, InSchema, Name, OutSchema, QuerySchema, Timestamp, example
from jetbridge.engage import explaining, memberships, queries, store
from jetbridge.engage.explaining import Explanation, PersonExplained
from jetbridge.engage.models import Computation, ComputationClass, DefinitionVersion
from jetbridge.engage.queries import ActivatedDestination, ComputationItem, Day
from jetbridge.services import computations
from jetbridge.spec.names import property_name

StateName = Literal["computing", "live", "failed", "disabled"]
Key = Annotated[str, example("order_completed_last_30days")]
ProfileName = Annotated[str, example("use_kT2b8mPz1hXn4fQw9sRc6A")]
Reasons = Annotated[list[str], example(["Order Completed at least once within 30 days: yes, 3 times"])]
PersonName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=1_000,
        description="`type:value`, such as `email:ada@example.com`, or a userId, address or anonymousId alone.",
        examples=["email:ada@example.com"],
    ),
]
Definition = Annotated[dict[str, Any], example({"event": "Order Completed", "within": "30d"})]
TraitDefinition = Annotated[
    dict[str, Any],
    example({"computed": "sum", "event": "Order Completed", "property": "total", "within": "365d"}),
]


class ComputationIn(InSchema):
    """`destinations`: where it is sent, with their defaults."""

    name: Annotated[Name, example("Order completed last 30days")]
    definition: Definition
    include_history: bool = True
    include_anonymous: bool = False
    destinations: Annotated[list[Id], example([2])] = []


class DefinitionIn(InSchema):
    """What might become an audience or a computed trait."""

    definition: Definition
    include_history: bool = True
    include_anonymous: bool = False


class ComputationPatch(InSchema):
    """What is absent stays. A changed definition is computed anew; the members stay until that is done.

    `version`: the one that the change was made from, so that a change made meanwhile is not overwritten. 409 if there is a newer one.
    """

    name: Annotated[Name | None, example("Buyers")] = None
    definition: Definition | None = None
    enabled: bool | None = None
    version: Annotated[int | None, Field(ge=1, examples=[None])] = None


class ComputedTraitPatch(ComputationPatch):
    """What is absent stays. A changed definition is computed anew; the values stay until that is done.

    `version`: the one that the change was made from, so that a change made meanwhile is not overwritten. 409 if there is a newer one.
    """

    definition: TraitDefinition | None = None


class ActivationIn(InSchema):
    """What is absent stays as it is, or takes its default.

    `adds_members`: whether members who are no contacts there become contacts; true by default where nothing but Engage is
    connected to the destination. `contacts_list`: whether a contacts list that is made for the audience follows its members.
    """

    adds_members: bool | None = None
    contacts_list: bool | None = None


class PersonQuery(QuerySchema):
    person: PersonName


class DeletionQuery(QuerySchema):
    """`members`: keep the property as it is at destinations, or send false (null) to those who were sent true (a value)."""

    members: Literal["keep", "false"] = "keep"


class MembersQuery(Paging):
    """`search` is the beginning of a userId, an address or an anonymousId."""

    search: Annotated[str, Field(max_length=500, examples=["ada"])] = ""


class ExportQuery(QuerySchema):
    """`format`: a table with a line for each person, or one JSON object per line."""

    format: Literal["csv", "json"] = "csv"


class DaysQuery(QuerySchema):
    days: Annotated[int, Field(ge=1, le=366, examples=[30])] = 30


class IdentifierOut(OutSchema):
    type: Annotated[str, example("email")]
    value: Annotated[str, example("ada@example.com")]


class DayOut(OutSchema):
    """How many entered and left on a day of UTC, and how many were in it at its end."""

    day: Annotated[str, example("2026-11-20")]
    entered: Annotated[int, example(12)]
    exited: Annotated[int, example(3)]
    size: Annotated[int, example(1200)]


class DaysOut(OutSchema):
    """The oldest first, today included."""

    days: list[DayOut]


class FirstSyncOut(OutSchema):
    """`left` of `people` are still to be sent."""

    people: Annotated[int, example(1200)]
    left: int
    began_at: Timestamp


class ActivationOut(OutSchema):
    """A destination to which it is sent. `property` is what the key is called there; `list_id` a contacts list that follows it.

    `error`: why what is sent there waits, and what to do; "" if it does not.
    """

    destination: Id
    name: Annotated[str, example("Mailjet")]
    property: Key
    adds_members: bool
    list_id: Annotated[int | None, example(10001)]
    first_sync: FirstSyncOut | None
    error: Annotated[str, example("")]


class ActivationPreviewOut(OutSchema):
    """What sending it there would mean. `problem` says why it cannot be sent; "" if it can.

    `type` is that of the property, null if it is not known beforehand; `calls` about how many calls to the other side a first
    sync makes at most, null if that is not known; `adds_members` the default. `without_contact` of the people have an address and
    are no contacts there yet: they are left out unless members are added. `can_join` are not on its list and would be added to
    it, `without_address` have no address. Estimates above 2,000 people, and null where there are no contacts.
    """

    property: Key
    type: Annotated[str | None, example("boolean")]
    people: Annotated[int, example(1200)]
    calls: Annotated[int | None, example(2)]
    adds_members: bool
    without_contact: Annotated[int | None, example(30)]
    can_join: Annotated[int | None, example(40)]
    without_address: Annotated[int | None, example(5)]
    problem: Annotated[str, example("")]


class ComputationOut(OutSchema):
    """`key` is the trait by which destinations know it, and never changes; `property` is what Mailjet calls it.

    `state` is computing (`progress` goes from 0 to 1; `size` is that of the former definition), live, failed (`error` says
    why) or disabled. `size` counts the people in it; `week` has the changes of the last seven days. `text` is the definition in
    words. `include_history`: events from before its creation count. `include_anonymous`: so do people who are known by an
    anonymousId alone.
    """

    id: Id
    computation_id: Annotated[str, example("cmp_9iLkYQn3m2Xc7Vd5tRw0bA")]
    key: Key
    property: Key
    name: Annotated[Name, example("Order completed last 30days")]
    definition: Definition
    text: Annotated[str, example("Order Completed at least once within 30 days")]
    state: StateName
    error: Annotated[str, example("")]
    size: Annotated[int, example(1200)]
    progress: Annotated[float, example(1.0)]
    enabled: bool
    include_history: bool
    include_anonymous: bool
    version: Annotated[int, example(1)]
    created_at: Timestamp
    computed_at: Timestamp | None
    week: list[DayOut]
    destinations: list[ActivationOut]


class CreatedComputationOut(ComputationOut):
    """`engage_switched_on`: Engage was off in this workspace, and is on now."""

    engage_switched_on: bool


class VersionOut(OutSchema):
    """A definition as it was from `written_at` on."""

    version: Annotated[int, example(1)]
    definition: Definition
    text: Annotated[str, example("Order Completed at least once within 30 days")]
    written_by: Annotated[str, example("deploy, a token of olga@example.com")]
    written_at: Timestamp


class PersonOut(OutSchema):
    """`profile` names a person among profiles, for ever. `value` is that of a computed trait, else null. `since`: when it was found
    that the person is a member, or has this value; null: not known.
    """

    profile: ProfileName
    identifiers: list[IdentifierOut]
    value: Annotated[Any, example(None)]
    since: Timestamp | None


class PreviewedPersonOut(OutSchema):
    """`why`: the conditions that decide, with their figures. Of a computed trait `value` is what it would be, and `before`
    what it is.
    """

    profile: ProfileName
    identifiers: list[IdentifierOut]
    why: Reasons
    value: Annotated[Any, example(None)]
    before: Annotated[Any, example(None)]


class PreviewOut(OutSchema):
    """How many people would be in it now, how many of them have no address, and some of them.

    `looked_at` is the share of all people for whom five seconds were enough. Below 1 the figures are estimates by it.
    """

    text: Annotated[str, example("Order Completed at least once within 30 days")]
    count: Annotated[int, example(1200)]
    without_address: Annotated[int, example(30)]
    items: list[PreviewedPersonOut]
    seconds: Annotated[float, example(0.4)]
    looked_at: Annotated[float, example(1.0)]


class ConditionOut(OutSchema):
    """A condition, or a group of those that follow with a larger `depth`. `figure` is what decides it, in words."""

    depth: Annotated[int, example(0)]
    kind: Literal["all", "any", "not", "condition"]
    text: Annotated[str, example("Order Completed at least once within 30 days")]
    is_met: bool
    figure: Annotated[str, example("3 times")]


class ExplanationOut(OutSchema):
    """Whether a person is in it now (or has a `value`), and why: the conditions that decide.

    `until`: when time alone may change that, at the earliest. `excluded`: why somebody who fulfils it is left out; "" else.
    """

    profile: ProfileName
    identifiers: list[IdentifierOut]
    member: bool
    why: Reasons
    conditions: list[ConditionOut]
    until: Timestamp | None
    value: Annotated[Any, example(None)]
    excluded: Annotated[str, example("")]


def find(caller: Caller, computation_class: ComputationClass, id_: int) -> Computation:
    """Raises HTTPError (404)."""
    rows = Computation.objects.filter(
        space__workspace=caller.workspace, computation_class=computation_class, deleted_at=None
    )
    return caller.find(rows.select_related("space"), id_, computation_class.label.lower())


def page_of_class(
    caller: Caller, computation_class: ComputationClass, paging: Paging
) -> Page[ComputationOut]:
    before = position_of(paging.after) if paging.after else None
    items = queries.computations(queries.space_of(caller.workspace), computation_class)
    rest = [item for item in items if before is None or item.row.id < before]
    page = rest[: paging.limit]
    following = str(page[-1].row.id) if len(rest) > len(page) else None
    return Page(items=[computation_out(item) for item in page], next=following)


def one(row: Computation) -> ComputationOut:
    return computation_out(queries.computation(row))


def computation_out(item: ComputationItem) -> ComputationOut:
    row = item.row
    return ComputationOut(
        id=row.id,
        computation_id=row.computation_id,
        key=row.key,
        property=property_name(row.key),
        name=row.name,
        definition=row.definition,
        text=item.text,
        state=item.state,
        error=item.error,
        size=item.size,
        progress=item.progress,
        enabled=row.enabled,
        include_history=row.include_history,
        include_anonymous=row.include_anonymous,
        version=row.version,
        created_at=row.created_at,
        computed_at=item.computed_at,
        week=[_day(day) for day in item.week],
        destinations=[_activation(destination) for destination in item.destinations],
    )


def create(caller: Caller, computation_class: ComputationClass, body: ComputationIn) -> CreatedComputationOut:
    destinations = [caller.destination(destination) for destination in body.destinations]
    made = computations.create(
        caller.actor,
        computation_class,
        body.name,
        body.definition,
        include_history=body.include_history,
        include_anonymous=body.include_anonymous,
        destinations=destinations,
    )
    return CreatedComputationOut(**one(made.row).model_dump(), engage_switched_on=made.switched_on)


def changed(caller: Caller, row: Computation, body: ComputationPatch) -> ComputationOut:
    computations.change(
        caller.actor,
        row,
        name=body.name,
        definition=body.definition,
        enabled=body.enabled,
        version=body.version,
    )
    return one(row)


def deleted(caller: Caller, row: Computation, query: DeletionQuery) -> ComputationOut:
    """As it was."""
    was = one(row)
    computations.delete(caller.actor, row, members=query.members)
    return was


def days(row: Computation, query: DaysQuery) -> DaysOut:
    return DaysOut(days=[_day(day) for day in queries.days(row, query.days)])


def versions(row: Computation, paging: Paging) -> Page[VersionOut]:
    before = position_of(paging.after) if paging.after else None
    rows = queries.versions(row, before=before, limit=paging.limit + 1)
    page = rows[: paging.limit]
    following = str(page[-1].row.version) if len(rows) > len(page) else None
    return Page(items=[_version(version.row, version.text) for version in page], next=following)


def activate(caller: Caller, row: Computation, destination: int, body: ActivationIn) -> ActivationOut:
    """Raises HTTPError (404)."""
    other = caller.destination(destination)
    computations.activate(
        caller.actor, row, other, adds_members=body.adds_members, contacts_list=body.contacts_list
    )
    return _activation_at(row, destination)


def deactivate(caller: Caller, row: Computation, destination: int) -> ActivationOut:
    """As it was. Raises HTTPError (404)."""
    other = caller.destination(destination)
    if not row.activations.filter(destination=other).exists():
        raise not_found("destination", destination, f"the destinations of {row}")
    was = _activation_at(row, destination)
    computations.deactivate(caller.actor, row, other)
    return was


def activation_preview(caller: Caller, row: Computation, destination: int) -> ActivationPreviewOut:
    """Raises HTTPError (404)."""
    preview = computations.preview_activation(row, caller.destination(destination))
    return ActivationPreviewOut(
        property=preview.property,
        type=preview.value_type,
        people=preview.people,
        calls=preview.calls,
        adds_members=preview.adds_members,
        without_contact=preview.without_contact,
        can_join=preview.can_join,
        without_address=preview.without_address,
        problem=preview.problem,
    )


def members(row: Computation, query: MembersQuery) -> Page[PersonOut]:
    after = position_of(query.after) if query.after else 0
    page = memberships.page(row, after=after, limit=query.limit, search=query.search)
    items = [
        PersonOut(
            profile=member.segment_id,
            identifiers=identifiers_out(member.identifiers),
            value=member.value,
            since=member.since,
        )
        for member in page.items
    ]
    return Page(items=items, next=None if page.next is None else str(page.next))


def export(caller: Caller, row: Computation, query: ExportQuery) -> Download:
    """All members as a file; the audit log says who took it."""
    parts = memberships.csv_parts(row) if query.format == "csv" else memberships.json_parts(row)
    computations.note_export(caller.actor, row, query.format)
    return Download(parts, f"{row.key}.{'csv' if query.format == 'csv' else 'ndjson'}")


def preview(
    caller: Caller, computation_class: ComputationClass, body: DefinitionIn, of: int | None
) -> PreviewOut:
    """`of`: the id of the one whose definition it would become. Raises HTTPError (404)."""
    preview = explaining.preview(
        queries.space_of(caller.workspace),
        computation_class,
        body.definition,
        include_history=body.include_history,
        include_anonymous=body.include_anonymous,
        of=None if of is None else find(caller, computation_class, of),
    )
    return PreviewOut(
        text=preview.text,
        count=preview.count,
        without_address=preview.without_address,
        items=[
            PreviewedPersonOut(
                profile=person.segment_id,
                identifiers=identifiers_out(person.identifiers),
                why=list(person.why),
                value=person.value,
                before=person.before,
            )
            for person in preview.sample
        ],
        seconds=round(preview.seconds, 3),
        looked_at=round(preview.looked_at, 4),
    )


def explain(caller: Caller, row: Computation, query: PersonQuery) -> ExplanationOut:
    """Raises HTTPError (404)."""
    explained = explaining.explain(queries.space_of(caller.workspace), query.person, of=row)
    return _explanation(caller, explained, query.person)


def explain_definition(
    caller: Caller, computation_class: ComputationClass, body: DefinitionIn, person: str, of: int | None
) -> ExplanationOut:
    """`of`: the id of the one whose definition it would become. Raises HTTPError (404)."""
    explained = explaining.explain(
        queries.space_of(caller.workspace),
        person,
        of=None if of is None else find(caller, computation_class, of),
        definition=body.definition,
        computation_class=computation_class,
        include_history=body.include_history,
        include_anonymous=body.include_anonymous,
    )
    return _explanation(caller, explained, person)


def _explanation(caller: Caller, explained: PersonExplained | None, person: str) -> ExplanationOut:
    """Raises HTTPError (404)."""
    if explained is None:
        raise not_found("person", person, caller.workspace)
    conditions = _conditions(explained.explanation, 0) if explained.explanation else ()
    return ExplanationOut(
        profile=explained.segment_id,
        identifiers=identifiers_out(explained.identifiers),
        member=explained.member,
        why=list(explained.why),
        conditions=list(conditions),
        until=explained.until,
        value=explained.value,
        excluded=explained.excluded,
    )


def identifiers_out(rows: Iterable[store.Identifier]) -> list[IdentifierOut]:
    return [IdentifierOut(type=row.type, value=row.value) for row in rows]


def _conditions(explanation: Explanation, depth: int) -> Iterator[ConditionOut]:
    yield ConditionOut(
        depth=depth,
        kind=explanation.kind,
        text=explanation.text,
        is_met=explanation.is_met,
        figure=explanation.figure,
    )
    for part in explanation.parts:
        yield from _conditions(part, depth + 1)


def _day(day: Day) -> DayOut:
    return DayOut(day=day.day.date().isoformat(), entered=day.entered, exited=day.exited, size=day.size)


def _activation_at(row: Computation, destination: int) -> ActivationOut:
    activated = queries.computation(row).destinations
    return next(_activation(other) for other in activated if other.id == destination)


def _activation(activated: ActivatedDestination) -> ActivationOut:
    sync = activated.first_sync
    return ActivationOut(
        destination=activated.id,
        name=activated.name,
        property=activated.property,
        adds_members=activated.adds_members,
        list_id=activated.list_id,
        first_sync=FirstSyncOut(people=sync.people, left=sync.left, began_at=sync.began_at) if sync else None,
        error=activated.error,
    )


def _version(row: DefinitionVersion, text: str) -> VersionOut:
    return VersionOut(
        version=row.version,
        definition=row.definition,
        text=text,
        written_by=row.written_by,
        written_at=row.written_at,
    )
