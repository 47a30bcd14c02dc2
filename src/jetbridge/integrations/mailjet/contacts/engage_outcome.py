"""Why a call of Engage changes nothing at Mailjet: reasons that event delivery, traces and the Event Tester show."""

from jetbridge.integrations.mailjet.api.resources import ADDNOFORCE
from jetbridge.integrations.mailjet.contacts.contact import Contact
from jetbridge.integrations.mailjet.contacts.state import (
    BOUNCED,
    EXCLUDED,
    FORMER_ADDRESS,
    UNREADABLE_CONSENT,
    UNSUBSCRIBED,
    is_at_mailjet,
    is_satisfied,
)
from jetbridge.integrations.mailjet.contacts.traits import ContactChange, EngageCall

NO_PROPERTY = "NO_PROPERTY"
ANOTHER_USERS_ADDRESS = "ANOTHER_USERS_ADDRESS"
NOT_A_CONTACT = "NOT_A_CONTACT"

_KEPT = "The value is kept, and is sent once an Identify call makes the person a contact."
_OBSTACLES = {
    UNSUBSCRIBED: "has unsubscribed from a contacts list",
    EXCLUDED: "wants no mail from any list, or is excluded from campaigns",
    BOUNCED: "does not exist: mail to it bounced",
    UNREADABLE_CONSENT: "has a consent that cannot be read",
    FORMER_ADDRESS: "is one that its user has left",
}

_WINS = "Engage adds nobody who wants no mail; another choice at the activation changes nothing of it."
#: What a person can do about each, by code.
HELP = {
    NO_PROPERTY: "The audience's trait is not in the call, or the Mapping keeps it away. See the destination's filters and Mapping.",
    ANOTHER_USERS_ADDRESS: "The address has another user now, whose own membership counts there. There is nothing to do.",
    NOT_A_CONTACT: "Members who are no contacts are left out. Nothing has to be retried: the value is kept, and is sent with their "
    "first Identify call. A contact that was made in Mailjet itself is none before that. Choose at the audience's activation to add "
    "members to the list instead: that adds those who were left out, too.",
    UNSUBSCRIBED: f"The member has unsubscribed from a contacts list of the account. {_WINS}",
    EXCLUDED: f"The member wants no mail from any list, or is excluded from campaigns. {_WINS}",
    BOUNCED: "Mail to the member's address bounced. Correct the address where it comes from.",
    UNREADABLE_CONSENT: "Send true or false in the trait that says who has unsubscribed.",
    FORMER_ADDRESS: "The user has another address now, which gets the property. There is nothing to do.",
}


def filter_reason(call: ContactChange, contact: Contact) -> tuple[str, str] | None:
    """Code and message, by what the contact is now; None if the call's property is sent, or for any other call."""
    desired = contact.desired
    if call.engage is None:
        return None
    if call.email and desired.hides_computed(call.user_id):
        message = f"{contact.email} is the address of another user now, and gets that user's values only."
        return ANOTHER_USERS_ADDRESS, message
    if desired.is_contact or (desired.has_left and is_at_mailjet(desired, contact.delivered)):
        return None
    return _not_added(call.engage, contact)


def _not_added(engage: EngageCall, contact: Contact) -> tuple[str, str]:
    obstacle = contact.desired.adding_obstacle
    if obstacle == FORMER_ADDRESS:
        return obstacle, f"{contact.email} {_OBSTACLES[obstacle]}, and is no contact any more."
    if engage.adds_members and engage.is_member and obstacle:
        return _blocked(obstacle, contact)
    return NOT_A_CONTACT, f"{contact.email} is no contact, and this call adds nobody. {_KEPT}"


def nothing_sent(contact: Contact) -> tuple[str, str] | None:
    """Code and message for calls that waited for a contact which none of them makes one: what Mailjet was asked meanwhile spoke
    against it, or the audience adds nobody any more. None for a contact, also a former one.
    """
    desired = contact.desired
    if desired.is_contact or desired.has_left or desired.pending_deletion:
        return None
    obstacle = desired.adding_obstacle
    if not obstacle:
        return NOT_A_CONTACT, f"{contact.email} is no contact, and its audiences add nobody any more. {_KEPT}"
    return _blocked(obstacle, contact)


def _blocked(obstacle: str, contact: Contact) -> tuple[str, str]:
    return obstacle, f"{contact.email} {_OBSTACLES[obstacle]}, so Engage does not add it to a list. {_KEPT}"


def without_property(engage: EngageCall) -> tuple[str, str]:
    """Code and message for a call that sets no property."""
    return NO_PROPERTY, f"The call sets no property: {engage.why_not}."


def lists_to_join(contact: Contact) -> set[int]:
    """Lists to which Engage is to add a contact: what it asks of a list is all that is asked of it."""
    actions = contact.desired.engage_actions()
    if not actions:
        return set()
    held = contact.delivered.lists
    return {
        list_id
        for list_id, action in actions.items()
        if action == ADDNOFORCE and not is_satisfied(action, held.get(list_id))
    }
