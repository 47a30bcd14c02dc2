"""Consent: what Mailjet's events say about who wants no mail, remembered in the contact state.

Promise 7: someone who unsubscribed or complained is never subscribed again by a later Identify, on no list,
unless a call asks for `addforce`. Addresses that we have never synced are remembered as well.
"""

from collections.abc import Iterable
from typing import NamedTuple

from django.db import transaction

from jetbridge.integrations.mailjet.api.resources import ADDFORCE, UNSUB
from jetbridge.integrations.mailjet.contacts import unreadable
from jetbridge.integrations.mailjet.contacts.contact import FAR_MS, Contact, save_learned


class OptOut(NamedTuple):
    """An address (in its one spelling) that wants or takes no mail since `time` (ms).

    `list_id` None: of all lists. `bounced`: the address does not exist; its person may have another. `respelled`:
    Mailjet said it of a contact that spells the address otherwise.
    """

    email: str
    time: int
    list_id: int | None = None
    bounced: bool = False
    respelled: bool = False


def learn(account: int, opt_outs: Iterable[OptOut], now: int) -> list[OptOut]:
    """Remember opt-outs. The same one twice changes nothing. A transaction of its own, or the caller's.

    Returns those that could not be remembered, or not of everybody whom they concern, because the state of a contact cannot
    be read.
    """
    said = list(opt_outs)
    if not said:
        return []
    not_learned = []
    with transaction.atomic():
        contacts, unreadable_emails = _contacts(account, {each.email for each in said})
        for each in said:
            if each.email in unreadable_emails:
                not_learned.append(each)
                continue
            if each.email not in contacts:
                contacts[each.email] = Contact(each.email)
            concerned = _concerned(contacts, each)
            for contact in concerned:
                _apply(contact, each)
            last = concerned[-1].desired
            if not each.bounced and last.has_left and last.moved_to in unreadable_emails:
                not_learned.append(each)
        for contact in contacts.values():
            is_far = contact.job_id is None and (contact.next_attempt_at or 0) - now > FAR_MS
            if (contact.is_idle or is_far) and not contact.agrees:
                contact.next_attempt_at = now
        save_learned(account, contacts.values())
    return not_learned


def _contacts(account: int, emails: set[str]) -> tuple[dict[str, Contact], set[str]]:
    """Those at the addresses, and those that their users moved to; and the addresses of those that cannot be read."""
    found: dict[str, Contact] = {}
    unreadable_emails: set[str] = set()
    while emails:
        loaded = unreadable.load(account, emails, unreadable_emails)
        found |= loaded
        emails = {row.desired.moved_to for row in loaded.values() if row.desired.has_left}
        emails -= found.keys() | unreadable_emails
    return found, unreadable_emails


def _concerned(contacts: dict[str, Contact], said: OptOut) -> list[Contact]:
    """Who unsubscribes by an old mail to an old address means the new one, too; a bounce is of its address."""
    concerned = [contacts[said.email]]
    while not said.bounced and concerned[-1].desired.has_left:
        after = contacts.get(concerned[-1].desired.moved_to)
        if after is None or after in concerned:
            break
        concerned.append(after)
    return concerned


def _apply(contact: Contact, said: OptOut) -> None:
    desired = contact.desired
    if said.list_id is not None:
        desired.unsubscribe(said.list_id, said.time)
        if contact.email == said.email and not said.respelled and _is_so_still(contact, said.list_id):
            contact.delivered.lists[said.list_id] = UNSUB  # Mailjet said so itself
    elif said.bounced:
        desired.bounced = max(desired.bounced, said.time)
    else:
        desired.opted_out = max(desired.opted_out, said.time)


def _is_so_still(contact: Contact, list_id: int) -> bool:
    """Whether an unsubscribe that Mailjet told of is as it was: nothing that undoes it was told meanwhile."""
    return contact.sent_row is None and contact.delivered.lists.get(list_id) != ADDFORCE
