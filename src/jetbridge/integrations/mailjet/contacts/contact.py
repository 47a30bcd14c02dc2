"""Contacts and people of one account: loaded for a batch, changed in memory, saved together."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import msgspec
from django.db import transaction

from jetbridge.delivery import isolation
from jetbridge.integrations.mailjet.api.resources import ADDNOFORCE
from jetbridge.integrations.mailjet.contacts import queries, state
from jetbridge.integrations.mailjet.contacts.pending import Pending, decode_pending
from jetbridge.integrations.mailjet.contacts.state import (
    Computed,
    Delivered,
    Desired,
    ListAction,
    Profile,
    difference,
    fully_delivered,
    is_satisfied,
)
from jetbridge.integrations.mailjet.models import UnreadableRow
from jetbridge.spec.untrusted import JSON_ERRORS

#: What is stored as delivered of a contact of which Mailjet was sent nothing.
NOTHING_DELIVERED = b"{}"
#: How far back contacts wait that a paused list blocks. The list requeues them sooner, and so does a new message. A contact
#: that is due later than FAR_MS waits so: pauses after a failure are shorter.
BLOCKED_MS, FAR_MS = 600_000, 60_000
#: Contacts of one page of `all_contacts`.
PAGE = 1_000

#: When an address was named that nobody named: a userId that is one. Before all times, so that any other wins.
IMPLIED = -(2**62)
#: Former addresses kept per user, so that all of them can be forgotten.
FORMER_KEPT = 100


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Sent(msgspec.Struct, gc=False):
    """What was sent to Mailjet, and the messages that are acknowledged when it confirms."""

    state: Delivered
    pending: Pending


_decode_sent = msgspec.json.Decoder(Sent).decode


class UnreadableContact(ValueError):
    """What is stored of a contact cannot be decoded."""

    def __init__(self, contact_id: int, email: str) -> None:
        super().__init__(f"contact {contact_id} cannot be read")
        self.id = contact_id
        self.email = email


class Contact:
    """One row of the contact table. `id` is None until it is saved."""

    __slots__ = (
        "_delivered",
        "attempts",
        "delivered_row",
        "desired",
        "email",
        "first_failed_at",
        "history",
        "id",
        "job_id",
        "next_attempt_at",
        "pending",
        "sent_row",
    )

    def __init__(self, email: str) -> None:
        self.id: int | None = None
        self.email = email
        self.desired = Desired()
        self.delivered_row = NOTHING_DELIVERED
        self._delivered: Delivered | None = None
        self.pending: Pending = {}
        self.next_attempt_at: int | None = None
        self.attempts = 0
        self.job_id: int | None = None
        self.sent_row: bytes | None = None
        self.history: bytes | None = None
        self.first_failed_at: int | None = None

    @classmethod
    def of_row(cls, row: tuple[Any, ...]) -> "Contact":
        """From the columns of `queries._CONTACT`. Raises UnreadableContact."""
        self = cls.__new__(cls)
        (
            self.id,
            self.email,
            desired,
            self.delivered_row,
            pending,
            self.next_attempt_at,
            self.attempts,
            self.sent_row,
            self.job_id,
            self.history,
            self.first_failed_at,
        ) = row
        self._delivered = None
        try:
            self.desired = state.decode_desired(desired)
            self.pending = decode_pending(pending) if pending else {}
        except (ValueError, *JSON_ERRORS) as error:
            raise UnreadableContact(row[0], row[1]) from error
        return self

    @property
    def delivered(self) -> Delivered:
        """Decoded on access: the merge seldom needs it. What was sent is unconfirmed, unless a job will report the outcome.

        Raises UnreadableContact.
        """
        if self._delivered is None:
            try:
                self._delivered = state.decode_delivered(self.delivered_row)
                if self.sent_row is not None and self.job_id is None:
                    self._delivered.mark_unconfirmed(self.sent.state)
            except (ValueError, *JSON_ERRORS) as error:
                raise UnreadableContact(self.id or 0, self.email) from error
        return self._delivered

    def set_delivered(self, delivered: Delivered) -> None:
        """Mailjet has exactly this."""
        self._delivered = delivered

    @property
    def agrees(self) -> bool:
        """Mailjet holds all that is desired."""
        if self.desired.superseded or self.desired.pending_deletion:
            return False
        return difference(self.desired, self.delivered) is None

    @property
    def is_unchanged(self) -> bool:
        """The same as `agrees`, quicker for a contact that was stored."""
        if self.id is None or self.sent_row or self.desired.superseded or self.desired.pending_deletion:
            return False
        # Most contacts are fully delivered: one comparison of bytes shows it.
        if self._delivered is None and state.encode(fully_delivered(self.desired)) == self.delivered_row:
            return True
        return self.agrees

    @property
    def is_idle(self) -> bool:
        """Nothing waits for it and no job carries it."""
        return self.next_attempt_at is None and self.job_id is None and not self.pending

    @property
    def sent(self) -> Sent:
        if self.sent_row is None:
            raise ValueError(f"nothing was sent of contact {self.id}")
        return _decode_sent(self.sent_row)


def lists_to_join(contact: Contact) -> set[int]:
    """Lists to which Engage is to add a contact: nobody else has requested anything of them."""
    actions = contact.desired.engage_actions()
    if not actions:
        return set()
    confirmed = contact.delivered.lists
    return {
        list_id
        for list_id, action in actions.items()
        if action == ADDNOFORCE and not is_satisfied(action, confirmed.get(list_id))
    }


# ---- load

#: Gets the id and the address of a contact that cannot be read, and what was raised.
Unreadable = Callable[[int, str, Exception], object]


def log_unreadable(contact_id: int, _: str, error: Exception) -> None:
    """For `readable` where nobody misses them."""
    isolation.note(error, f"Contact {contact_id}")


def readable(rows: Iterable[tuple[Any, ...]], unreadable: Unreadable) -> list[Contact]:
    """Contacts that can be read, with all that is decoded late elsewhere."""
    contacts = []
    for row in rows:
        try:
            contact = Contact.of_row(row)
            contact.delivered  # noqa: B018 - decoded on access
        except (ValueError, *JSON_ERRORS) as error:
            unreadable(row[0], row[1], error)
        else:
            contacts.append(contact)
    return contacts


def load_contacts(account: int, emails: Iterable[str]) -> dict[str, Contact]:
    """By address. Raises UnreadableContact."""
    rows = queries.rows_of_keys(queries.CONTACTS, account, emails)
    return {contact.email: contact for contact in map(Contact.of_row, rows)}


def load_readable(
    account: int, emails: Iterable[str], unreadable: Unreadable = log_unreadable
) -> dict[str, Contact]:
    rows = queries.rows_of_keys(queries.CONTACTS, account, emails)
    return {contact.email: contact for contact in readable(rows, unreadable)}


def load_recording_unreadable(
    account: int, emails: Iterable[str], unreadable_emails: set[str] | None = None
) -> dict[str, Contact]:
    """`load_readable`. The others are recorded, and added to `unreadable_emails`."""

    def unreadable(contact_id: int, email: str, error: Exception) -> None:
        log_unreadable(contact_id, email, error)
        record_unreadable(account, contact_id)
        if unreadable_emails is not None:
            unreadable_emails.add(email)

    return load_readable(account, emails, unreadable)


def record_unreadable(account: int, contact_id: int) -> None:
    UnreadableRow.objects.get_or_create(account_id=account, contact_id=contact_id)


def forget_unreadable(contact_id: int) -> None:
    UnreadableRow.objects.filter(contact_id=contact_id).delete()


def stand_in(contact_id: int, email: str) -> Contact:
    """For people who look, in place of a contact that cannot be read: without its state."""
    contact = Contact(email)
    contact.id = contact_id
    return contact


def load_to_show(account: int, emails: Iterable[str]) -> dict[str, Contact]:
    """`load_readable`, with stand-ins for the others."""
    stand_ins: dict[str, Contact] = {}

    def unreadable(contact_id: int, email: str, error: Exception) -> None:
        log_unreadable(contact_id, email, error)
        stand_ins[email] = stand_in(contact_id, email)

    return load_readable(account, emails, unreadable) | stand_ins


def newest_contact(account: int) -> tuple[int, int]:
    """The highest id there is, and how many contacts there are."""
    ((newest_id, total),) = queries.rows(queries.NEWEST_CONTACT, account)
    return newest_id, total


def all_contacts(account: int, upto: int, unreadable: Unreadable = log_unreadable) -> Iterator[list[Contact]]:
    """All readable contacts with ids up to this one, a page at a time, in flat memory."""
    after = 0
    while rows := queries.rows(queries.CONTACTS_PAGE, account, after, upto, PAGE):
        yield readable(rows, unreadable)
        after = rows[-1][0]


class _Lists(msgspec.Struct, gc=False):
    """The part of `state.Desired` that names lists."""

    lists: dict[int, ListAction] = {}
    computed: Computed | None = None
    computed_here: dict[str, Computed] = {}


_decode_lists = msgspec.json.Decoder(_Lists).decode


def lists_in_use(account: int) -> set[int]:
    """Every list that has an action, be it of an app connection or named by a call."""
    lists: set[int] = set()
    after = 0
    while rows := queries.rows(queries.DESIRED_PAGE, account, after, PAGE):
        for _, desired in rows:
            with suppress(ValueError, *JSON_ERRORS):
                named = _decode_lists(desired)
                lists.update(named.lists)
                for computed in (named.computed, *named.computed_here.values()):
                    if computed:
                        lists.update(
                            computed.followed, (list_id for _, _, list_id in computed.added.values())
                        )
        after = rows[-1][0]
    return lists


# ---- save


def save_merged(account: int, contacts: Iterable[Contact]) -> None:
    """Write what the merge changed: desired, pending and next_attempt_at."""
    new, known = [], []
    for contact in contacts:
        desired = state.encode(contact.desired)
        pending = state.encode(contact.pending) if contact.pending else None
        if contact.id is None:
            new.append((account, contact.email, desired, NOTHING_DELIVERED, pending, contact.next_attempt_at))
        else:
            known.append((desired, pending, contact.next_attempt_at, contact.id))
    queries.insert(queries.ADD_CONTACT, new)
    queries.write(queries.MERGE_CONTACT, known)


def save_sent(updates: Sequence[tuple[Contact, Delivered]], again_at: int | None = None) -> None:
    """Write what is about to be sent to Mailjet, before it is: if the response is lost, or this process dies, nobody
    knows whether Mailjet took it. Then the contacts are due `again_at` (ms), or when they are now.
    """
    unconfirmed = [
        (state.encode(contact.delivered), contact.id)
        for contact, _ in updates
        if contact.sent_row is not None
    ]
    for contact, sent in updates:
        contact.sent_row = state.encode(Sent(sent, contact.pending))
        contact.next_attempt_at = again_at or contact.next_attempt_at
    with transaction.atomic():
        queries.write(queries.MARK_UNCONFIRMED, unconfirmed)
        rows = [(contact.sent_row, contact.next_attempt_at, contact.id) for contact, _ in updates]
        queries.write(queries.SAVE_SENT, rows)


def postpone(contacts: Iterable[Contact], until: int, *, attempts: int | None = None) -> None:
    """Leave contacts alone until then (ms)."""
    postponed = list(contacts)
    for contact in postponed:
        contact.next_attempt_at = until
        if attempts is not None:
            contact.attempts = attempts
    save_next_attempt(postponed)


def save_next_attempt(contacts: Iterable[Contact]) -> None:
    rows = [
        (contact.next_attempt_at, contact.attempts, contact.first_failed_at, contact.id)
        for contact in contacts
    ]
    with transaction.atomic():  # else each row would be synced to disk by itself
        queries.write(queries.POSTPONE_CONTACT, rows)


def save_learned(account: int, contacts: Iterable[Contact]) -> None:
    """Write what consent changed: desired, delivered and next_attempt_at."""
    queries.write(
        queries.LEARN_CONTACT,
        [
            (
                account,
                contact.email,
                state.encode(contact.desired),
                state.encode(contact.delivered),
                contact.next_attempt_at,
            )
            for contact in contacts
        ],
    )


def save_followed(contacts: Iterable[Contact]) -> None:
    """Write what changes where a list was replaced: desired, delivered and pending."""
    rows = [
        (
            state.encode(contact.desired),
            state.encode(contact.delivered),
            state.encode(contact.pending) if contact.pending else None,
            contact.id,
        )
        for contact in contacts
    ]
    queries.write(queries.FOLLOW_CONTACT, rows)


def save_acknowledged(contacts: Iterable[Contact], now: int) -> None:
    """Write what reconcile changed, at `now` (ms), and release the job that carried them."""
    queries.write(
        queries.ACKNOWLEDGE_CONTACT,
        [
            (
                state.encode(contact.desired),
                state.encode(contact.delivered),
                state.encode(contact.pending) if contact.pending else None,
                contact.next_attempt_at,
                contact.attempts,
                contact.first_failed_at,
                contact.history,
                now,
                contact.id,
            )
            for contact in contacts
        ],
    )


def delete(contacts: Iterable[Contact]) -> None:
    """Forget contacts, as if they had never been."""
    queries.write(queries.DELETE_CONTACT, [(contact.id,) for contact in contacts])


# ---- people


class Person:
    """The addresses known for a userId. `former` are those before the present one, and when each was named
    first and last (ms).

    `profile` is what the user's calls brought, while no contact is this user's alone: no address is known yet, or others
    use it as well. Else the contact has it, and this is None.
    """

    __slots__ = ("_before", "changed", "email", "email_since", "email_time", "former", "profile", "user_id")

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        self.email: str | None = None
        #: When the address was named first and last (ms).
        self.email_since = 0
        self.email_time = 0
        self.profile: Profile | None = None
        self.former: dict[str, tuple[int, int]] = {}
        self._before: tuple[str, dict[str, int]] | None = None
        self.changed = False

    def name_address(self, email: str, time: int) -> None:
        """The last address named wins; of two named at once, the later in the alphabet."""
        if email == self.email and time >= self.email_since:
            if time > self.email_time:
                self.email_since = time if self.email_since == IMPLIED else self.email_since
                self.email_time, self.changed = time, True
            return
        if self.email is None:
            self.email, self.email_since, self.email_time, self.changed = email, time, time, True
            return
        first, last = self.former.get(email, (time, time))
        if email in self.former and first <= time <= last:
            return
        if self._before is None:
            self._before = self.email, self.departures()
        addresses = self.former | {self.email: (self.email_since, self.email_time)}
        first, last = addresses.get(email, (time, time))
        addresses[email] = time if first == IMPLIED else min(first, time), max(last, time)
        self.email = max(addresses, key=lambda email: (addresses[email][1], email))
        self.email_since, self.email_time = addresses.pop(self.email)
        self.former, self.changed = addresses, True

    def imply_address(self, email: str) -> None:
        """The userId is an address: it counts while no other is known."""
        if self.email is None:
            self.name_address(email, IMPLIED)

    def departures(self) -> dict[str, int]:
        """The former addresses, and since when each is former (ms): when another one was first named afterwards."""
        named = [since for since, _ in self.former.values()] + [self.email_since]
        return {
            email: min((since for since in named if since > last), default=last)
            for email, (_, last) in self.former.items()
        }

    def moves(self) -> tuple[dict[str, int], set[str]]:
        """`departures`, and which of them are new, if this batch changed them; in whatever order it named addresses."""
        if self._before is None:
            return {}, set()
        departures = self.departures()
        if self._before == (self.email, departures):
            return {}, set()
        return departures, departures.keys() - self._before[1].keys()

    def keep_profile(self, profile: Profile | None) -> None:
        """Keep the user's profile apart from the contact, or (None) leave it to the contact."""
        self.profile, self.changed = profile, True


def load_people(account: int, user_ids: Iterable[str]) -> dict[str, Person]:
    people = {}
    for user_id, email, since, last, profile, former in queries.rows_of_keys(
        queries.PEOPLE, account, user_ids
    ):
        person = people[user_id] = Person(user_id)
        person.email, person.email_since, person.email_time = email, since, last
        person.former = _decode_former(former) if former else {}
        person.profile = _decode_profile(profile) if profile else None
    return people


def computed_addresses(account: int, user_ids: Iterable[str]) -> set[str]:
    """Addresses that Engage named with these users, and no other call."""
    return {email for (email,) in queries.rows_of_keys(queries.COMPUTED_ADDRESSES, account, user_ids)}


def add_computed_addresses(account: int, addresses: Iterable[tuple[str, str]]) -> None:
    """Pairs of user and address; those that are known are left alone."""
    queries.insert(queries.ADD_COMPUTED_ADDRESS, [(account, *pair) for pair in sorted(addresses)])


def save_people(account: int, people: Iterable[Person]) -> None:
    rows = []
    for person in people:
        if not person.changed:
            continue
        former = person.former
        if len(former) > FORMER_KEPT:
            former = dict(sorted(former.items(), key=lambda named: named[1][1])[-FORMER_KEPT:])
        rows.append(
            (
                account,
                person.user_id,
                person.email,
                person.email_since,
                person.email_time,
                state.encode(person.profile) if person.profile else None,
                state.encode(former) if former else None,
            )
        )
    queries.insert(queries.SAVE_PERSON, rows)


_decode_former = msgspec.json.Decoder(dict[str, tuple[int, int]]).decode
_decode_profile = msgspec.json.Decoder(Profile).decode


def user_ids(account: int, emails: Iterable[str]) -> dict[str, str]:
    """The userId that came with Identify, by (normalised) address; the last one where there were several.

    Promise 8: it goes back on that person's email events.
    """
    contacts = load_readable(account, set(emails))
    return {email: user for email, contact in contacts.items() if (user := contact.desired.last_user)}
