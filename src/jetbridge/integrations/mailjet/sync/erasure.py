"""Erasure of people at one Mailjet account: their contact state is emptied, and their contacts are deleted at Mailjet.

The deletions are made by the one thread that sends Mailjet the contacts of the account, before anything else: the reconciler, or
`AccountEraser` where no destination of the account is enabled (`reconcile`).
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event

from django.db import transaction

from jetbridge.delivery import isolation
from jetbridge.errors import DeliveryError, PauseError, TransientError
from jetbridge.integrations.mailjet.contacts import queries
from jetbridge.integrations.mailjet.contacts.contact import (
    Contact,
    computed_addresses,
    load_people,
    load_readable,
    load_to_show,
    postpone,
    save_learned,
    save_sent,
)
from jetbridge.integrations.mailjet.contacts.state import DeletionState, Delivered, Desired
from jetbridge.integrations.mailjet.models import ComputedAddress, RejectedValue
from jetbridge.integrations.mailjet.sync.account import NO_LIST, PROBE_MS, Account
from jetbridge.integrations.mailjet.sync.results import (
    DELETE_AGAIN_MS,
    ContactUpdateResult,
    acknowledge_single,
    delete_unreadable,
    fail_contact,
    lookup_failed,
)
from jetbridge.privacy import erasure
from jetbridge.spec.person import Identity
from jetbridge.text import pluralize

log = logging.getLogger(__name__)

#: How often is looked for contacts to delete.
POLL_MS = 1_000


def delete_contact(account: Account, contact: Contact) -> None:
    """Delete a contact at Mailjet permanently (v4). What Mailjet does not have is deleted already.

    Raises TransientError or PauseError that is about the account.
    """
    row = None
    try:
        if row := account.client.contact(contact.email):
            save_sent([(contact, contact.delivered)])
            account.client.delete_contact(row.id)
    except DeliveryError as error:
        erasure.note_error(contact.email, error)
        if isinstance(error, TransientError):
            lookup_failed(account, contact, error)
        elif isinstance(error, PauseError) and not row:  # the keys are not accepted at all
            raise
        else:
            log.warning("A contact cannot be deleted, and is tried again later: %s", error.code)
            postpone([contact], account.now() + DELETE_AGAIN_MS)
    else:
        account.circuits[NO_LIST].record_success()
        result = ContactUpdateResult(contact.email, {}, is_deleted=True)
        acknowledge_single(account.id, account.now(), result)


class ContactEraser:
    """Used by the one thread that sends Mailjet the contacts of the account."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._poll_at = 0

    def poll(self, stop: Event) -> list[Contact]:
        """Delete the contacts of open erasures, if it is time. Return those that a job still carries.

        Raises no DeliveryError: the erasure records what it waits for.
        """
        account = self._account
        if account.now() < self._poll_at or account.circuits[NO_LIST].is_open:
            return []
        self._poll_at = account.now() + POLL_MS
        emails = {email for row in erasure.begun() for email in row.emails}
        contacts = load_readable(account.id, emails).values()
        forgotten = [contact for contact in contacts if contact.desired.deletion is DeletionState.ERASED]
        carried = [contact for contact in forgotten if contact.job_id is not None]
        for contact in carried:
            erasure.note(
                contact.email,
                f"It waits for the end of Mailjet's job {contact.job_id}, which carries the contact.",
            )
        # The contact that has waited longest comes first.
        for contact in sorted(forgotten, key=lambda contact: contact.next_attempt_at or 0):
            if contact.job_id is not None or (contact.next_attempt_at or 0) > account.now():
                continue
            if stop.is_set() or account.circuits[NO_LIST].is_open:
                break
            try:
                delete_contact(account, contact)
            except DeliveryError as error:
                log.info("Mailjet account %s: contacts cannot be deleted now: %s", account.id, error.code)
                self.pause()
                break
            except Exception as error:
                if isolation.is_environmental(error) or contact.id is None:
                    raise
                fail_contact(account.id, account.now(), contact.id, error)
        return carried

    def pause(self) -> None:
        """Nothing can be done at the account now."""
        self._poll_at = self._account.now() + PROBE_MS


@dataclass(frozen=True)
class ContactErasureHandler:
    """What the contact state of one account knows of a person, and its erasure (`privacy.erasure.ErasureHandler`)."""

    readers: Sequence[str]
    account: int
    account_name: str

    def known(self, identity: Identity) -> Identity:
        """A user's addresses, former ones included; an address's users, with their other addresses. A former
        address that is another user's now is left out.
        """
        users = set(identity.users)
        emails, former = set(identity.emails), set[str]()
        for contact in load_readable(self.account, identity.emails).values():
            users.update(contact.desired.users)
        for person in load_people(self.account, users).values():
            emails.update([person.email] if person.email else [])
            former.update(person.former)
        former |= computed_addresses(self.account, users)
        for email, contact in load_readable(self.account, former - emails).items():
            if contact.desired.users.keys() - users:
                former.remove(email)
        # A stored address may be spelled differently, or be invalid by now.
        return Identity.of(users, emails | former) | Identity(emails=frozenset(emails | former))

    def erase(self, identity: Identity, now: int) -> None:
        """Empty the state at once, and have the contacts deleted. Addresses that were never synced may be at Mailjet, too."""
        with transaction.atomic():
            contacts = load_readable(
                self.account,
                identity.emails,
                lambda id_, _, error: delete_unreadable(self.account, now, id_, error),
            )
            for email in identity.emails:
                contact = contacts.setdefault(email, Contact(email))
                contact.desired = Desired(deletion=DeletionState.ERASED)
                contact.set_delivered(Delivered())
                # A contact whose job got lost waits for it as before: the job would create the contact once more.
                since = contact.next_attempt_at if contact.sent_row is not None else None
                contact.next_attempt_at = max(now, since or 0) if contact.job_id is None else None
            former = {
                email
                for person in load_people(self.account, identity.users).values()
                for email in person.former
            } | computed_addresses(self.account, identity.users)
            others = load_readable(self.account, former - identity.emails)
            for contact in others.values():
                contact.desired.forget_users(identity.users)
            save_learned(self.account, [*contacts.values(), *others.values()])
            queries.write(queries.DELETE_PERSON, [(self.account, user_id) for user_id in identity.users])
            ComputedAddress.objects.filter(account_id=self.account, user_id__in=identity.users).delete()
            ComputedAddress.objects.filter(account_id=self.account, email__in=identity.emails).delete()
            RejectedValue.objects.filter(account_id=self.account, email__in=identity.emails).update(email="")

    def erased(self, identity: Identity) -> str | None:
        if load_to_show(self.account, identity.emails):
            return None
        addresses = len(identity.emails)
        return f"{self.account_name}: the contacts of {pluralize(addresses, 'address', 'addresses')} deleted."
