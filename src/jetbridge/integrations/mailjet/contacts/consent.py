"""Consent: what Mailjet's events report about who wants no mail, remembered in the contact state.

Promise 7: someone who unsubscribed or complained is never subscribed again by a later Identify, on no list,
unless a call requests `addforce`. Addresses that we have never synced are remembered as well.
"""

from collections.abc import Iterable
from typing import NamedTuple

from django.db import transaction

from jetbridge.integrations.mailjet.api.resources import ADDFORCE, UNSUB
from jetbridge.integrations.mailjet.contacts.contact import (
    FAR_MS,
    Contact,
    load_recording_unreadable,
    save_learned,
)


class OptOut(NamedTuple):
    """An address (in its one spelling) that wants or takes no mail since `time` (ms).

    `list_id` None: of all lists. `bounced`: the address does not exist; its person may have another. `respelled`:
    Mailjet reported it of a contact that spells the address otherwise.
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
    opt_outs = list(opt_outs)
    if not opt_outs:
        return []
    not_learned = []
    with transaction.atomic():
        # The contacts at the addresses, and those that their users moved to.
        contacts: dict[str, Contact] = {}
        unreadable: set[str] = set()
        emails = {opt_out.email for opt_out in opt_outs}
        while emails:
            loaded = load_recording_unreadable(account, emails, unreadable)
            contacts |= loaded
            emails = {row.desired.moved_to for row in loaded.values() if row.desired.is_superseded}
            emails -= contacts.keys() | unreadable
        for opt_out in opt_outs:
            if opt_out.email in unreadable:
                not_learned.append(opt_out)
                continue
            contacts.setdefault(opt_out.email, Contact(opt_out.email))
            concerned = _concerned(contacts, opt_out)
            for contact in concerned:
                _apply(contact, opt_out)
            last = concerned[-1].desired
            if not opt_out.bounced and last.is_superseded and last.moved_to in unreadable:
                not_learned.append(opt_out)
        for contact in contacts.values():
            is_far = contact.job_id is None and (contact.next_attempt_at or 0) - now > FAR_MS
            if (contact.is_idle or is_far) and not contact.agrees:
                contact.next_attempt_at = now
        save_learned(account, contacts.values())
    return not_learned


def _concerned(contacts: dict[str, Contact], opt_out: OptOut) -> list[Contact]:
    """Who unsubscribes by an old mail to an old address means the new one, too; a bounce is of its address."""
    concerned = [contacts[opt_out.email]]
    while not opt_out.bounced and concerned[-1].desired.is_superseded:
        after = contacts.get(concerned[-1].desired.moved_to)
        if after is None or after in concerned:
            break
        concerned.append(after)
    return concerned


def _apply(contact: Contact, opt_out: OptOut) -> None:
    desired, list_id = contact.desired, opt_out.list_id
    if list_id is not None:
        desired.unsubscribe(list_id, opt_out.time)
        # Mailjet reported it of this contact, and nothing that undoes it was sent meanwhile.
        is_reported = contact.email == opt_out.email and not opt_out.respelled
        if is_reported and contact.sent_row is None and contact.delivered.lists.get(list_id) != ADDFORCE:
            contact.delivered.lists[list_id] = UNSUB
    elif opt_out.bounced:
        desired.bounced = max(desired.bounced, opt_out.time)
    else:
        desired.opted_out = max(desired.opted_out, opt_out.time)
