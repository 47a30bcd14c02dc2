"""What one Identify would do: the destination's own fold and prepare, run for real and undone.

Nothing is kept and nothing is told; at the most the Datatypes are read from Mailjet.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from django.db import transaction

from jetbridge.control.directory import AccountRef, DestinationRef
from jetbridge.delivery import isolation, ledger
from jetbridge.delivery.base import Item
from jetbridge.delivery.delivery_counts import DeliveryCounts
from jetbridge.delivery.isolation import INTERNAL_ERROR
from jetbridge.http.client import PAGE_SECONDS
from jetbridge.integrations.mailjet import settings
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.api.properties import datatype_of, is_empty
from jetbridge.integrations.mailjet.api.resources import REMOVE
from jetbridge.integrations.mailjet.contacts import replaced_lists
from jetbridge.integrations.mailjet.contacts.contact import (
    NOTHING_DELIVERED,
    Contact,
    UnreadableContact,
    load_contacts,
)
from jetbridge.integrations.mailjet.contacts.mapping import Mapping, Place, flat
from jetbridge.integrations.mailjet.contacts.state import KEEP, LEFT, Change, contact_name, difference, same
from jetbridge.integrations.mailjet.contacts.traits import (
    ContactChange,
    EngageCall,
    contact_change,
    engage_mapping,
)
from jetbridge.integrations.mailjet.contacts.user_addresses import load_people
from jetbridge.integrations.mailjet.open import open_destination
from jetbridge.integrations.mailjet.sync.prepare import Prepared, prepare
from jetbridge.integrations.mailjet.sync.property_types import PropertyTypes
from jetbridge.spec.message import Message
from jetbridge.spec.person import EMAIL, address_of, traits_of

#: A person waits: how long Mailjet may take to name its Datatypes, and how long what it said is used.
FRESH_SECONDS = 15.0

#: What becomes of a trait.
SENT, HELD, OUTDATED, SET_ASIDE, LEFT_OUT = "sent", "unchanged", "outdated", "set aside", "left out"

#: Why the other traits of a call of Engage go nowhere.
NOT_OF_ENGAGE = "a call of Engage sets the property of its own trait only"


@dataclass(frozen=True)
class TraitPreview:
    """`datatype` None: not looked up, or the trait goes nowhere; `created`: Mailjet does not have it yet.

    `value` is as it would be sent, else as it was said. `reason` explains every state but SENT.
    """

    trait: str
    value: Any
    state: str
    reason: str = ""
    property: str | None = None
    datatype: str | None = None
    created: bool = False


@dataclass(frozen=True)
class Preview:
    """`outcome`: "delivered" (or would be), "filtered" or "failed", the latter two with code and sentence.

    `action` is what the call asks for, `effect` what the contact's consent makes of it. `unreadable` says why the
    call's own consent cannot be read; then `action` is "keep".
    """

    outcome: str
    code: str = ""
    sentence: str = ""
    email: str | None = None
    name: str | None = None
    list_id: int | None = None
    action: str = ""
    effect: str = ""
    unreadable: str = ""
    is_new: bool = False
    moves_from: str | None = None
    #: The key, for a call of Engage: it sets its property, and `list_id` is None unless it adds the contact to a list.
    engage_key: str = ""
    #: What else this contact is still to be told, on lists that the call does not speak of.
    others: dict[int, str] = field(default_factory=dict)
    #: Whether Mailjet would be called at all.
    needs_call: bool = False
    #: What a single call would say, and where, if it were made now and alone; "" if there is none, or it begins
    #: with questions.
    request: str = ""
    traits: list[TraitPreview] = field(default_factory=list)


def preview(ref: DestinationRef, message: Message, *, offline: bool = False) -> Preview:
    """Raises PauseError for settings that lead nowhere, and DeliveryError if Mailjet cannot be asked."""
    account = settings.check(ref)
    types = None if offline else _types(account)
    try:
        return _preview(ref, message, account, types)
    except UnreadableContact as error:
        return Preview(
            ledger.FAILED,
            INTERNAL_ERROR,
            f"{isolation.sentence_of(error)} `jetbridge verify` names the contact.",
        )


def _preview(
    ref: DestinationRef, message: Message, account: AccountRef, types: PropertyTypes | None
) -> Preview:
    dry_run = _DryRun()
    with _undone():
        before = _person_address(account.id, message.user_id)
        open_destination(ref).deliver([Item(0, message)], dry_run)
        if dry_run.counts.delivery_records:
            refused = dry_run.counts.delivery_records[0]
            return Preview(refused.outcome, refused.reason, refused.sentence)
        mapping = settings.mapping_of(ref)
        requested = contact_change(
            message,
            settings.default_list(ref),
            mapping,
            settings.unsubscribed_trait(ref),
            former_lists=replaced_lists.former_lists(ref.id),
        )
        email = _address(account.id, requested)
        contact = load_contacts(account.id, [email])[email]
        traits = _traits(message, mapping, requested, contact, types)
        request = _request(account, contact, types)
        if requested.engage:
            return _of_engage_call(requested.engage, contact, traits, request)
        return _of_contact(requested, contact, traits, before if before != email else None, request)


class _DryRun:
    """`delivery.base.Progress` of which nothing stays."""

    def __init__(self) -> None:
        self.counts = DeliveryCounts()

    @contextmanager
    def commit(self) -> Iterator[DeliveryCounts]:
        yield self.counts


@contextmanager
def _undone() -> Iterator[None]:
    with transaction.atomic():
        try:
            yield
        finally:
            transaction.set_rollback(True)


#: What was read of accounts, for a page that previews while a person types: (when, what) by account.
_read: dict[AccountRef, tuple[float, PropertyTypes]] = {}


def _types(account: AccountRef) -> PropertyTypes:
    read_at, types = _read.get(account, (float("-inf"), None))
    if types is None or time.monotonic() - read_at > FRESH_SECONDS:
        client = MailjetClient(
            account.api_url, account.api_key, account.secret_key, timeout_seconds=PAGE_SECONDS
        )
        types = PropertyTypes(client)
        types.refresh()
        _read[account] = time.monotonic(), types
    return types


def _address(account: int, requested: ContactChange) -> str:
    if requested.engage and requested.email:
        return requested.email
    return _person_address(account, requested.user_id) or requested.email or ""


def _person_address(account: int, user_id: str | None) -> str | None:
    person = load_people(account, [user_id]).get(user_id) if user_id else None
    return person.email if person else None


def _of_contact(
    requested: ContactChange,
    contact: Contact,
    traits: list[TraitPreview],
    moves_from: str | None,
    request: str,
) -> Preview:
    change = difference(contact.desired, contact.delivered)
    due = change.lists if change else {}
    return Preview(
        "delivered",
        email=contact.email,
        name=contact_name(contact.desired.values),
        list_id=requested.list_id,
        action=requested.action,
        effect=contact.desired.actions().get(requested.list_id, KEEP if requested.action == KEEP else LEFT),
        unreadable=requested.unreadable,
        is_new=contact.delivered_row == NOTHING_DELIVERED,
        moves_from=moves_from,
        others={list_id: action for list_id, action in due.items() if list_id != requested.list_id},
        needs_call=not contact.agrees,
        request=request,
        traits=traits,
    )


def _of_engage_call(call: EngageCall, contact: Contact, traits: list[TraitPreview], request: str) -> Preview:
    change = difference(contact.desired, contact.delivered)
    due = dict(change.lists) if change else {}
    asked = [list_id for list_id in contact.desired.engage_actions() if list_id in due]
    list_id = asked[0] if asked else None
    action = due.pop(list_id) if list_id else ""
    return Preview(
        "delivered",
        email=contact.email,
        name=contact_name(contact.desired.values),
        list_id=list_id,
        action=action,
        effect=action,
        is_new=contact.delivered_row == NOTHING_DELIVERED,
        engage_key=call.key,
        others=due,
        needs_call=not contact.agrees,
        request=request,
        traits=traits,
    )


def _traits(
    message: Message,
    mapping: Mapping,
    requested: ContactChange,
    contact: Contact,
    types: PropertyTypes | None,
) -> list[TraitPreview]:
    paths, values = flat(traits_of(message))
    said = address_of(message)
    known = types.for_values([]) if types else None
    missing, no_room = _missing(types, requested.properties)
    prepared = prepare(contact, Change(requested.properties, {}, None), (known or {}) | missing, no_room)
    if requested.engage:
        mapping = engage_mapping(message, mapping)
        return [
            _trait(mapping.place(place, said[0] if said else EMAIL), value, prepared, known, missing)
            if place.partition(".")[0] == requested.engage.trait
            else TraitPreview(place, value, LEFT_OUT, NOT_OF_ENGAGE)
            for place, value in zip(paths, values, strict=True)
        ]
    return [
        _trait(place, value, prepared, known, missing)
        for place, value in zip(mapping.places(paths, said[0] if said else EMAIL), values, strict=True)
    ]


def _request(account: AccountRef, contact: Contact, types: PropertyTypes | None) -> str:
    """As `single_updates` makes it. Lists that a contact leaves are looked at first: that is no single call."""
    change = difference(contact.desired, contact.delivered)
    if change is None or REMOVE in change.lists.values():
        return ""
    known = types.for_values([]) if types else {}
    missing, no_room = _missing(types, change.values)
    prepared = prepare(contact, change, known | missing, no_room)
    if not prepared.needs_call or not prepared.lists:
        return ""
    list_id, action = next(iter(prepared.lists.items()))
    body = msgspec.json.format(msgspec.json.encode({"Action": action, **prepared.row}), indent=2)
    return f"POST {account.api_url}/v3/REST/contactslist/{list_id}/managecontact\n\n{body.decode()}"


def _missing(types: PropertyTypes | None, values: dict[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """Datatypes of properties that would be created, and reasons of those that would not. Offline, of all."""
    if types is None:
        return {name: datatype_of(value) for name, value in values.items() if not is_empty(value)}, {}
    return types.fit_in(types.missing([values]))


def _trait(
    place: Place, value: Any, prepared: Prepared, known: dict[str, str] | None, missing: dict[str, str]
) -> TraitPreview:
    name = place.property
    if place.why_not:
        state = SET_ASIDE if name else LEFT_OUT
        return TraitPreview(place.trait, value, state, place.why_not, property=name or None)
    refusals = dict(prepared.rejected_properties)
    state, reason = (SET_ASIDE, refusals[name]) if name in refusals else _state(name, value, prepared)
    return TraitPreview(
        place.trait,
        prepared.properties.get(name, value),
        state,
        reason,
        property=name,
        datatype=None if known is None else known.get(name) or missing.get(name),
        created=known is not None and name in missing,
    )


def _state(name: str, value: Any, prepared: Prepared) -> tuple[str, str]:
    contact = prepared.contact
    if not same(contact.desired.present_values.get(name), value):
        return OUTDATED, "a later call changed it"
    held = contact.delivered.values
    if name in held and same(held[name], value):
        return HELD, "Mailjet has it already"
    if is_empty(value) and is_empty(held.get(name)) and prepared.properties.get(name) is None:
        return HELD, "Mailjet has none to clear"
    return SENT, ""
