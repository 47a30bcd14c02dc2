"""Consent: what Mailjet's events say about who wants no mail, remembered in the contact state.

Promise 7: someone who unsubscribed or complained is never subscribed again by a later Identify, on no list,
unless a call asks for `addforce`. Addresses that we have never synced are remembered as well.
"""

from collections.abc import Iterable
from typing import NamedTuple

from django.db import transaction

from jetbridge.destinations.mailjet.contacts import Contact, load_contacts, save_learned
from jetbridge.mailjet.actions import UNSUB


class OptOut(NamedTuple):
    """An address (in its one spelling) that wants or takes no mail since `time` (ms).

    `list_id` None: of all lists. `bounced`: the address does not exist; its person may have another.
    """

    email: str
    time: int
    list_id: int | None = None
    bounced: bool = False


def learn(account: int, opt_outs: Iterable[OptOut], now: int) -> None:
    """Remember opt-outs. The same one twice changes nothing. A transaction of its own, or the caller's."""
    said = list(opt_outs)
    if not said:
        return
    with transaction.atomic():
        contacts = load_contacts(account, {each.email for each in said})
        for each in said:
            contact = contacts.get(each.email)
            if contact is None:
                contact = contacts[each.email] = Contact(each.email)
            _apply(contact, each)
        for contact in contacts.values():
            if contact.is_settled and not contact.agrees:
                contact.due_at = now
        save_learned(account, contacts.values())


def _apply(contact: Contact, said: OptOut) -> None:
    desired = contact.desired
    if said.list_id is not None:
        desired.ask(said.list_id, UNSUB, said.time)
        if contact.job_id is None:
            contact.delivered.lists[said.list_id] = UNSUB  # Mailjet said so itself
    elif said.bounced:
        desired.bounced = max(desired.bounced, said.time)
    else:
        desired.opted_out = max(desired.opted_out, said.time)
