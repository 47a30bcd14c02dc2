"""By which of the two paths a contact is told: with many others in a job, or by itself."""

from collections.abc import Mapping, Sequence

from jetbridge.integrations.mailjet.api.properties import clears
from jetbridge.integrations.mailjet.api.resources import REMOVE
from jetbridge.integrations.mailjet.contacts.contact import Contact
from jetbridge.integrations.mailjet.contacts.state import OFF_LIST, desired_values, list_actions
from jetbridge.integrations.mailjet.sync.property_types import PropertyTypes
from jetbridge.integrations.mailjet.sync.results import SINGLY_FROM_TRIES


def split_by_mode(
    contacts: Sequence[Contact], few: int, types: PropertyTypes
) -> tuple[list[Contact], list[Contact]]:
    """Those to be told in jobs, and those to be told one by one. Raises DeliveryError."""
    ordinary: list[Contact] = []
    singly: list[Contact] = []
    for each in contacts:
        (singly if needs_single_update(each) else ordinary).append(each)
    if 0 < len(ordinary) <= few:
        datatypes = types.for_values([])
        singly += [each for each in ordinary if not _clears(each, datatypes)]
        ordinary = [each for each in ordinary if _clears(each, datatypes)]
    return ordinary, singly


def needs_single_update(contact: Contact) -> bool:
    """Whether a bulk body would not treat it rightly, or has refused it before."""
    return _is_to_be_prepared(contact) or _is_never_in_jobs(contact)


def is_cleared_by_job(contact: Contact, datatypes: Mapping[str, str]) -> bool:
    """Whether it wants care only until it has left lists and taken over, and a job is to clear values then."""
    if _is_never_in_jobs(contact) or not _is_to_be_prepared(contact):
        return False
    return _clears(contact, datatypes)


def _is_never_in_jobs(contact: Contact) -> bool:
    desired = contact.desired
    if contact.attempts >= SINGLY_FROM_TRIES or desired.pending_deletion or desired.is_superseded:
        return True
    return REMOVE in {action for action, _ in desired.lists.values()}


def _is_to_be_prepared(contact: Contact) -> bool:
    """Whether it takes over from a former address, or is on lists that only a former user had."""
    desired, delivered = contact.desired, contact.delivered
    if desired.superseded:
        return True
    if delivered.lists.keys() <= desired.lists.keys():
        return False
    actions = list_actions(desired, delivered)
    return any(
        action != REMOVE and list_id not in desired.lists and actions[list_id] == OFF_LIST
        for list_id, action in delivered.lists.items()
    )


def _clears(contact: Contact, datatypes: Mapping[str, str]) -> bool:
    """Whether something is to be cleared: null is documented for managemanycontacts only."""
    values = desired_values(contact.desired, contact.delivered)
    return any(clears(value, datatypes.get(name)) for name, value in values.items())
