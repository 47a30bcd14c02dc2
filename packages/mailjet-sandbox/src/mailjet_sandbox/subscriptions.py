"""What the four actions do to a contact's membership of a list [D]."""

from collections.abc import Callable, Mapping

from mailjet_sandbox.model import Contact, ContactsList, Membership
from mailjet_sandbox.store import Store


def subscribe(store: Store, row: ContactsList, contact: Contact) -> None:
    """addforce: put on the list, and back on it after an unsubscription."""
    member = store.members[row.id].get(contact.id)
    if member is None:
        _join(store, row, contact)
    elif member.unsubscribed:
        resubscribe(store, member)


def subscribe_if_new(store: Store, row: ContactsList, contact: Contact) -> None:
    """addnoforce: put on the list; someone who is on it keeps their status."""
    if contact.id not in store.members[row.id]:
        _join(store, row, contact)


def remove(store: Store, row: ContactsList, contact: Contact) -> None:
    """remove: take off the list, and with it the memory of an unsubscription."""
    member = store.members[row.id].get(contact.id)
    if member is not None:
        if not member.unsubscribed:
            row.subscribers -= 1
        store.remove_membership(member)


def unsubscribe(store: Store, row: ContactsList, contact: Contact) -> None:
    """unsub: keep on the list as unsubscribed, and add as such whoever is missing."""
    member = store.members[row.id].get(contact.id)
    if member is None:
        member = _join(store, row, contact)
    if not member.unsubscribed:
        member.unsubscribed = True
        member.unsubscribed_at = store.now()
        row.subscribers -= 1


def resubscribe(store: Store, member: Membership) -> None:
    member.unsubscribed = False
    member.unsubscribed_at = 0
    store.lists[member.list_id].subscribers += 1


def _join(store: Store, row: ContactsList, contact: Contact) -> Membership:
    member = Membership(store.new_id("member"), contact.id, row.id, store.now())
    store.add_membership(member)
    row.subscribers += 1
    return member


ACTIONS: Mapping[str, Callable[[Store, ContactsList, Contact], None]] = {
    "addforce": subscribe,
    "addnoforce": subscribe_if_new,
    "remove": remove,
    "unsub": unsubscribe,
}
