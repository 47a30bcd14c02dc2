"""Contacts of one account, loaded for a batch, changed in memory, saved together."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.db import transaction

from jetbridge.delivery import isolation
from jetbridge.integrations.mailjet.contacts import pending as pending_
from jetbridge.integrations.mailjet.contacts import queries, state
from jetbridge.integrations.mailjet.contacts.pending import Pending, Sent
from jetbridge.integrations.mailjet.contacts.state import Delivered, Desired, difference, fully_delivered
from jetbridge.spec.untrusted import JSON_ERRORS

#: What is stored as delivered of a contact of which Mailjet was sent nothing.
NOTHING_DELIVERED = b"{}"
#: How far back contacts wait for a list that is paused; it calls them up sooner, and so does news of them. Who is due later
#: than FAR_MS waits so: pauses after a failure are shorter.
HELD_BACK_MS, FAR_MS = 600_000, 60_000


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
            self.pending = pending_.decode_pending(pending) if pending else {}
        except (ValueError, *JSON_ERRORS) as error:
            raise UnreadableContact(row[0], row[1]) from error
        return self

    @property
    def delivered(self) -> Delivered:
        """Read when asked for: the merge seldom does. What was sent is unconfirmed, unless a job will report the outcome.

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
        # Most contacts were told everything there is, so that one comparison of bytes acknowledges it.
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
            raise ValueError(f"nothing was sent about contact {self.id}")
        return pending_.decode_sent(self.sent_row)


def readable(
    rows: Iterable[tuple[Any, ...]], unreadable: Callable[[int, str, Exception], object]
) -> list[Contact]:
    """Those that can be read, with all that is decoded late elsewhere. Of the others `unreadable` is told the id, the address
    and what was raised.
    """
    contacts = []
    for row in rows:
        try:
            contact = Contact.of_row(row)
            contact.delivered  # noqa: B018 - decoded when it is asked for
        except (ValueError, *JSON_ERRORS) as error:
            unreadable(row[0], row[1], error)
        else:
            contacts.append(contact)
    return contacts


def left_out(contact_id: int, _: str, error: Exception) -> None:
    """For `readable` where nobody misses them."""
    isolation.note(error, f"Contact {contact_id}")


def load_readable(
    account: int,
    emails: Iterable[str],
    unreadable: Callable[[int, str, Exception], object] = left_out,
) -> dict[str, Contact]:
    rows = queries.rows_of_keys(queries.CONTACTS, account, emails)
    return {contact.email: contact for contact in readable(rows, unreadable)}


def stand_in(contact_id: int, email: str) -> Contact:
    """For people who look, in place of a contact that cannot be read: without its state."""
    contact = Contact(email)
    contact.id = contact_id
    return contact


def load_to_show(account: int, emails: Iterable[str]) -> dict[str, Contact]:
    stand_ins: dict[str, Contact] = {}

    def unreadable(contact_id: int, email: str, error: Exception) -> None:
        left_out(contact_id, email, error)
        stand_ins[email] = stand_in(contact_id, email)

    return load_readable(account, emails, unreadable) | stand_ins


def load_contacts(account: int, emails: Iterable[str]) -> dict[str, Contact]:
    rows = queries.rows_of_keys(queries.CONTACTS, account, emails)
    return {contact.email: contact for contact in map(Contact.of_row, rows)}


def save_merged(account: int, contacts: Iterable[Contact]) -> None:
    """Write what fold changed: desired, pending and due_at."""
    new, known = [], []
    for contact in contacts:
        desired = state.encode(contact.desired)
        pending = pending_.encode(contact.pending) if contact.pending else None
        if contact.id is None:
            new.append((account, contact.email, desired, NOTHING_DELIVERED, pending, contact.next_attempt_at))
        else:
            known.append((desired, pending, contact.next_attempt_at, contact.id))
    queries.insert(queries.ADD_CONTACT, new)
    queries.write(queries.MERGE_CONTACT, known)


def save_sent(updates: Sequence[tuple[Contact, Delivered]], again_at: int | None = None) -> None:
    """Write what is about to be sent to Mailjet, before it is: if the answer is lost, or this process dies, nobody
    knows whether it was taken. Then the contacts are due `again_at` (ms), or when they are now.
    """
    unconfirmed = [
        (state.encode(contact.delivered), contact.id)
        for contact, _ in updates
        if contact.sent_row is not None
    ]
    for contact, sent in updates:
        contact.sent_row = pending_.encode(Sent(sent, contact.pending))
        contact.next_attempt_at = again_at or contact.next_attempt_at
    with transaction.atomic():
        queries.write(queries.MARK_UNCONFIRMED, unconfirmed)
        queries.write(
            queries.SAVE_SENT, [(each.sent_row, each.next_attempt_at, each.id) for each, _ in updates]
        )


def postpone(contacts: Iterable[Contact], until: int, *, attempts: int | None = None) -> None:
    """Leave contacts alone until then (ms)."""
    postponed = list(contacts)
    for each in postponed:
        each.next_attempt_at = until
        each.attempts = each.attempts if attempts is None else attempts
    write_due(postponed)


def write_due(contacts: Iterable[Contact]) -> None:
    rows = [(each.next_attempt_at, each.attempts, each.first_failed_at, each.id) for each in contacts]
    with transaction.atomic():  # else each row would be synced to disk by itself
        queries.write(queries.POSTPONE_CONTACT, rows)


def save_learned(account: int, contacts: Iterable[Contact]) -> None:
    """Write what consent changed: desired, delivered and due_at."""
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
            pending_.encode(contact.pending) if contact.pending else None,
            contact.id,
        )
        for contact in contacts
    ]
    queries.write(queries.FOLLOW_CONTACT, rows)


def save_acknowledged(contacts: Iterable[Contact], now: int) -> None:
    """Write what reconcile changed, at `now` (ms), and let go of the job that carried them."""
    queries.write(
        queries.ACKNOWLEDGE_CONTACT,
        [
            (
                state.encode(contact.desired),
                state.encode(contact.delivered),
                pending_.encode(contact.pending) if contact.pending else None,
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
