"""What the contact state remembers: of a message, and of a person."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jetbridge.delivery import ledger
from jetbridge.delivery.trace import PENDING
from jetbridge.destinations.mailjet import history
from jetbridge.destinations.mailjet.card import card
from jetbridge.destinations.mailjet.contacts import Contact, load_contacts
from jetbridge.destinations.mailjet.people import Person, load_people
from jetbridge.spec.identity import Identity, identity_of
from jetbridge.spec.message import Message


@dataclass(frozen=True)
class ContactTracer:
    """For one destination (`delivery.trace.Tracer`)."""

    destination: int
    account: int

    def fate(self, message: Message, position: int) -> tuple[str, list[str]]:
        told: list[str] = []
        contacts = list(self.contacts(identity_of(message)))
        for contact in contacts:
            if self._waits(contact, position):
                return PENDING, [_waiting(contact)]
            told += [_told(contact, each) for each in history.read(contact.history) if each.carried(position)]
        if contacts and all(history.reaches(contact.history, position) for contact in contacts):
            return ledger.DELIVERED, told or ["It changed nothing: there was nothing to tell."]
        unknown = "It changed nothing then, or was told longer ago than calls are remembered."
        return ledger.DELIVERED, told or [unknown]

    def waiting(self, messages: Sequence[tuple[int, Message]]) -> set[int]:
        identities = {position: identity_of(message) for position, message in messages}
        people = load_people(self.account, {user for each in identities.values() for user in each.users})
        addresses = {position: _addresses(each, people) for position, each in identities.items()}
        contacts = load_contacts(self.account, {email for each in addresses.values() for email in each})
        return {
            position
            for position, emails in addresses.items()
            if any(self._waits(contacts[email], position) for email in emails if email in contacts)
        }

    def _waits(self, contact: Contact, position: int) -> bool:
        waiting = contact.pending.get(self.destination)
        return waiting is not None and waiting.first <= position <= waiting.position

    def contacts(self, identity: Identity) -> Iterator[Contact]:
        """The contacts of a person: at the addresses named, and at those known for the users."""
        emails = _addresses(identity, load_people(self.account, identity.users))
        found = load_contacts(self.account, sorted(emails))
        yield from (found[email] for email in sorted(found))


def _addresses(identity: Identity, people: Mapping[str, Person]) -> set[str]:
    """Those that are named, and those known for the users."""
    emails = set(identity.emails)
    for person in (people[user] for user in identity.users if user in people):
        emails.update(person.former, [person.email] if person.email else [])
    return emails


def _waiting(contact: Contact) -> str:
    if contact.job_id is not None:
        return f"{contact.email}: job {contact.job_id} carries it, and has not ended yet."
    failed = f" after {contact.tries} tries that failed" if contact.tries else ""
    when = f", due at {_time(contact.due_at)}" if contact.due_at else ""
    return f"{contact.email}: waits to be told{failed}{when}."


def _told(contact: Contact, told: history.Told) -> str:
    others = f", with {told.total - 1:,} other messages" if told.total > 1 else ""
    if not told.by:
        return f"{contact.email}: {_time(told.at)} there was nothing to tell{others}."
    return f"{contact.email}: {_time(told.at)} {told.by}: {told.answer or 'done'}{others}."


def _time(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def as_object(contact: Contact) -> dict[str, Any]:
    """A contact as it should be beside what Mailjet confirmed, in plain values; `agrees` is the verdict."""
    found = card(contact)
    return {
        "email": found.email,
        "users": found.users,
        "agrees": found.agrees,
        "state": _state(contact),
        "wants_no_mail_since": _time(found.opted_out) if found.opted_out else None,
        "bounced_since": _time(found.bounced) if found.bounced else None,
        "lists": {
            str(each.list_id): {"desired": each.desired, "delivered": each.delivered} for each in found.lists
        },
        "properties": {
            each.name: {
                "desired": each.desired,
                "delivered": each.delivered,
                "set_aside": bool(each.aside),
                "differs": each.differs,
            }
            for each in found.properties
        },
        "history": [each._asdict() | {"at": _time(each.at)} for each in found.history],
    }


def _state(contact: Contact) -> str:
    if contact.desired.is_to_go:
        return "to be deleted"
    if contact.job_id is not None:
        return f"carried by job {contact.job_id}"
    if contact.due_at is not None:
        return f"due at {_time(contact.due_at)}"
    return "at rest"
