"""By which of the two paths a contact is told: with many others in a job, or by itself."""

from collections.abc import Sequence

from jetbridge.destinations.mailjet.contacts import Contact
from jetbridge.destinations.mailjet.settle import SINGLY_FROM_TRIES
from jetbridge.mailjet.actions import REMOVE


def sorted_out(contacts: Sequence[Contact], few: int) -> tuple[list[Contact], list[Contact]]:
    """Those to be told in jobs, and those to be told one by one."""
    ordinary: list[Contact] = []
    singly: list[Contact] = []
    for each in contacts:
        (singly if wants_care(each) else ordinary).append(each)
    if len(ordinary) <= few:
        singly += [each for each in ordinary if not _clears(each)]
        ordinary = [each for each in ordinary if _clears(each)]
    return ordinary, singly


def wants_care(contact: Contact) -> bool:
    """Whether a bulk body would not treat it rightly, or has refused it before."""
    desired = contact.desired
    if desired.takes_over or contact.tries >= SINGLY_FROM_TRIES or desired.is_to_go or desired.has_left:
        return True
    return REMOVE in {action for action, _ in desired.lists.values()}


def _clears(contact: Contact) -> bool:
    """Whether something is to be cleared: null is documented for managemanycontacts only."""
    return any(value is None for value in contact.desired.values.values())
