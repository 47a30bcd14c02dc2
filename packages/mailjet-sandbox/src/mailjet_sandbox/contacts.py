"""Writing contacts: name, exclusion, properties and membership of lists, as the bulk and the single calls do."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mailjet_sandbox import errors, properties
from mailjet_sandbox.model import Contact, ContactsList, ListAction, Membership, Value
from mailjet_sandbox.requests import as_bool, lowered
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


#: One @, no spaces, a domain with a dot, no empty part between dots. Mailjet's own rule is not published. [X]
_EMAIL = re.compile(r"[^@\s,;:<>\".]+(?:\.[^@\s,;:<>\".]+)*@(?:[^@\s,;:<>\".]+\.)+[^@\s,;:<>\".]+")

#: What is wrong with a contact, by field: the ErrorInfo of a 400. Empty when all is well.
Info = dict[str, Any]


def is_email(value: Any) -> bool:
    """Whether it is an address; characters that nobody sees, such as U+200B, are in none."""
    if not isinstance(value, str) or len(value) > 254 or not value.isprintable():
        return False
    return _EMAIL.fullmatch(value) is not None


def email_problem(value: Any) -> str | None:
    """Return what is wrong with an address, or None."""
    if not isinstance(value, str) or not value:
        return f"MJ08 Property email is invalid: {errors.REQUIRED}"
    if not is_email(value):
        return f"MJ08 Property email is invalid: {errors.bad_email_text(value)}"
    return None


def write_contact(store: Store, raw: Any, targets: Iterable[tuple[ContactsList, str]]) -> Info:
    """Create or update one contact; on any problem write nothing and return the problem."""
    row = lowered(raw) if isinstance(raw, dict) else {}
    email = row.get("email")
    problem = email_problem(email)
    if problem or not isinstance(email, str):
        return {"Email": problem}
    values, problems = properties.check(store.static_properties, row.get("properties"))
    if problems:
        return {"Properties": problems}
    contact = store.contact_by_email(email) or store.add_contact(email)
    update_contact(store, contact, row.get("name"), as_bool(row.get("isexcludedfromcampaigns")), values)
    for target, action in targets:
        ACTIONS[action](store, target, contact)
    return {}


def update_contact(
    store: Store,
    contact: Contact,
    name: Any = None,
    excluded: bool | None = None,  # noqa: FBT001 - a field, not a switch
    values: dict[str, Value | None] | None = None,
) -> bool:
    """Change what is given (None leaves as it is) and return whether anything changed."""
    changed = False
    if isinstance(name, str) and name != contact.name:
        contact.name = name
        changed = True
    if excluded is not None and excluded != contact.excluded:
        contact.excluded = excluded
        contact.excluded_at = store.now()
        changed = True
    if values:
        changed |= properties.assign(contact.data, values)
    if changed and contact.created_at != store.now():
        contact.updated_at = store.now()
    return changed


def active_targets(store: Store, lists: Iterable[ListAction]) -> list[tuple[ContactsList, str]]:
    """Pair each action with its list; a list deleted since the call is left out."""
    pairs = ((store.active_list(item.list_id), item.action) for item in lists)
    return [(row, action) for row, action in pairs if row is not None]
