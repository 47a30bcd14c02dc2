"""Keys of audiences and computed traits at a Mailjet destination: the property that each sets, and which cannot be sent.

A key is checked before anything is sent with it: one that means something here would change an address, a consent or
another trait's property.
"""

from collections.abc import Iterable, Mapping

from jetbridge.control.directory import AccountRef, DestinationRef
from jetbridge.control.models import Destination
from jetbridge.errors import DeliveryError
from jetbridge.http.client import PAGE_SECONDS
from jetbridge.integrations.base import ValueType
from jetbridge.integrations.mailjet import settings
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.api.properties import MAX_PROPERTIES
from jetbridge.integrations.mailjet.contacts.mapping import WrongMapping, parse_mapping
from jetbridge.integrations.mailjet.contacts.state import NAME_PROPERTIES, addition_key
from jetbridge.integrations.mailjet.models import TraitName
from jetbridge.integrations.mailjet.sync.account import MAX_CONTACTS, SINGLE_MAX
from jetbridge.spec.names import property_name
from jetbridge.spec.person import carries_consent, is_address_name

#: The Datatypes that keep every value of a type as it is, the one that is created first.
_DATATYPES = {
    ValueType.BOOLEAN: ("bool",),
    ValueType.INTEGER: ("int", "float"),
    ValueType.NUMBER: ("float",),
    ValueType.STRING: ("str", "datetime"),
    ValueType.ARRAY: ("str",),
    ValueType.DATE_TIME: ("datetime", "str"),
}


def problems(ref: DestinationRef, keys: Mapping[str, ValueType | None], *, offline: bool) -> dict[str, str]:
    """See `Destination.engage_key_problems`. `offline`: only the settings are looked at."""
    meanings = {key: meaning for key in keys if (meaning := _meaning(ref, key))}
    account = None if offline or meanings.keys() == keys.keys() else settings.account_behind(ref)
    if account is None:
        return meanings
    try:
        datatypes = _client(account).contactmetadata()
    except DeliveryError:  # values that do not fit are rejected, and reported
        return meanings
    others = {key: _type_problem(datatypes, property_name(key), type_) for key, type_ in keys.items()}
    return {key: problem for key, problem in others.items() if problem} | meanings


def remarks(destination: int) -> list[str]:
    """Traits that sources have sent and that go to the property of an audience or computed trait, as sentences."""
    row = Destination.objects.filter(id=destination).first()
    if row is None:
        return []
    activations = row.engage_activations.filter(computation__deleted_at=None).select_related("computation")
    sent = {property_name(activation.computation.key): activation.computation for activation in activations}
    traits = TraitName.objects.filter(destination_id=destination, property__in=list(sent)).order_by("trait")
    return [
        f"The trait {seen.trait[:100]} of a source goes to the property {seen.property} of {sent[seen.property].name}, where the value "
        "sent last wins. Block the trait at its source."
        for seen in traits
    ]


def lists_of(destinations: Iterable[int]) -> set[int]:
    """Contacts lists that follow audiences which are sent to these destinations."""
    rows = Destination.objects.filter(
        id__in=list(destinations), engage_activations__computation__deleted_at=None
    ).values_list("engage_activations__list_id", flat=True)
    return {list_id for list_id in rows if list_id is not None}


def additions() -> tuple[set[str], set[int]]:
    """By which audiences people are added to lists now (`state.addition_key`), and the lists that follow audiences."""
    rows = Destination.objects.filter(
        engage_activations__isnull=False, engage_activations__computation__deleted_at=None
    ).values_list(
        "id",
        "engage_activations__computation__key",
        "engage_activations__adds_members",
        "engage_activations__list_id",
    )
    keys = {addition_key(key, destination) for destination, key, adds_members, _ in rows if adds_members}
    return keys, {list_id for *_, list_id in rows if list_id is not None}


def first_sync_calls(people: int) -> int:
    """A few contacts are sent one by one. Mailjet takes MAX_CONTACTS in one job, and is asked once what became of it."""
    return people if people <= SINGLE_MAX else 2 * -(-people // MAX_CONTACTS)


def create_list(ref: DestinationRef, name: str) -> int:
    """Raises PauseError for settings that lead nowhere, and DeliveryError."""
    return _client(settings.check(ref)).create_contactslist(name).id


def _meaning(ref: DestinationRef, key: str) -> str | None:
    """What a key means by the destination's settings; None for nothing."""
    name = property_name(key)
    if is_address_name(key):
        return f"The trait {key} holds the contact's address at this destination."
    if name in NAME_PROPERTIES:
        return f"The property {name} makes the Name of a Mailjet contact."
    trait = settings.unsubscribed_trait(ref)
    if carries_consent(key, (trait,)) or name == property_name(trait):
        return f"The trait {trait} says at this destination who has unsubscribed."
    return _mapping_problem(ref, key)


def _mapping_problem(ref: DestinationRef, key: str) -> str | None:
    name = property_name(key)
    try:
        rules = parse_mapping(str(ref.settings.get("mapping") or "")).rules
    except WrongMapping:  # the destination is paused for it
        return None
    for trait, target in rules.items():
        if trait == key or trait.startswith(f"{key}."):
            return f"The Mapping of this destination names the trait {trait}."
        if target == name:
            return f"The Mapping of this destination sends the trait {trait} to the property {name}."
    return None


def _type_problem(datatypes: Mapping[str, str], name: str, value_type: ValueType | None) -> str | None:
    datatype = datatypes.get(name)
    if datatype is None:
        full = len(datatypes) >= MAX_PROPERTIES
        return (
            f"Mailjet keeps {MAX_PROPERTIES} contact properties of an account at most, and has as many. Delete one in Mailjet."
            if full
            else None
        )
    accepted = _DATATYPES[value_type] if value_type else (datatype,)
    if datatype in accepted:
        return None
    return (
        f"Mailjet has a property {name} of the type {datatype}, and the values need {accepted[0]}. Choose another name, "
        "or delete the property in Mailjet."
    )


def _client(account: AccountRef) -> MailjetClient:
    return MailjetClient(account.api_url, account.api_key, account.secret_key, timeout_seconds=PAGE_SECONDS)
