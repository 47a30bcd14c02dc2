"""Where traits go, and a preview of the contact that a call would make. For Mailjet destinations."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from jetbridge.console.api.caller import Caller
from jetbridge.console.api.destinations import own_destination
from jetbridge.console.api.endpoint import endpoint
from jetbridge.console.api.kinds import Id
from jetbridge.console.api.paging import Page
from jetbridge.console.api.refusal import Refused
from jetbridge.console.destinations import mapping_preview, mapping_rows, tester_messages
from jetbridge.console.destinations.tester_messages import Found
from jetbridge.console.log import event_log
from jetbridge.control.models import Destination
from jetbridge.control.people import Role
from jetbridge.destinations import trial
from jetbridge.destinations.mailjet.definition import KIND as MAILJET
from jetbridge.destinations.mailjet.mapping_text import WrongMapping
from jetbridge.destinations.mailjet.preview import Preview
from jetbridge.eventlog.base import EventLog
from jetbridge.spec.message import Message

IDENTIFY = frozenset({"identify"})
Text = Annotated[str, Meta(max_length=1000)]


class MappingQuery(msgspec.Struct, forbid_unknown_fields=True):
    """`text` is a part of the trait's name."""

    text: Text = ""
    after: Text = ""


class MappedTrait(msgspec.Struct):
    """`property` is where the trait goes, or would; `why_not` says why it goes nowhere.

    `in_mapping`: the setting `mapping` names it. `seen`: a call brought it. `shares` are traits with the same property.
    """

    trait: str
    property: str
    sends: bool
    why_not: str
    in_mapping: bool
    seen: bool
    shares: list[str]


class CallChoice(msgspec.Struct, forbid_unknown_fields=True):
    """One of three: a call, or the position or messageId of one in the log; without any the newest identify call.

    `settings` are tried on in place of those that are stored.
    """

    call: dict[str, Any] | None = None
    position: Id | None = None
    message_id: Annotated[str, Meta(min_length=1, max_length=1000)] | None = None
    settings: dict[str, str] = {}


class TraitOutcome(msgspec.Struct):
    """`datatype` null: it was not looked up, or the trait goes nowhere. `created`: Mailjet does not have the property yet."""

    trait: str
    value: Any
    state: Literal["sent", "unchanged", "outdated", "set aside", "left out"]
    reason: str
    property: str | None
    datatype: str | None
    created: bool


class ContactPreview(msgspec.Struct):
    """`action` is what the call asks for, `effect` what the contact's consent makes of it.

    `request` is what would be sent if it was made now and alone; empty if it is no single call.
    """

    outcome: Literal["delivered", "filtered", "failed"]
    code: str
    sentence: str
    email: str | None
    name: str | None
    list_id: int | None
    action: str
    effect: str
    is_new: bool
    moves_from: str | None
    needs_call: bool
    request: str
    traits: list[TraitOutcome]


class PreviewedCall(msgspec.Struct):
    """`preview` is null where there is none, and `trouble` says why. `warning`: what it does without."""

    message_id: str | None
    preview: ContactPreview | None
    trouble: str
    warning: str


@endpoint("GET", "destinations/<int:destination>/mapping")
def list_mapping(caller: Caller, destination: int, query: MappingQuery) -> Page[MappedTrait]:
    """Where each trait goes that was seen or is named in the mapping, by name."""
    row = _own_mailjet(caller, destination)
    try:
        table = mapping_rows.table(row, query.text, query.after)
    except WrongMapping as error:
        raise Refused(422, str(error)) from None
    return Page([MappedTrait(*_cells(each)) for each in table.rows], table.after or None)


@endpoint("POST", "destinations/<int:destination>/preview", Role.EDITOR)
def preview_call(caller: Caller, destination: int, body: CallChoice) -> PreviewedCall:
    """The contact that an identify call would make, each trait with its property. Changes nothing."""
    row = _own_mailjet(caller, destination)
    message = _message(row, body)
    if message and message.type not in IDENTIFY:
        raise Refused(422, f"This is a {message.type} call; only identify calls make contacts.")
    looked = mapping_preview.looked(row, message, body.settings)
    trouble = looked.trouble or ("" if message else "There is no such message among the newest.")
    return PreviewedCall(
        message.message_id if message else None, contact_shape(looked.result), trouble, looked.warning
    )


def _own_mailjet(caller: Caller, destination: int) -> Destination:
    row = own_destination(caller, destination)
    if row.kind != MAILJET:
        raise Refused(422, f"{row} is of the kind {row.kind}, which maps no traits.")
    return row


def _message(row: Destination, choice: CallChoice) -> Message | None:
    given = [each for each in (choice.call, choice.position, choice.message_id) if each is not None]
    if len(given) > 1:
        raise Refused(422, "Say one of three: call, position or message_id.")
    if choice.call is not None:
        return trial.message_of(as_text(choice.call))
    with event_log() as log:
        found = _found(log, row, choice)
    return found.message if found else None


def _found(log: EventLog, row: Destination, choice: CallChoice) -> Found | None:
    if choice.position is not None:
        return tester_messages.at(log, row, str(choice.position))
    if choice.message_id is not None:
        return tester_messages.by_message_id(log, row, choice.message_id)
    return next(iter(tester_messages.recent(log, row, IDENTIFY, 1)), None)


def _cells(row: mapping_rows.Row) -> tuple[Any, ...]:
    return row.trait, row.property, row.sends, row.why_not, row.is_ruled, row.is_seen, row.shares


def contact_shape(found: Preview | None) -> ContactPreview | None:
    return msgspec.convert(found, ContactPreview, from_attributes=True) if found else None


def as_text(call: dict[str, Any]) -> str:
    return msgspec.json.encode(call).decode()
