"""What the contact state knows, for people: of one contact, of a person's contacts, and of a message on its way."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jetbridge.delivery import delivery_records
from jetbridge.delivery.base import DELIVERED, FILTERED
from jetbridge.delivery.trace import PENDING
from jetbridge.errors import MessageRejected
from jetbridge.integrations import contact_queries
from jetbridge.integrations.contact_queries import ContactDetail, ListState, PropertyState
from jetbridge.integrations.mailjet.api.resources import ADDFORCE, ADDNOFORCE, REMOVE, UNSUB
from jetbridge.integrations.mailjet.contacts.contact import (
    FAR_MS,
    Contact,
    Person,
    computed_addresses,
    lists_to_join,
    load_contacts,
    load_people,
    load_to_show,
    now_ms,
)
from jetbridge.integrations.mailjet.contacts.mapping import Mapping as TraitMapping
from jetbridge.integrations.mailjet.contacts.pending import (
    HistoryEntry,
    flatten,
    history_reaches,
    key_of,
    read_history,
)
from jetbridge.integrations.mailjet.contacts.state import (
    OFF_LIST,
    UNKNOWN,
    desired_values,
    difference,
    list_actions,
    same,
)
from jetbridge.integrations.mailjet.contacts.traits import contact_change, engage_key, filter_reason, options
from jetbridge.spec.message import Message
from jetbridge.spec.person import Identity, identity_of
from jetbridge.text import pluralize

#: Actions in words.
SUBSCRIPTIONS = {
    ADDNOFORCE: "subscribed",
    ADDFORCE: "subscribed again",
    UNSUB: "unsubscribed",
    REMOVE: "not on the list",
    OFF_LIST: "not on the list",
    UNKNOWN: "not known: a response was lost",
}
#: Why a value is rejected when the reason is not known any more.
REJECTED = "Mailjet's Datatype of the property rejects it."


# ---- one contact


def contact_detail(
    contact: Contact, *, list_names: Mapping[int, str] | None = None, reasons: Mapping[str, str] | None = None
) -> ContactDetail:
    """A contact as it should be beside what Mailjet confirmed. `reasons` are why values of a property are rejected."""
    desired, delivered, present = contact.desired, contact.delivered, contact.desired.present
    change, names, reasons = difference(desired, delivered), list_names or {}, reasons or {}
    lists = [
        ListState(
            list_id,
            names.get(list_id, ""),
            action,
            delivered.lists.get(list_id),
            desired.list_time(list_id),
            desired.unsubscribed_from(list_id),
            bool(change and list_id in change.lists),
            action in {ADDFORCE, ADDNOFORCE},
            SUBSCRIPTIONS[action],
            SUBSCRIPTIONS.get(delivered.lists.get(list_id, ""), "not sent yet"),
        )
        for list_id, action in list_actions(desired, delivered).items()
    ]
    properties = []
    for name, value in sorted(desired_values(desired, delivered).items()):
        if name not in present.values and delivered.values.get(name) is None:
            continue  # it was a former user's, and is cleared
        is_rejected = name in delivered.rejected and same(delivered.rejected[name], value)
        properties.append(
            PropertyState(
                name,
                value,
                delivered.values.get(name),
                present.time_of(name) if name in present.values else desired.left_at,
                bool(change and name in change.values),
                reasons.get(name, REJECTED) if is_rejected else "",
            )
        )
    return ContactDetail(
        email=contact.email,
        users=sorted(desired.users, key=lambda user: desired.users[user]),
        agrees=contact.agrees,
        lists=lists,
        properties=properties,
        history=[
            contact_queries.HistoryEntry(entry.at, entry.by, entry.response, entry.total)
            for entry in read_history(contact.history)
        ],
        next_attempt_at=contact.next_attempt_at or 0,
        job=contact.job_id or 0,
        attempts=contact.attempts,
        messages=sum(waiting.total for _, _, waiting in flatten(contact.pending)),
        to_be_deleted=desired.pending_deletion,
        opted_out=desired.opted_out,
        bounced=desired.bounced,
        moved_to=desired.moved_to if desired.is_superseded else "",
    )


def as_object(contact: Contact) -> dict[str, Any]:
    """The detail in plain values; `agrees` is the verdict. `engage` is what Engage sent of the contact, also while it is no
    contact.
    """
    shown, computed = contact_detail(contact), contact.desired.present_computed
    if contact.desired.pending_deletion:
        state = "to be deleted"
    elif contact.job_id is not None:
        state = f"carried by job {contact.job_id}"
    elif contact.next_attempt_at is not None:
        state = f"due at {_time(contact.next_attempt_at)}"
    else:
        state = "in sync"
    return {
        "email": shown.email,
        "users": shown.users,
        "agrees": shown.agrees,
        "state": state,
        "wants_no_mail_since": _time(shown.opted_out) if shown.opted_out else None,
        "bounced_since": _time(shown.bounced) if shown.bounced else None,
        "lists": {
            str(row.list_id): {"desired": row.desired, "delivered": row.delivered} for row in shown.lists
        },
        "properties": {
            row.name: {
                "desired": row.desired,
                "delivered": row.delivered,
                "rejected": bool(row.rejection),
                "differs": row.differs,
            }
            for row in shown.properties
        },
        "engage": {name: value for name, (_, value) in computed.values.items()},
        "history": [entry._asdict() | {"at": _time(entry.at)} for entry in shown.history],
    }


def _time(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


# ---- a message, and a person


@dataclass(frozen=True)
class ContactStatusExplainer:
    """For one destination (`delivery.trace.StatusExplainer`)."""

    destination: int
    account: int
    default_list: int = 0
    former_lists: Collection[int] = ()

    def status(self, message: Message, position: int) -> tuple[str, str, list[str]]:
        contacts, key = list(self.contacts(identity_of(message))), self._key(message)
        for contact in contacts:
            if self._waits(contact, key, position):
                return PENDING, "", [_describe_waiting(contact, key)]
        stand_ins = self._stand_ins(contacts, key, position)
        if failures := delivery_records.at(self.destination, stand_ins):
            failed = failures[0]
            many = f"It failed together with others, for which {failed.message_id} stands: {failed.detail}"
            return failed.outcome, failed.reason, [many]
        if delivery_records.queued_positions(self.destination, stand_ins):
            return PENDING, "RETRY_QUEUED", ["It failed, and is to be tried again."]
        entries = [
            _describe_entry(contact, entry)
            for contact in contacts
            for entry in read_history(contact.history)
            if not entry.failed_at and any(entry.carried(at) for at in (position, *stand_ins))
        ]
        by_email = {contact.email: contact for contact in contacts}
        if not entries and (reason := self._engage_filter(message, by_email)):
            return FILTERED, reason[0], [f"{reason[1]} Decided by the contact as it is now."]
        if contacts and all(history_reaches(contact.history, position) for contact in contacts):
            unsent = "It changed nothing: there was nothing to send."
        else:
            unsent = "It changed nothing then, or was sent longer ago than calls are remembered."
        return DELIVERED, "", entries or [unsent]

    def undelivered(self, messages: Sequence[tuple[int, Message]]) -> dict[int, str]:
        identities = {position: identity_of(message) for position, message in messages}
        people = load_people(self.account, {user for row in identities.values() for user in row.users})
        addresses = {position: _addresses(identity, people) for position, identity in identities.items()}
        known = load_contacts(self.account, {email for emails in addresses.values() for email in emails})
        outcomes: dict[int, str] = {}
        stand_ins: defaultdict[int, list[int]] = defaultdict(list)
        for position, message in messages:
            contacts, key = [known[at] for at in addresses[position] if at in known], self._key(message)
            if any(self._waits(contact, key, position) for contact in contacts):
                outcomes[position] = PENDING
            elif self._engage_filter(message, known) and not any(
                entry.carried(position) for contact in contacts for entry in read_history(contact.history)
            ):
                outcomes[position] = FILTERED
            for stand_in in self._stand_ins(contacts, key, position):
                stand_ins[stand_in].append(position)
        failed = {row.position: row.outcome for row in delivery_records.at(self.destination, stand_ins)}
        failed |= dict.fromkeys(delivery_records.queued_positions(self.destination, stand_ins), PENDING)
        return {at: failed[stand_in] for stand_in in failed for at in stand_ins[stand_in]} | outcomes

    def _engage_filter(self, message: Message, contacts: Mapping[str, Contact]) -> tuple[str, str] | None:
        """Why a call of Engage for an address changed nothing, by code and message. Only some of them are kept as samples."""
        try:
            if not engage_key(message):
                return None
            change = contact_change(
                message, self.default_list, TraitMapping(), former_lists=self.former_lists
            )
        except MessageRejected:
            return None
        contact = contacts.get(change.email or "")
        if contact is None:
            return None
        return filter_reason(change, contact.email, contact.desired, contact.delivered)

    def _key(self, message: Message) -> int:
        """The key of the list under which it waits, or has failed."""
        try:
            list_id, _, is_named = options(message, self.default_list, self.former_lists)
            return key_of(list_id, is_named=is_named)
        except MessageRejected:
            return 0

    def _waits(self, contact: Contact, key: int, position: int) -> bool:
        waiting = contact.pending.get(self.destination, {}).get(key)
        return waiting is not None and waiting.first <= position <= waiting.position

    def _stand_ins(self, contacts: Iterable[Contact], key: int, position: int) -> set[int]:
        """Positions of the messages that stand for this one where it merged with others and failed with them."""
        return {
            entry.last
            for contact in contacts
            for entry in read_history(contact.history)
            if (entry.failed_at, entry.failed_for) == (self.destination, key) and entry.carried(position)
        } - {position}

    def contacts(
        self, identity: Identity, load: Callable[[int, Iterable[str]], dict[str, Contact]] = load_contacts
    ) -> Iterator[Contact]:
        """The contacts of a person: at the addresses named, and at those known for the users."""
        emails = _addresses(identity, load_people(self.account, identity.users))
        emails |= computed_addresses(self.account, identity.users)
        contacts = load(self.account, sorted(emails))
        yield from (contacts[email] for email in sorted(contacts))

    def contacts_to_show(self, identity: Identity) -> Iterator[Contact]:
        """Those that are still the person's: a former address may be somebody else's now."""
        for contact in self.contacts(identity, load_to_show):
            users = contact.desired.users.keys()
            if contact.email in identity.emails or not users or users & identity.users:
                yield contact


def _addresses(identity: Identity, people: Mapping[str, Person]) -> set[str]:
    """Those that are named, and those known for the users."""
    emails = set(identity.emails)
    for person in (people[user] for user in identity.users if user in people):
        emails.update(person.former, [person.email] if person.email else [])
    return emails


def _describe_waiting(contact: Contact, key: int) -> str:
    if contact.job_id is not None:
        return f"{contact.email}: job {contact.job_id} carries it, and has not ended yet."
    if lists_to_join(contact) and contact.next_attempt_at and contact.next_attempt_at - now_ms() > FAR_MS:
        return f"{contact.email}: waits until Mailjet has reported who unsubscribed or is excluded, before Engage adds it to a list."
    failed = f" after {pluralize(contact.attempts, 'try', 'tries')} that failed" if contact.attempts else ""
    when = f", due at {_time(contact.next_attempt_at)}" if contact.next_attempt_at else ""
    return f"{contact.email}: waits to be sent to list {abs(key)}{failed}{when}."


def _describe_entry(contact: Contact, entry: HistoryEntry) -> str:
    others = f", with {pluralize(entry.total - 1, 'other message')}" if entry.total > 1 else ""
    if not entry.by:
        return f"{contact.email}: {_time(entry.at)} there was nothing to send{others}."
    return f"{contact.email}: {_time(entry.at)} {entry.by}: {entry.response or 'done'}{others}."
