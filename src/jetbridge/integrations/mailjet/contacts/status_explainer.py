"""What the contact state remembers: of a message, and of a person."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jetbridge.delivery import delivery_records, ledger
from jetbridge.delivery.trace import PENDING
from jetbridge.errors import MessageRejected
from jetbridge.integrations.mailjet.contacts import engage_outcome, history
from jetbridge.integrations.mailjet.contacts.contact import FAR_MS, Contact, load_contacts, load_to_show
from jetbridge.integrations.mailjet.contacts.contact_detail import card
from jetbridge.integrations.mailjet.contacts.engage_outcome import lists_to_join
from jetbridge.integrations.mailjet.contacts.mapping import Mapping as Mapped
from jetbridge.integrations.mailjet.contacts.merge import now_ms
from jetbridge.integrations.mailjet.contacts.pending import key_of
from jetbridge.integrations.mailjet.contacts.traits import contact_change, engage_key, options
from jetbridge.integrations.mailjet.contacts.user_addresses import Person, computed_addresses, load_people
from jetbridge.spec.message import Message
from jetbridge.spec.person import Identity, identity_of
from jetbridge.text import pluralize


@dataclass(frozen=True)
class ContactTracer:
    """For one destination (`delivery.trace.Tracer`)."""

    destination: int
    account: int
    default_list: int = 0
    former_lists: Collection[int] = ()

    def fate(self, message: Message, position: int) -> tuple[str, str, list[str]]:
        contacts, list_id = list(self.contacts(identity_of(message))), self._list(message)
        for contact in contacts:
            if self._waits(contact, list_id, position):
                return PENDING, "", [_waiting(contact, list_id)]
        stand_ins = self._stand_ins(contacts, list_id, position)
        if found := delivery_records.at(self.destination, stand_ins):
            failed = found[0]
            many = f"It failed together with others, for which {failed.message_id} stands: {failed.sentence}"
            return failed.outcome, failed.reason, [many]
        if delivery_records.again_at(self.destination, stand_ins):
            return PENDING, "AGAIN", ["It failed, and is to be tried again."]
        entries = [
            _describe_entry(contact, each)
            for contact in contacts
            for each in history.read(contact.history)
            if not each.failed_at and any(each.carried(at) for at in (position, *stand_ins))
        ]
        if not entries and (reason := self._engage_filter(message, {each.email: each for each in contacts})):
            return ledger.FILTERED, reason[0], [f"{reason[1]} Decided by the contact as it is now."]
        return ledger.DELIVERED, "", entries or [_describe_unsent(contacts, position)]

    def unsettled(self, messages: Sequence[tuple[int, Message]]) -> dict[int, str]:
        identities = {position: identity_of(message) for position, message in messages}
        people = load_people(self.account, {user for each in identities.values() for user in each.users})
        addresses = {position: _addresses(each, people) for position, each in identities.items()}
        known = load_contacts(self.account, {email for each in addresses.values() for email in each})
        found: dict[int, str] = {}
        stand_ins: defaultdict[int, list[int]] = defaultdict(list)
        for position, message in messages:
            contacts, list_id = [known[at] for at in addresses[position] if at in known], self._list(message)
            if any(self._waits(contact, list_id, position) for contact in contacts):
                found[position] = PENDING
            elif self._engage_filter(message, known) and not _is_remembered(contacts, position):
                found[position] = ledger.FILTERED
            for each in self._stand_ins(contacts, list_id, position):
                stand_ins[each].append(position)
        outcomes = {each.position: each.outcome for each in delivery_records.at(self.destination, stand_ins)}
        outcomes |= dict.fromkeys(delivery_records.again_at(self.destination, stand_ins), PENDING)
        return {at: outcomes[each] for each in outcomes for at in stand_ins[each]} | found

    def _engage_filter(self, message: Message, contacts: Mapping[str, Contact]) -> tuple[str, str] | None:
        """Why a call of Engage for an address changed nothing, by code and message. Only some of them are kept as samples."""
        try:
            if not engage_key(message):
                return None
            call = contact_change(message, self.default_list, Mapped(), former_lists=self.former_lists)
        except MessageRejected:
            return None
        contact = contacts.get(call.email or "")
        return engage_outcome.filter_reason(call, contact) if contact else None

    def _list(self, message: Message) -> int:
        """The key under which it waits, or has failed."""
        try:
            list_id, _, is_named = options(message, self.default_list, self.former_lists)
            return key_of(list_id, is_named=is_named)
        except MessageRejected:
            return 0

    def _waits(self, contact: Contact, list_id: int, position: int) -> bool:
        waiting = contact.pending.get(self.destination, {}).get(list_id)
        return waiting is not None and waiting.first <= position <= waiting.position

    def _stand_ins(self, contacts: Iterable[Contact], list_id: int, position: int) -> set[int]:
        """Places of the messages that stand for this one where it merged with others and failed with them."""
        return {
            each.last
            for contact in contacts
            for each in history.read(contact.history)
            if (each.failed_at, each.failed_for) == (self.destination, list_id) and each.carried(position)
        } - {position}

    def contacts(
        self, identity: Identity, load: Callable[[int, Iterable[str]], dict[str, Contact]] = load_contacts
    ) -> Iterator[Contact]:
        """The contacts of a person: at the addresses named, and at those known for the users."""
        emails = _addresses(identity, load_people(self.account, identity.users))
        emails |= computed_addresses(self.account, identity.users)
        found = load(self.account, sorted(emails))
        yield from (found[email] for email in sorted(found))

    def contacts_to_show(self, identity: Identity) -> Iterator[Contact]:
        """Those that are still the person's: a former address may be somebody else's now."""
        for contact in self.contacts(identity, load_to_show):
            users = contact.desired.users.keys()
            if contact.email in identity.emails or not users or users & identity.users:
                yield contact


def _is_remembered(contacts: Iterable[Contact], position: int) -> bool:
    """Whether a contact's history has the message."""
    return any(each.carried(position) for contact in contacts for each in history.read(contact.history))


def _addresses(identity: Identity, people: Mapping[str, Person]) -> set[str]:
    """Those that are named, and those known for the users."""
    emails = set(identity.emails)
    for person in (people[user] for user in identity.users if user in people):
        emails.update(person.former, [person.email] if person.email else [])
    return emails


def _waiting(contact: Contact, list_id: int) -> str:
    if contact.job_id is not None:
        return f"{contact.email}: job {contact.job_id} carries it, and has not ended yet."
    if lists_to_join(contact) and contact.next_attempt_at and contact.next_attempt_at - now_ms() > FAR_MS:
        return f"{contact.email}: waits until Mailjet has said who unsubscribed or is excluded, before Engage adds it to a list."
    failed = f" after {pluralize(contact.attempts, 'try', 'tries')} that failed" if contact.attempts else ""
    when = f", due at {_time(contact.next_attempt_at)}" if contact.next_attempt_at else ""
    return f"{contact.email}: waits to be sent to list {abs(list_id)}{failed}{when}."


def _describe_unsent(contacts: Sequence[Contact], position: int) -> str:
    if contacts and all(history.reaches(contact.history, position) for contact in contacts):
        return "It changed nothing: there was nothing to send."
    return "It changed nothing then, or was sent longer ago than calls are remembered."


def _describe_entry(contact: Contact, entry: history.HistoryEntry) -> str:
    others = f", with {pluralize(entry.total - 1, 'other message')}" if entry.total > 1 else ""
    if not entry.by:
        return f"{contact.email}: {_time(entry.at)} there was nothing to send{others}."
    return f"{contact.email}: {_time(entry.at)} {entry.by}: {entry.answer or 'done'}{others}."


def _time(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def as_object(contact: Contact) -> dict[str, Any]:
    """A contact as it should be beside what Mailjet confirmed, in plain values; `agrees` is the verdict. `engage` is
    what Engage sent of it, also while it is no contact.
    """
    found, computed = card(contact), contact.desired.present_computed
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
        "engage": {name: value for name, (_, value) in computed.values.items()},
        "history": [each._asdict() | {"at": _time(each.at)} for each in found.history],
    }


def _state(contact: Contact) -> str:
    if contact.desired.pending_deletion:
        return "to be deleted"
    if contact.job_id is not None:
        return f"carried by job {contact.job_id}"
    if contact.next_attempt_at is not None:
        return f"due at {_time(contact.next_attempt_at)}"
    return "in sync"
