"""What one Identify would do: the destination's own merge and prepare, executed and rolled back.

Nothing is stored and nothing is sent; at the most the Datatypes are read from Mailjet.
"""

from collections.abc import Iterator
from collections.abc import Mapping as MappingType
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from django.db import transaction

from jetbridge.control import directory
from jetbridge.control.directory import AccountRef, DestinationRef
from jetbridge.control.models import Destination
from jetbridge.delivery import isolation
from jetbridge.delivery.base import FAILED, DeliveryCounts, DeliveryItem
from jetbridge.delivery.isolation import INTERNAL_ERROR
from jetbridge.errors import ConfigurationError, DeliveryError
from jetbridge.http.client import PAGE_SECONDS
from jetbridge.integrations.mailjet import settings
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.api.properties import datatype_of, is_empty
from jetbridge.integrations.mailjet.api.resources import REMOVE
from jetbridge.integrations.mailjet.contacts.contact import (
    NOTHING_DELIVERED,
    Contact,
    UnreadableContact,
    load_contacts,
    load_people,
)
from jetbridge.integrations.mailjet.contacts.mapping import Mapping, Place, flat
from jetbridge.integrations.mailjet.contacts.queries import former_lists
from jetbridge.integrations.mailjet.contacts.state import (
    KEEP,
    OFF_LIST,
    ContactUpdate,
    contact_name,
    difference,
    same,
)
from jetbridge.integrations.mailjet.contacts.traits import (
    ContactChange,
    contact_change,
    engage_mapping,
)
from jetbridge.integrations.mailjet.open import open_destination
from jetbridge.integrations.mailjet.sync.account import PropertyTypes
from jetbridge.integrations.mailjet.sync.prepare import Prepared, prepare
from jetbridge.services import destination_settings
from jetbridge.spec.message import Message
from jetbridge.spec.person import EMAIL, address_of, traits_of

#: A person previews while typing: for how long Datatypes are used that were read.
FRESH_SECONDS = 15.0

#: States of a trait.
SENT, UNCHANGED, OUTDATED, REJECTED, LEFT_OUT = "sent", "unchanged", "outdated", "rejected", "left out"

#: Why the other traits of a call of Engage are left out.
NOT_OF_ENGAGE = "a call of Engage sets the property of its own trait only"


@dataclass(frozen=True)
class TraitPreview:
    """`datatype` None: not looked up, or the trait is left out; `created`: Mailjet does not have it yet.

    `value` is as it would be sent, else as it came. `reason` explains every state but SENT.
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
    """`outcome`: "delivered" (or would be), "filtered" or "failed", the latter two with code and message.

    `action` is what the call requests, `effect` what the contact's consent makes of it. `unreadable` says why the
    call's own consent cannot be read; then `action` is "keep".
    """

    outcome: str
    code: str = ""
    message: str = ""
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
    #: List actions of this contact that are still to be sent, for lists that the call does not name.
    others: dict[int, str] = field(default_factory=dict)
    #: Whether Mailjet would be called at all.
    needs_call: bool = False
    #: The single call that would be made now, with its body; "" if there is none, or others come before it.
    request: str = ""
    traits: list[TraitPreview] = field(default_factory=list)


@dataclass(frozen=True)
class PreviewResult:
    """A preview, or the `problem` why there is none; `warning` says what is missing in it."""

    message: Message | None
    preview: Preview | None = None
    problem: str = ""
    warning: str = ""


def preview_with_settings(
    row: Destination, message: Message | None, values: MappingType[str, str], source: int | None = None
) -> PreviewResult:
    """Preview a message as it comes from a source (or any of them), under these settings."""
    if message is None:
        return PreviewResult(None)
    stored = directory.destination(row.id)
    assert stored
    try:
        ref = destination_settings.tried_on(stored, values)
        route = destination_settings.integration_of(row).route(ref)
    except (ConfigurationError, DeliveryError) as error:
        return PreviewResult(message, problem=str(error))
    return preview_or_offline(ref, route.decide(message, source or next(iter(ref.source_kinds), 0)).message)


def preview_or_offline(ref: DestinationRef, message: Message, *, offline: bool = False) -> PreviewResult:
    """Preview a message as the destination gets it; without the Datatypes if Mailjet does not return them."""
    warning = ""
    try:
        try:
            return PreviewResult(message, preview(ref, message, offline=offline))
        except DeliveryError as error:
            warning = f"Datatypes are not shown: {error}"
            return PreviewResult(message, preview(ref, message, offline=True), warning=warning)
    except DeliveryError as error:
        return PreviewResult(message, problem=str(error))


def preview(ref: DestinationRef, message: Message, *, offline: bool = False) -> Preview:
    """Raises PauseError for settings that lead nowhere, and DeliveryError if Mailjet does not respond."""
    account = settings.check(ref)
    types = None
    if not offline:
        types = _property_types.get(account) or PropertyTypes(
            MailjetClient(account.api_url, account.api_key, account.secret_key, timeout_seconds=PAGE_SECONDS),
            dry_run=True,
        )
        types.for_values([], fresh_seconds=FRESH_SECONDS)
        _property_types[account] = types
    dry_run = _DryRun()
    try:
        with _rolled_back():
            address_before = _person_address(account.id, message.user_id)
            open_destination(ref).deliver([DeliveryItem(0, message)], dry_run)
            if dry_run.counts.delivery_records:
                record = dry_run.counts.delivery_records[0]
                return Preview(record.outcome, record.reason, record.detail)
            mapping = settings.mapping_of(ref)
            requested = contact_change(
                message,
                settings.default_list(ref),
                mapping,
                settings.unsubscribed_trait(ref),
                former_lists=former_lists(ref.id),
            )
            email = requested.email or ""
            if not (requested.engage and email):
                email = _person_address(account.id, requested.user_id) or email
            contact = load_contacts(account.id, [email])[email]
            traits = _traits(message, mapping, requested, contact, types)
            request = _request(account, contact, types)
    except UnreadableContact as error:
        return Preview(
            FAILED,
            INTERNAL_ERROR,
            f"{isolation.bug_message(error)} `jetbridge contacts verify` names the contact.",
        )

    change = difference(contact.desired, contact.delivered)
    due = dict(change.lists) if change else {}
    if requested.engage:
        list_id = next((list_id for list_id in contact.desired.engage_actions() if list_id in due), None)
        action = effect = due.pop(list_id) if list_id else ""
    else:
        list_id, action = requested.list_id, requested.action
        effect = contact.desired.actions().get(list_id, KEEP if action == KEEP else OFF_LIST)
        due.pop(list_id, None)
    return Preview(
        "delivered",
        email=email,
        name=contact_name(contact.desired.values),
        list_id=list_id,
        action=action,
        effect=effect,
        unreadable="" if requested.engage else requested.unreadable,
        is_new=contact.delivered_row == NOTHING_DELIVERED,
        moves_from=None if requested.engage or address_before == email else address_before,
        engage_key=requested.engage.key if requested.engage else "",
        others=due,
        needs_call=not contact.agrees,
        request=request,
        traits=traits,
    )


class _DryRun:
    """A `delivery.base.Progress` that stores nothing."""

    def __init__(self) -> None:
        self.counts = DeliveryCounts()

    @contextmanager
    def commit(self) -> Iterator[DeliveryCounts]:
        yield self.counts


@contextmanager
def _rolled_back() -> Iterator[None]:
    with transaction.atomic():
        try:
            yield
        finally:
            transaction.set_rollback(True)


#: Property types that were read, by account.
_property_types: dict[AccountRef, PropertyTypes] = {}


def _person_address(account: int, user_id: str | None) -> str | None:
    person = load_people(account, [user_id]).get(user_id) if user_id else None
    return person.email if person else None


def _traits(
    message: Message,
    mapping: Mapping,
    requested: ContactChange,
    contact: Contact,
    types: PropertyTypes | None,
) -> list[TraitPreview]:
    paths, values = flat(traits_of(message))
    address = address_of(message)
    email_path = address[0] if address else EMAIL
    datatypes = types.for_values([]) if types else None
    missing, no_room = _missing(types, requested.properties)
    prepared = prepare(
        contact, ContactUpdate(requested.properties, {}, None), (datatypes or {}) | missing, no_room
    )
    if requested.engage:
        mapping = engage_mapping(message, mapping)
        return [
            _trait(mapping.place(path, email_path), value, prepared, datatypes, missing)
            if path.partition(".")[0] == requested.engage.trait
            else TraitPreview(path, value, LEFT_OUT, NOT_OF_ENGAGE)
            for path, value in zip(paths, values, strict=True)
        ]
    return [
        _trait(place, value, prepared, datatypes, missing)
        for place, value in zip(mapping.places(paths, email_path), values, strict=True)
    ]


def _request(account: AccountRef, contact: Contact, types: PropertyTypes | None) -> str:
    """As `single_updates` makes it. Before a contact leaves lists its subscriptions are read: that is no single call."""
    change = difference(contact.desired, contact.delivered)
    if change is None or REMOVE in change.lists.values():
        return ""
    datatypes = types.for_values([]) if types else {}
    missing, no_room = _missing(types, change.values)
    prepared = prepare(contact, change, datatypes | missing, no_room)
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
    place: Place, value: Any, prepared: Prepared, datatypes: dict[str, str] | None, missing: dict[str, str]
) -> TraitPreview:
    name = place.property
    if place.why_not:
        state = REJECTED if name else LEFT_OUT
        return TraitPreview(place.trait, value, state, place.why_not, property=name or None)
    state, reason = _state(name, value, prepared)
    return TraitPreview(
        place.trait,
        prepared.properties.get(name, value),
        state,
        reason,
        property=name,
        datatype=None if datatypes is None else datatypes.get(name) or missing.get(name),
        created=datatypes is not None and name in missing,
    )


def _state(name: str, value: Any, prepared: Prepared) -> tuple[str, str]:
    """With its reason."""
    contact, delivered = prepared.contact, prepared.contact.delivered.values
    rejected = dict(prepared.rejected_properties)
    if name in rejected:
        return REJECTED, rejected[name]
    if not same(contact.desired.present_values.get(name), value):
        return OUTDATED, "a later call changed it"
    if name in delivered and same(delivered[name], value):
        return UNCHANGED, "Mailjet has it already"
    if is_empty(value) and is_empty(delivered.get(name)) and prepared.properties.get(name) is None:
        return UNCHANGED, "Mailjet has none to clear"
    return SENT, ""
