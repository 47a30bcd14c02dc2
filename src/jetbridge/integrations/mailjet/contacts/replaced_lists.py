"""Contacts lists that are gone, and whose destinations have been given another one.

What waited for such a list because it was the destination's list goes to the new one, contact by contact, before
Mailjet is updated. Who had unsubscribed from it stays unsubscribed on the new one. A call that named the list
itself requested no other: it fails. What comes later from a Segment workspace whose settings still have the former list
is for the new one, too.
"""

from collections.abc import Iterable, Sequence

from django.db import transaction

from jetbridge.control.models import Destination
from jetbridge.integrations.mailjet.api.resources import ADDFORCE, REMOVE, UNSUB
from jetbridge.integrations.mailjet.contacts import pending, queries
from jetbridge.integrations.mailjet.contacts.contact import (
    Contact,
    load_contacts,
    load_people,
    save_followed,
    save_people,
)
from jetbridge.integrations.mailjet.contacts.pending import Pending
from jetbridge.integrations.mailjet.contacts.state import Profile
from jetbridge.integrations.mailjet.models import ReplacedList


def remember(account: int, destination: int, list_id: int) -> None:
    """The list is gone, and the destination is set to another one now."""
    ReplacedList.objects.update_or_create(
        destination_id=destination, list_id=list_id, defaults={"account_id": account}
    )


def learn(account: int, list_id: int, waiting: Iterable[Pending]) -> bool:
    """The list is gone. Whether something waits for it whose destination is set to another list by now."""
    destinations = {id_ for messages in waiting for id_, by_list in messages.items() if list_id in by_list}
    present = queries.lists_of_destinations(account, destinations)
    replaced = [id_ for id_ in present if present[id_] != list_id]
    for id_ in replaced:
        remember(account, id_, list_id)
    return bool(replaced)


def follow(account: int, contacts: Sequence[Contact], replaced: dict[int, dict[int, int]]) -> list[Contact]:
    """Due contacts, of which nothing waits any more for a list that was `replaced` (`queries.replaced_lists`)."""
    concerned = []
    for contact in contacts:
        parked = contact.desired.parked.items()
        unsubscribed = {list_id for list_id, (action, _) in parked if action in {UNSUB, REMOVE}}
        lists = {*contact.desired.lists, *unsubscribed, *pending.lists(contact.pending)}
        if not replaced.keys().isdisjoint(lists):
            concerned.append(contact.email)
    if not concerned:
        return list(contacts)
    ids = [str(list_id) for list_id in replaced]
    rows = Destination.objects.filter(settings__listId__in=ids).values_list("settings__listId", flat=True)
    in_use = {int(list_id) for list_id in rows}
    with transaction.atomic():
        current = load_contacts(account, concerned)  # the merge may have brought more meanwhile
        for contact in current.values():
            for list_id, by_destination in replaced.items():
                _replace(account, contact, list_id, by_destination)
                if list_id not in in_use | pending.lists(contact.pending):
                    contact.desired.park(list_id)
                    contact.delivered.lists.pop(list_id, None)
        save_followed(current.values())
    return [current.get(contact.email, contact) for contact in contacts]


def _replace(account: int, contact: Contact, list_id: int, by_destination: dict[int, int]) -> None:
    desired, is_forced = contact.desired, contact.delivered.lists.get(list_id) == ADDFORCE
    for destination, to in by_destination.items():
        if list_id in contact.pending.get(destination, ()):
            pending.move(contact.pending, destination, list_id, to)
            desired.follow_members(list_id, to)
            people = load_people(account, desired.users if desired.is_apart else ())
            profiles: list[Profile | None] = [desired, desired.anonymous]
            profiles += [person.profile for person in people.values()]
            for profile in profiles:
                if profile:
                    profile.follow(list_id, to, is_forced=is_forced)
            for person in people.values():
                person.changed = person.profile is not None
            save_people(account, people.values())
        desired.carry_unsubscribe(list_id, to)
