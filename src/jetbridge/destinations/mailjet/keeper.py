"""What the contact state of one account knows of a person, and its erasure (`delivery.erasure.Keeper`)."""

from dataclasses import dataclass

from django.db import transaction

from jetbridge.destinations.mailjet import queries
from jetbridge.destinations.mailjet.contacts import Contact, load_contacts, save_learned
from jetbridge.destinations.mailjet.models import SetAside
from jetbridge.destinations.mailjet.people import load_people
from jetbridge.destinations.mailjet.state import FORGOTTEN, Delivered, Desired
from jetbridge.spec.identity import Identity


@dataclass(frozen=True)
class ContactKeeper:
    """Contacts are deleted at Mailjet by reconcile, which alone speaks with Mailjet about them."""

    reader: str | None
    account: int
    account_name: str

    def known(self, identity: Identity) -> Identity:
        """A user's addresses, those before included; an address's users, with their other addresses."""
        users = set(identity.users)
        for contact in load_contacts(self.account, identity.emails).values():
            users.update(contact.desired.users)
        emails = set(identity.emails)
        for person in load_people(self.account, users).values():
            emails.update(person.former, [person.email] if person.email else [])
        return Identity(frozenset(users), frozenset(emails))

    def erase(self, identity: Identity, now: int) -> None:
        """Empty the state at once, and have the contacts deleted. Addresses never synced may be at Mailjet, too."""
        with transaction.atomic():
            contacts = load_contacts(self.account, identity.emails)
            for email in identity.emails:
                contact = contacts.setdefault(email, Contact(email))
                contact.desired = Desired(gone=FORGOTTEN)
                contact.was_told(Delivered())
                # One whose job got lost waits for it as before: it would write the contact once more.
                since = contact.due_at if contact.sent_row is not None else None
                contact.due_at = max(now, since or 0) if contact.job_id is None else None
            save_learned(self.account, contacts.values())
            queries.write(queries.DELETE_PERSON, [(self.account, user_id) for user_id in identity.users])
            SetAside.objects.filter(account_id=self.account, email__in=identity.emails).update(email="")

    def erased(self, identity: Identity) -> str | None:
        if load_contacts(self.account, identity.emails):
            return None
        addresses = len(identity.emails)
        return f"{self.account_name}: the contacts of {addresses} address{'es' * (addresses != 1)} deleted."
