"""Acknowledges what Mailjet confirmed or rejected, and counts the messages that are done by it.

The merge may have brought newer calls into a contact while Mailjet was called, so every row is read again
inside the transaction that acknowledges it.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from django.db import transaction

from jetbridge.delivery import ledger, metrics
from jetbridge.delivery.base import FAILED, FILTERED, DeliveryCounts, DeliveryRecord
from jetbridge.errors import DeliveryError
from jetbridge.integrations.mailjet.contacts import pending
from jetbridge.integrations.mailjet.contacts.contact import (
    HELD_BACK_MS,
    Contact,
    delete,
    load_contacts,
    load_recording_unreadable,
    save_acknowledged,
    save_learned,
    save_merged,
)
from jetbridge.integrations.mailjet.contacts.pending import (
    Pending,
    add_acknowledged,
    add_failed,
    flatten,
    without,
)
from jetbridge.integrations.mailjet.contacts.state import (
    ContactUpdate,
    DeletionState,
    Delivered,
    difference,
)
from jetbridge.integrations.mailjet.contacts.traits import unsent_reason
from jetbridge.integrations.mailjet.sync.account import ListUnknown
from jetbridge.routing.route import USER_SUPPRESSED

#: Contacts that failed this often, or that a job refused, are sent singly: that answer names the reason.
SINGLY_FROM_TRIES = 3
#: How long a contact waits that Mailjet would not delete.
ERASE_AGAIN_MS = 600_000


@dataclass(slots=True)
class ContactUpdateResult:
    """Mailjet confirmed `sent`, which acknowledges those of `pending` whose lists it tells. `learned` are
    unsubscribes found at Mailjet itself: since when (ms), by list.

    `by` is the call or job that told it, empty if there was nothing to tell; `answer` is Mailjet's.
    """

    sent: Delivered
    pending: Pending
    by: str = ""
    answer: str = ""
    learned: dict[int, int] = field(default_factory=dict)
    superseded: Sequence[str] = ()
    partial_failure: "PartialFailure | None" = None
    #: Lists of audiences that it was on before; and when the job began that told it (ms; 0: it was none).
    already_on: Collection[int] = ()
    job_at: int = 0


@dataclass(slots=True)
class PartialFailure:
    """What was not told, beside what was: lists that Mailjet rejects for this contact, whatever is tried, and
    perhaps its properties, if no list took them. What failed for now is tried again at `again_at` (ms).
    `request` is what was said.
    """

    refused: Mapping[int, DeliveryError] = field(default_factory=dict)
    properties: bool = False
    again_at: int | None = None
    request: str = ""


@dataclass
class RejectedContact:
    """Mailjet will not take the contact, whatever is tried; its messages have failed."""

    pending: Pending
    error: DeliveryError
    request: str = ""
    by: str = ""


@dataclass
class RevertibleFailure:
    """Messages that have failed because a list refused their contact, so that this can be undone."""

    email: str
    pending: Pending
    code: str


class Erased:
    """Mailjet has no such contact any more."""


class Acknowledgement:
    """One transaction that completes updates of contacts and counts their messages. See `acknowledge`."""

    def __init__(self, account: int, now: int) -> None:
        self._account = account
        self._now = now
        self._tallies: defaultdict[int, DeliveryCounts] = defaultdict(DeliveryCounts)
        self._contacts: list[Contact] = []
        self._gone: list[Contact] = []

    def confirm(self, contact: Contact, confirmed: ContactUpdateResult) -> None:
        contact.delivered.take(confirmed.sent)
        contact.desired.take_joined(
            confirmed.sent.lists, already_on=confirmed.already_on, job_at=confirmed.job_at
        )
        for list_id, at in confirmed.learned.items():
            contact.desired.unsubscribe(list_id, at)
        for old in confirmed.superseded:
            if old in contact.desired.superseded:
                contact.desired.superseded.remove(old)
        self._let_go(confirmed.superseded)
        if contact.delivered.rejected:
            contact.delivered.forget_rejected(contact.desired.present_values)
        change = difference(contact.desired, contact.delivered)
        agrees = change is None and not (contact.desired.superseded or contact.desired.pending_deletion)
        acknowledged = contact.pending if agrees else _acknowledged_by(confirmed, change)
        if acknowledged and (reason := unsent_reason(contact.email, contact.desired)):
            self._filtered(contact, acknowledged, *reason)
        else:
            contact.history = add_acknowledged(
                contact.history, self._now, confirmed.by, confirmed.answer, acknowledged
            )
            self._delivered(acknowledged)
        contact.pending = {} if agrees else without(contact.pending, acknowledged)
        contact.next_attempt_at = None if agrees else self._now
        if agrees or confirmed.partial_failure is None:
            contact.attempts, contact.first_failed_at = 0, None
        else:
            waiting = without(confirmed.pending, acknowledged)
            self._apply_partial_failure(contact, waiting, confirmed.by, confirmed.partial_failure, change)
        self._contacts.append(contact)

    def _apply_partial_failure(
        self,
        contact: Contact,
        waiting: Pending,
        by: str,
        partial_failure: PartialFailure,
        change: ContactUpdate | None,
    ) -> None:
        """Let those messages fail whose lists are refused, and wait with the others."""
        for list_id, error in partial_failure.refused.items():
            failed = pending.of_list(waiting, list_id)
            self._failed(contact, failed, error, partial_failure.request, by)
            waiting = without(waiting, failed)
            # Else one of the newer messages has the same action, and is to fail by it.
            if isinstance(error, ListUnknown) and list_id not in pending.lists(contact.pending):
                contact.desired.park(list_id)
                contact.delivered.lists.pop(list_id, None)
        if partial_failure.again_at is not None:
            contact.next_attempt_at, contact.attempts = partial_failure.again_at, contact.attempts + 1
            contact.first_failed_at = contact.first_failed_at or self._now
            return
        contact.attempts, contact.first_failed_at = 0, None
        if without(contact.pending, waiting):  # newer messages deserve a try of their own
            contact.next_attempt_at = self._now
        elif waiting or (change and change.lists.keys() - partial_failure.refused.keys()):
            # What was refused is not asked for again at once.
            contact.next_attempt_at = self._now + (HELD_BACK_MS if partial_failure.refused else 0)
        else:
            contact.next_attempt_at = None

    def _let_go(self, emails: Sequence[str]) -> None:
        """Their consent was taken over: those that wait for it may be deleted now."""
        for old in load_recording_unreadable(self._account, emails).values() if emails else ():
            if old.desired.deletion is DeletionState.AFTER_ADDRESS_CHANGE:
                old.desired.deletion = DeletionState.ADDRESS_CHANGED
                old.next_attempt_at = self._now if old.job_id is None else None
                save_learned(self._account, [old])

    def erased(self, contact: Contact) -> None:
        """Mailjet has no such contact any more."""
        if contact.desired.deletion is DeletionState.ERASED:
            self._forgotten(contact.pending)
            self._gone.append(contact)
            return
        contact.attempts, contact.first_failed_at = 0, None
        if contact.desired.pending_deletion:
            self._delivered(contact.pending)
            contact.desired = contact.desired.opt_outs()
            contact.set_delivered(Delivered(lists=contact.desired.actions()))
            contact.pending, contact.next_attempt_at = {}, None
        else:  # its user came back meanwhile
            contact.set_delivered(Delivered())
            contact.next_attempt_at = self._now
        self._contacts.append(contact)

    def reject(self, contact: Contact, refused: RejectedContact) -> None:
        self._failed(contact, refused.pending, refused.error, refused.request, refused.by)
        # Newer messages deserve a try of their own; who is to be forgotten must not be left over.
        contact.next_attempt_at, contact.attempts = (self._now if contact.pending else None), 0
        if contact.desired.pending_deletion:
            contact.next_attempt_at = self._now + ERASE_AGAIN_MS
        contact.first_failed_at = None
        self._contacts.append(contact)

    def _failed(self, contact: Contact, failed: Pending, error: DeliveryError, request: str, by: str) -> None:
        for destination, _, waiting in flatten(failed):
            counts = self._tallies[destination]
            counts.in_flight -= waiting.total
            counts.fail(
                DeliveryRecord(
                    outcome=FAILED,
                    reason=error.code,
                    detail=str(error),
                    position=waiting.position,
                    total=waiting.total,
                    message_id=waiting.message_id,
                    person=contact.email,
                    request=request,
                    response=error.answer,
                )
            )
        contact.pending = without(contact.pending, failed)
        contact.history = add_failed(contact.history, self._now, by, error.code, failed)

    def revert_failure(self, contact: Contact, failure: RevertibleFailure) -> None:
        """What has failed waits again, as far as nobody tries it again already."""
        for destination, list_id, waiting in flatten(failure.pending):
            if ledger.revert_failure(destination, failure.code, waiting.position, waiting.total):
                by_list = contact.pending.setdefault(destination, {})
                newer = by_list.pop(list_id, None)
                by_list[list_id] = waiting
                if newer:
                    pending.add(by_list, list_id, newer)
        if contact.job_id is None:
            contact.next_attempt_at = contact.next_attempt_at or self._now

    def again(self, contact: Contact, *, singly: bool) -> None:
        """Not acknowledged: it is due again. What the job was told may have been taken all the same."""
        contact.delivered.mark_unconfirmed(contact.sent.state)
        contact.attempts = SINGLY_FROM_TRIES if singly else contact.attempts + 1
        contact.next_attempt_at = self._now
        self._contacts.append(contact)

    def _delivered(self, acknowledged: Pending) -> None:
        for destination, _, waiting in flatten(acknowledged):
            counts = self._tallies[destination]
            counts.delivered += waiting.total
            counts.in_flight -= waiting.total
            if waiting.since:
                counts.latencies[metrics.bucket(self._now - waiting.since)] += waiting.total

    def _filtered(self, contact: Contact, acknowledged: Pending, reason: str, message: str) -> None:
        for destination, _, waiting in flatten(acknowledged):
            counts = self._tallies[destination]
            counts.in_flight -= waiting.total
            counts.filter(
                DeliveryRecord(
                    outcome=FILTERED,
                    reason=reason,
                    detail=message,
                    position=waiting.position,
                    total=waiting.total,
                    message_id=waiting.message_id,
                    person=contact.email,
                )
            )

    def _forgotten(self, acknowledged: Pending) -> None:
        for destination, _, waiting in flatten(acknowledged):
            self._tallies[destination].filtered[USER_SUPPRESSED] += waiting.total
            self._tallies[destination].in_flight -= waiting.total

    def write(self) -> None:
        save_acknowledged(self._contacts, self._now)
        delete(self._gone)
        for destination, counts in self._tallies.items():
            ledger.add(destination, counts)


def _acknowledged_by(confirmed: ContactUpdateResult, change: ContactUpdate | None) -> Pending:
    """Those whose list needs no further word."""
    if confirmed.partial_failure and confirmed.partial_failure.properties:
        return {}
    if change is None or not change.lists:
        return confirmed.pending
    return pending.part(confirmed.pending, lambda list_id: list_id not in change.lists)


@contextmanager
def acknowledge(account: int, now: int) -> Iterator[Acknowledgement]:
    """Open the transaction; what the block acknowledges is written at its end."""
    with transaction.atomic():
        work = Acknowledgement(account, now)
        yield work
        work.write()


def acknowledge_single(
    account: int, now: int, email: str, result: ContactUpdateResult | RejectedContact | Erased
) -> None:
    """Acknowledge the update of one contact; nothing if it was erased meanwhile."""
    with acknowledge(account, now) as work:
        contact = load_contacts(account, [email]).get(email)
        if contact is None:
            return
        if isinstance(result, ContactUpdateResult):
            work.confirm(contact, result)
        elif isinstance(result, Erased):
            work.erased(contact)
        else:
            work.reject(contact, result)


def revert_failures(account: int, now: int, earlier: Iterable[object]) -> None:
    """Let what has failed wait again: it was the list that was wrong, and not these contacts. `earlier` is what the
    breaker kept of them.
    """
    failures = [each for each in earlier if isinstance(each, RevertibleFailure)]
    with transaction.atomic():
        work = Acknowledgement(account, now)
        # Of a contact that cannot be read they stay failed: a person may retry them.
        contacts = load_recording_unreadable(account, {each.email for each in failures})
        for each in failures:
            if each.email in contacts:
                work.revert_failure(contacts[each.email], each)
        save_merged(account, contacts.values())
