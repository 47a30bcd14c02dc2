"""From an Identify call to the change of a contact: address, properties, list and action.

A call of Engage (`context.personas`) sets one property. It adds a member to a list, or changes nothing; the reasons for
that are here, for event delivery, traces and the Event Tester.
"""

from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import msgspec

from jetbridge.errors import MessageRejected
from jetbridge.integrations.mailjet.api.resources import ACTIONS, ADDFORCE, ADDNOFORCE, UNSUB
from jetbridge.integrations.mailjet.contacts.mapping import Lost, Mapping
from jetbridge.integrations.mailjet.contacts.pending import key_of
from jetbridge.integrations.mailjet.contacts.state import (
    BOUNCED,
    EXCLUDED,
    FORMER_ADDRESS,
    KEEP,
    UNREADABLE_CONSENT,
    Delivered,
    Desired,
    addition_key,
    is_at_mailjet,
)
from jetbridge.integrations.mailjet.contacts.state import UNSUBSCRIBED as UNSUBSCRIBED_FROM_A_LIST
from jetbridge.spec.booleans import ParsedBoolean
from jetbridge.spec.emails import normalise
from jetbridge.spec.message import Message
from jetbridge.spec.person import (
    EMAIL,
    NO_CONSENT,
    UNSUBSCRIBED,
    TraitValue,
    address_of,
    address_of_user,
    carries_consent,
    consent_of,
    is_address_name,
    traits_of,
)
from jetbridge.spec.untrusted import whole_number
from jetbridge.text import pasted, quoted

#: The destination's name in the integrations object (Segment catalogue; case-sensitive).
NAME = "Mailjet"

#: The values of a message that choose destination, list and action.
_OPTIONS = frozenset(
    f"integrations{path}" for path in ("", ".All", f".{NAME}", f".{NAME}.listId", f".{NAME}.action")
)

#: What the name of a rejected value begins with that belongs to a trait, and to no property: those have no dots.
OF_TRAIT = "traits."

#: How far a call's time may lie after its receipt: a clock that is years ahead would win for years.
MOST_AHEAD = timedelta(days=1)


class EngageCall(msgspec.Struct, gc=False):
    """What a call of Engage is about, beside its property. `why_not` says why it sets none; "" if it does."""

    key: str
    #: The trait with the value.
    trait: str
    #: Whether the person is a member of the audience, or has a value of the computed trait.
    is_member: bool
    #: Whether somebody who is no contact becomes one.
    adds_members: bool
    #: The contacts list that follows the audience; None without one.
    follows: int | None
    why_not: str = ""
    #: Ours has one.
    destination: int | None = None

    @property
    def addition(self) -> str:
        """By what it adds somebody."""
        return addition_key(self.key, self.destination)


class ContactChange(msgspec.Struct, gc=False):
    """What one Identify changes. `time` is its timestamp in ms; `email` None: use the one known for the user.
    `is_implied`: the address is the userId, and used only if none is known.

    `action` KEEP: whether the person is unsubscribed cannot be read, so the list is left as it is.
    `requested_at` is when the action was requested (ms): not after the receipt, or a clock that is ahead would outlast
    the unsubscribes that follow.
    """

    user_id: str | None
    email: str | None
    properties: dict[str, Any]
    time: int
    list_id: int
    action: str
    requested_at: int
    #: Traits that found their property taken by another trait of the call, and a consent that cannot be read.
    lost: Lost = ()
    is_implied: bool = False
    #: Why the consent cannot be read; "" if it can.
    unreadable: str = ""
    #: Whether the list is another one than the destination's own.
    is_named: bool = False
    #: Set for a call of Engage. It requests nothing of a list but to add a member, names no address, and has no consent.
    engage: EngageCall | None = None

    @property
    def key(self) -> int:
        """Of the list, among the messages that wait."""
        return key_of(self.list_id, is_named=self.is_named)


def contact_change(
    message: Message,
    default_list: int,
    mapping: Mapping,
    unsubscribed_trait: str = UNSUBSCRIBED,
    *,
    former_lists: Collection[int] = (),
) -> ContactChange:
    """Read an Identify. Raises MessageRejected (INVALID_EMAIL, INVALID_SETTINGS)."""
    if key := engage_key(message, unsubscribed_trait):
        return _engage_change(message, key, default_list, mapping, former_lists)
    list_id, action, is_named = options(message, default_list, former_lists)
    address = address_of(message)
    email = _email(address) if address else address_of_user(message)
    properties, lost = mapping.properties(traits_of(message), address[0] if address else EMAIL)
    consent = consent_of(message, unsubscribed_trait)
    if consent is NO_CONSENT:
        pass
    elif consent.unsubscribed is ParsedBoolean.YES:  # whatever else the call requests
        action = UNSUB
    elif consent.unsubscribed is ParsedBoolean.UNREADABLE:
        action = UNSUB if action == UNSUB else KEEP  # an unsubscribe that is requested needs no consent
        lost += (unreadable_consent(unsubscribed_trait, consent.why),)
    time = _time(message)
    return ContactChange(
        message.user_id,
        email,
        properties,
        time,
        list_id,
        action,
        time if action == ADDNOFORCE else min(time, _ms(message.received_at)),
        lost,
        email is not None and address is None,
        consent.why,
        is_named,
    )


def engage_key(message: Message, unsubscribed_trait: str = UNSUBSCRIBED) -> str:
    """The key of the audience or computed trait that a call is about, whoever's Engage has made it; "" for other calls.

    A key that holds the address or the consent here is read as in any call, if it is not ours: to leave an unsubscribe
    out would be worse. Raises MessageRejected for one of ours.
    """
    personas = message.context.get("personas") if message.context else None
    key = personas.get("computation_key") if isinstance(personas, dict) else None
    if not (isinstance(key, str) and key):
        if message.engage is None:
            return ""
        names = [name for name in traits_of(message) if not is_address_name(name)]
        if len(names) != 1:
            raise MessageRejected(
                "INVALID_SETTINGS", "The call of Engage has no context.personas.computation_key."
            )
        [key] = names  # a filter has taken context.personas out
    if not (is_address_name(key) or carries_consent(key, (unsubscribed_trait,))):
        return key
    if message.engage is None:
        return ""
    raise MessageRejected(
        "INVALID_SETTINGS",
        f"The trait {quoted(key)} means something else here: the address, or who unsubscribed.",
    )


def _engage_change(
    message: Message, key: str, default_list: int, mapping: Mapping, former_lists: Collection[int]
) -> ContactChange:
    """Segment's Engage adds members, as it does at Segment."""
    list_id, action, is_named = options(message, default_list, former_lists)
    address, target, traits = address_of(message), message.engage, traits_of(message)
    name, why_not = key, ""
    if key not in traits:
        # Some give an id as the key: then the only other trait is meant.
        others = [trait for trait in traits if trait != (address[0] if address else EMAIL)]
        if len(others) == 1 and not target:
            name = others[0]
        else:
            why_not = f"the call has no trait {quoted(key)}, or a filter has taken it out"
    value = traits.get(name)
    if target and target.is_decimal and type(value) is int:
        # So that the property is made for fractions, whichever value comes first.
        with suppress(OverflowError):
            value = decimal if (decimal := float(value)) == value else value
    properties: dict[str, Any] = {}
    if not why_not:
        mapping = engage_mapping(message, mapping)
        properties, _ = mapping.properties({name: value})
        why_not = "" if properties else mapping.place(name).why_not
    time = _time(message)
    engage = EngageCall(
        key,
        name,
        is_member=value is not None and value is not False,  # 0 is a value
        adds_members=target.adds_members if target else action in {ADDNOFORCE, ADDFORCE},
        follows=target.list_id if target else None,
        why_not=why_not,
        destination=target.destination if target else None,
    )
    return ContactChange(
        message.user_id,
        _email(address) if address else None,
        properties,
        time,
        list_id,
        KEEP,
        min(time, _ms(message.received_at)),
        is_named=is_named,
        engage=engage,
    )


def engage_mapping(message: Message, mapping: Mapping) -> Mapping:
    """Where the trait of a call of Engage goes. Whoever activated an audience chose its property, and the keys that a mapping
    names are rejected, so the mapping is for the calls of others.
    """
    return _UNMAPPED if message.engage else mapping


#: Where traits go that no mapping concerns.
_UNMAPPED = Mapping()


def unreadable_consent(trait: str, why: str) -> tuple[str, str]:
    """What is counted among the rejected values."""
    return (
        f"{OF_TRAIT}{trait}",
        f"UNREADABLE_CONSENT: {why}, so the subscription was left as it was; send true or false",
    )


def _time(message: Message) -> int:
    """The call's time in ms, at most MOST_AHEAD of its receipt."""
    moment = message.timestamp
    if moment > message.received_at:
        moment = min(moment, message.received_at + MOST_AHEAD)
    return _ms(moment)


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _email(address: TraitValue) -> str:
    trait, value = address
    email = normalise(value)
    if email is None:
        raise MessageRejected("INVALID_EMAIL", f"{trait}: {quoted(value, 100)} is no email address.")
    return email


def options(message: Message, default_list: int, former_lists: Collection[int] = ()) -> tuple[int, str, bool]:
    """List and action: the integrations object's options, else settings sent along, else the default. And whether
    the list is another one than the destination's own. null and "" stand for nothing.

    Settings sent along are those of a Segment workspace's subscription, the same for all its calls: the list in them
    is the destination's own if it is the default, or was before it was gone and replaced (`former_lists`). Then it
    stands for the present one. A list that the call names itself never does. Raises MessageRejected.
    """
    for path in message.dropped or ():  # without it, the contact might join a list that nobody meant
        if path in _OPTIONS:
            raise MessageRejected("INVALID_SETTINGS", f"The value of {path} cannot be read. Send it as JSON.")
    given = message.integrations and message.integrations.get(NAME)
    if not message.settings and not isinstance(given, dict):
        return default_list, ADDNOFORCE, False
    named, along = (given if isinstance(given, dict) else {}), message.settings or {}
    actions = (_option(named, "action"), _option(along, "action"), ADDNOFORCE)
    action = next(action for action in actions if action is not None)
    if action not in ACTIONS:
        raise MessageRejected(
            "INVALID_SETTINGS", f"The action {quoted(action)} is none of {', '.join(ACTIONS)}."
        )
    if _option(named, "listId") is not None:
        return list_id_of(named["listId"]), action, True
    if _option(along, "listId") is None:
        return default_list, action, False
    list_id = list_id_of(along["listId"])
    if list_id == default_list or list_id in former_lists:
        return default_list, action, False
    return list_id, action, True


def _option(options: dict[str, Any], name: str) -> Any:
    """The value; None where it is null or a blank text, which is what a form or a library writes for nothing."""
    value = options.get(name)
    return None if isinstance(value, str) and not pasted(value) else value


def list_id_of(value: Any) -> int:
    """A list id, sent as number or text. Raises MessageRejected."""
    list_id = whole_number(pasted(value) if isinstance(value, str) else value)
    if not list_id:
        raise MessageRejected("INVALID_SETTINGS", f"{quoted(value)} is no Mailjet list ID.")
    return list_id


# ---- why a call of Engage changes nothing at Mailjet

NO_PROPERTY = "NO_PROPERTY"
ANOTHER_USERS_ADDRESS = "ANOTHER_USERS_ADDRESS"
NOT_A_CONTACT = "NOT_A_CONTACT"

_KEPT = "The value is kept, and is sent once an Identify call makes the person a contact."
_OBSTACLES = {
    UNSUBSCRIBED_FROM_A_LIST: "has unsubscribed from a contacts list",
    EXCLUDED: "wants no mail from any list, or is excluded from campaigns",
    BOUNCED: "does not exist: mail to it bounced",
    UNREADABLE_CONSENT: "has a consent that cannot be read",
    FORMER_ADDRESS: "is one that its user has left",
}

_WINS = "Engage adds nobody who wants no mail; another choice at the activation changes nothing of it."
#: What a person can do about each, by code.
ENGAGE_REASON_HELP = {
    NO_PROPERTY: "The audience's trait is not in the call, or the Mapping keeps it away. See the destination's filters and Mapping.",
    ANOTHER_USERS_ADDRESS: "The address has another user now, whose own membership counts there. There is nothing to do.",
    NOT_A_CONTACT: "Members who are no contacts are left out. Nothing has to be retried: the value is kept, and is sent with their "
    "first Identify call. A contact that was made in Mailjet itself is none before that. Choose at the audience's activation to add "
    "members to the list instead: that adds those who were left out, too.",
    UNSUBSCRIBED_FROM_A_LIST: f"The member has unsubscribed from a contacts list of the account. {_WINS}",
    EXCLUDED: f"The member wants no mail from any list, or is excluded from campaigns. {_WINS}",
    BOUNCED: "Mail to the member's address bounced. Correct the address where it comes from.",
    UNREADABLE_CONSENT: "Send true or false in the trait that says who has unsubscribed.",
    FORMER_ADDRESS: "The user has another address now, which gets the property. There is nothing to do.",
}


def no_property_reason(engage: EngageCall) -> tuple[str, str]:
    """Code and message for a call that sets no property."""
    return NO_PROPERTY, f"The call sets no property: {engage.why_not}."


def filter_reason(
    change: ContactChange, email: str, desired: Desired, delivered: Delivered
) -> tuple[str, str] | None:
    """Code and message, by what the contact at `email` is now; None if the call's property is sent, or for any other call."""
    engage = change.engage
    if engage is None:
        return None
    if change.email and desired.hides_computed(change.user_id):
        return (
            ANOTHER_USERS_ADDRESS,
            f"{email} is the address of another user now, and gets that user's values only.",
        )
    if desired.is_contact or (desired.is_superseded and is_at_mailjet(desired, delivered)):
        return None
    obstacle = desired.adding_obstacle
    if obstacle == FORMER_ADDRESS:
        return obstacle, f"{email} {_OBSTACLES[obstacle]}, and is no contact any more."
    if engage.adds_members and engage.is_member and obstacle:
        return _blocked(obstacle, email)
    return NOT_A_CONTACT, f"{email} is no contact, and this call adds nobody. {_KEPT}"


def unsent_reason(email: str, desired: Desired) -> tuple[str, str] | None:
    """Code and message for calls that waited for a contact which none of them makes one: what Mailjet reported meanwhile spoke
    against it, or the audience adds nobody any more. None for a contact, also a former one.
    """
    if desired.is_contact or desired.is_superseded or desired.pending_deletion:
        return None
    obstacle = desired.adding_obstacle
    if not obstacle:
        return NOT_A_CONTACT, f"{email} is no contact, and its audiences add nobody any more. {_KEPT}"
    return _blocked(obstacle, email)


def _blocked(obstacle: str, email: str) -> tuple[str, str]:
    return obstacle, f"{email} {_OBSTACLES[obstacle]}, so Engage does not add it to a list. {_KEPT}"
