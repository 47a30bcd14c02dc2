"""Contacts lists that are gone, and whose destinations have been given another one.

What waited for such a list because it was the destination's list goes to the new one, contact by contact, before
Mailjet is told about it. Who had unsubscribed from it stays unsubscribed on the new one. A call that named the list
itself asked for no other: it fails. What comes later from a Segment workspace whose settings still have the former list
is for the new one, too.
"""

import json
from collections.abc import Iterable, Sequence

from django.db import transaction

from jetbridge.control.directory import account_of_authentication_key
from jetbridge.control.models import Destination
from jetbridge.control.secret_field import digest
from jetbridge.integrations.mailjet.api.resources import ADDFORCE, REMOVE, UNSUB
from jetbridge.integrations.mailjet.contacts import pending
from jetbridge.integrations.mailjet.contacts.contact import Contact, load_contacts, save_followed
from jetbridge.integrations.mailjet.contacts.pending import Pending
from jetbridge.integrations.mailjet.contacts.state import Profile
from jetbridge.integrations.mailjet.contacts.user_addresses import load_people, save_people
from jetbridge.integrations.mailjet.models import ReplacedList
from jetbridge.spec.untrusted import whole_number

#: The new list, by the destination that has been given it, by the list that is gone.
Replaced = dict[int, dict[int, int]]


def remember(account: int, destination: int, list_id: int) -> None:
    """The list is gone, and the destination is set to another one now."""
    ReplacedList.objects.update_or_create(
        destination_id=destination, list_id=list_id, defaults={"account_id": account}
    )


def former_lists(destination: int) -> frozenset[int]:
    """Lists of a destination that were gone when it was given another."""
    return frozenset(
        ReplacedList.objects.filter(destination_id=destination).values_list("list_id", flat=True)
    )


def learn(account: int, list_id: int, waiting: Iterable[Pending]) -> bool:
    """The list is gone. Whether something waits for it whose destination is set to another list by now."""
    destinations = {id_ for each in waiting for id_, by_list in each.items() if list_id in by_list}
    replaced = [id_ for id_, present in _lists(account, destinations).items() if present != list_id]
    for id_ in replaced:
        remember(account, id_, list_id)
    return bool(replaced)


def carry_unsubscribes(account: int, contacts: Iterable[Contact]) -> None:
    """Let contacts in memory be unsubscribed from what replaces a list that they had unsubscribed from."""
    for list_id, by_destination in _of_account(account).items():
        for contact in contacts:
            for to in by_destination.values():
                contact.desired.carry_unsubscribe(list_id, to)


def follow(account: int, contacts: Sequence[Contact]) -> list[Contact]:
    """Due contacts, of which nothing waits any more for a list that was replaced."""
    replaced = _of_account(account)
    concerned = [each.email for each in contacts if _is_concerned(each, replaced)] if replaced else []
    if not concerned:
        return list(contacts)
    in_use = _in_use(replaced)
    with transaction.atomic():
        known = load_contacts(account, concerned)  # fold may have merged more meanwhile
        for contact in known.values():
            for list_id, by_destination in replaced.items():
                _replace(account, contact, list_id, by_destination)
                if list_id not in in_use | pending.lists(contact.pending):
                    contact.desired.park(list_id)
                    contact.delivered.lists.pop(list_id, None)
        save_followed(known.values())
    return [known.get(each.email, each) for each in contacts]


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


def _is_concerned(contact: Contact, replaced: Replaced) -> bool:
    desired = contact.desired
    unsubscribed = {list_id for list_id, (action, _) in desired.parked.items() if action in {UNSUB, REMOVE}}
    return not replaced.keys().isdisjoint({*desired.lists, *unsubscribed, *pending.lists(contact.pending)})


def _of_account(account: int) -> Replaced:
    rows = list(ReplacedList.objects.filter(account_id=account).values_list("list_id", "destination_id"))
    present = _lists(account, {destination for _, destination in rows}) if rows else {}
    replaced: Replaced = {}
    for list_id, destination in rows:
        if (to := present.get(destination, list_id)) != list_id:  # else it was restored and chosen again
            replaced.setdefault(list_id, {})[destination] = to
    return replaced


def _lists(account: int, destinations: Iterable[int]) -> dict[int, int]:
    """The lists that these destinations are set to; without those that use another account by now."""
    lists = {}
    for row in Destination.objects.filter(id__in=destinations):
        present = account_of_authentication_key(digest(json.loads(row.secrets).get("apiKey", "")))
        list_id = whole_number(row.settings.get("listId"))
        if present and present.id == account and list_id:
            lists[row.id] = list_id
    return lists


def _in_use(replaced: Replaced) -> set[int]:
    """Those of the lists that some destination is still set to."""
    names = [str(list_id) for list_id in replaced]
    rows = Destination.objects.filter(settings__listId__in=names).values_list("settings__listId", flat=True)
    return {int(each) for each in rows}
