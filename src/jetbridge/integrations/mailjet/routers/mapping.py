"""Where traits go, and a preview of the contact that a call would make. For Mailjet destinations."""

from typing import Annotated, Any, Literal

from ninja import Query
from pydantic import ConfigDict, Field

from jetbridge.api.errors import HTTPError
from jetbridge.api.pagination import Page
from jetbridge.api.routers.event_tester import Call, as_text
from jetbridge.api.routing import ApiRequest, ApiRouter, Caller, editor
from jetbridge.api.schemas import Id, InSchema, OutSchema, QuerySchema, example
from jetbridge.control.models import Destination
from jetbridge.integrations.mailjet import mapping_table
from jetbridge.integrations.mailjet.contacts.mapping import WrongMapping
from jetbridge.integrations.mailjet.sync.preview import Preview, preview_with_settings
from jetbridge.services.log import event_log
from jetbridge.services.queries import dry_run, sample_messages
from jetbridge.spec.message import Message

router = ApiRouter(tags=["Mapping, filters, tests"])

IDENTIFY = frozenset({"identify"})


class MappingQuery(QuerySchema):
    """`text` is a part of the trait's name."""

    text: Annotated[str, Field(max_length=1000, examples=["plan"])] = ""
    after: Annotated[
        str, Field(max_length=1000, description="`next` of the page before.", examples=["plan"])
    ] = ""


class MappedTraitOut(OutSchema):
    """`property` is where the trait goes, or would; `why_not` says why it goes nowhere.

    `in_mapping`: the setting `mapping` names it. `seen`: a call brought it. `shares` are traits with the same property.
    """

    trait: Annotated[str, example("plan")]
    property: Annotated[str, example("plan")]
    sends: bool
    why_not: Annotated[str, example("")]
    in_mapping: bool
    seen: bool
    shares: Annotated[list[str], example([])]


class CallChoiceIn(InSchema):
    """One of three: a call, or the position or messageId of one in the log; without any the newest identify call.

    `settings` are used in place of those that are stored.
    """

    call: Call | None = None
    position: Annotated[Id | None, example(None)] = None
    message_id: Annotated[str | None, Field(min_length=1, max_length=1000, examples=[None])] = None
    settings: Annotated[dict[str, str], Field(max_length=200, examples=[{"mapping": "plan = tier"}])] = {}


class TraitOutcomeOut(OutSchema):
    """`datatype` null: it was not looked up, or the trait goes nowhere. `created`: Mailjet does not have the property
    yet.
    """

    model_config = ConfigDict(from_attributes=True)

    trait: Annotated[str, example("plan")]
    value: Annotated[Any, example("pro")]
    state: Literal["sent", "unchanged", "outdated", "rejected", "left out"]
    reason: Annotated[str, example("")]
    property: Annotated[str | None, example("tier")]
    datatype: Annotated[str | None, example("str")]
    created: bool


class ContactPreviewOut(OutSchema):
    """`action` is what the call asks for, `effect` what the contact's consent makes of it. `unreadable` says why the
    call's own consent cannot be read; then `action` is "keep": the list is left as it is. `engage_key` is the key of a call
    of Engage, which sets its property and moves no address; then `list_id` is null unless the contact is added to a list.

    `request` is what would be sent if it was made now and alone; empty if it is no single call.
    """

    model_config = ConfigDict(from_attributes=True)

    outcome: Literal["delivered", "filtered", "failed"]
    code: Annotated[str, example("")]
    message: Annotated[str, example("")]
    email: Annotated[str | None, example("ada@example.com")]
    name: Annotated[str | None, example(None)]
    list_id: Annotated[int | None, example(10001)]
    action: Annotated[str, example("addnoforce")]
    effect: Annotated[str, example("addnoforce")]
    unreadable: Annotated[str, example("")]
    is_new: bool
    moves_from: Annotated[str | None, example(None)]
    engage_key: Annotated[str, example("")]
    needs_call: bool
    request: Annotated[str, example("POST /v3/REST/contactslist/10001/managecontact …")]
    traits: list[TraitOutcomeOut]


class PreviewOut(OutSchema):
    """`preview` is null where there is none, and `problem` says why. `warning`: what is missing in it."""

    message_id: Annotated[str | None, example("ajs-42")]
    preview: ContactPreviewOut | None
    problem: Annotated[str, example("")]
    warning: Annotated[str, example("")]


@router.get("/destinations/{int:destination}/mapping", response=Page[MappedTraitOut])
def list_mapping(request: ApiRequest, destination: Id, query: Query[MappingQuery]) -> Page[MappedTraitOut]:
    """Where each trait goes that was seen or is named in the mapping, by name."""
    row = _find_mailjet(request.auth, destination)
    try:
        table = mapping_table.table(row, query.text, query.after)
    except WrongMapping as error:
        raise HTTPError(
            "INVALID_VALUE", str(error), fix="Correct the setting `mapping` of the destination."
        ) from None
    items = [
        MappedTraitOut(
            trait=trait.trait,
            property=trait.property,
            sends=trait.sends,
            why_not=trait.why_not,
            in_mapping=trait.is_ruled,
            seen=trait.is_seen,
            shares=list(trait.shares),
        )
        for trait in table.rows
    ]
    return Page(items=items, next=table.after or None)


@router.post("/destinations/{int:destination}/preview", auth=editor, response=PreviewOut)
def preview_call(
    request: ApiRequest,
    destination: Id,
    body: CallChoiceIn = CallChoiceIn(),  # noqa: B008 - ninja's way to say that a body is optional
) -> PreviewOut:
    """The contact that an identify call would make, each trait with its property. Changes nothing."""
    row = _find_mailjet(request.auth, destination)
    message = _message(row, body)
    if message and message.type not in IDENTIFY:
        raise HTTPError("INVALID_VALUE", f"This is a {message.type} call; only identify calls make contacts.")
    previewed = preview_with_settings(row, message, body.settings)
    return PreviewOut(
        message_id=message.message_id if message else None,
        preview=contact_preview_out(previewed.preview),
        problem=previewed.problem or ("" if message else "There is no such message among the newest."),
        warning=previewed.warning,
    )


def _find_mailjet(caller: Caller, destination: int) -> Destination:
    row = caller.destination(destination)
    if row.kind != "mailjet":
        raise HTTPError(
            "INVALID_VALUE",
            f"{row} is of the kind {row.kind}, which maps no traits.",
            fix="Name a destination of the kind mailjet.",
        )
    return row


def _message(row: Destination, choice: CallChoiceIn) -> Message | None:
    given = [value for value in (choice.call, choice.position, choice.message_id) if value is not None]
    if len(given) > 1:
        raise HTTPError("INVALID_REQUEST", "Only one of call, position and message_id can be chosen.")
    if choice.call is not None:
        return dry_run.message_of(as_text(choice.call))
    with event_log() as log:
        if choice.position is not None:
            sample = sample_messages.at(log, row, str(choice.position))
        elif choice.message_id is not None:
            sample = sample_messages.by_message_id(log, row, choice.message_id)
        else:
            sample = next(iter(sample_messages.recent(log, row, IDENTIFY, 1)), None)
    return sample.message if sample else None


def contact_preview_out(preview: Preview | None) -> ContactPreviewOut | None:
    return ContactPreviewOut.model_validate(preview) if preview else None
