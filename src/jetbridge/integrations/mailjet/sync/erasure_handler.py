"""What the contact state of one account knows of a person, and its erasure (`privacy.erasure.ErasureHandler`)."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction

from jetbridge.integrations.mailjet.contacts import queries
from jetbridge.integrations.mailjet.contacts.contact import (
    Contact,
    computed_addresses,
    load_people,
    load_readable,
    load_to_show,
    save_learned,
)
from jetbridge.integrations.mailjet.contacts.state import DeletionState, Delivered, Desired
from jetbridge.integrations.mailjet.models import ComputedAddress, RejectedValue
from jetbridge.integrations.mailjet.sync.isolated import begin_anew
from jetbridge.spec.person import Identity
from jetbridge.text import pluralize


@dataclass(frozen=True)
class ContactErasureHandler:
    """Contacts are deleted at Mailjet by the thread of the account that alone speaks with Mailjet about them (`erasure`)."""

    readers: Sequence[str]
    account: int
    account_name: str

    def known(self, identity: Identity) -> Identity:
        """A user's addresses, those before included; an address's users, with their other addresses. A former
        address that is somebody else's now is left to them.
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
        # What is stored may be spelled as an earlier version did, or be no address any more.
        return Identity.of(users, emails | former) | Identity(emails=frozenset(emails | former))

    def erase(self, identity: Identity, now: int) -> None:
        """Empty the state at once, and have the contacts deleted. Addresses never synced may be at Mailjet, too."""
        with transaction.atomic():
            contacts = load_readable(
                self.account,
                identity.emails,
                lambda id_, _, error: begin_anew(self.account, now, id_, error),
            )
            for email in identity.emails:
                contact = contacts.setdefault(email, Contact(email))
                contact.desired = Desired(deletion=DeletionState.ERASED)
                contact.set_delivered(Delivered())
                # One whose job got lost waits for it as before: it would write the contact once more.
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
