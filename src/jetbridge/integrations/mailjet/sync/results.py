"""Acknowledges what Mailjet confirmed or rejected, and counts the messages that are completed by it.

The merge may have brought newer calls into a contact while Mailjet was called, so every row is read again
inside the transaction that acknowledges it.

A contact that raises an exception when it is alone fails (`fail_contact`), and its account goes on without it.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager

import msgspec
from django.db import transaction

from jetbridge.delivery import isolation, ledger, metrics
from jetbridge.delivery.base import FAILED, FILTERED, DeliveryCounts, DeliveryRecord
from jetbridge.delivery.isolation import INTERNAL_ERROR
from jetbridge.delivery.retry import Backoff
from jetbridge.errors import DeliveryError, PermanentError, TransientError
from jetbridge.integrations.mailjet.contacts import pending, queries, state, unreadable
from jetbridge.integrations.mailjet.contacts.contact import (
    BLOCKED_MS,
    Contact,
    delete,
    forget_unreadable,
    load_contacts,
    load_recording_unreadable,
    postpone,
    readable,
    record_unreadable,
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
from jetbridge.integrations.mailjet.sync.account import (
    NO_LIST,
    SINGLE_FROM_ATTEMPTS,
    Account,
    ListCircuit,
    ListUnknown,
)
from jetbridge.routing.route import USER_SUPPRESSED
from jetbridge.spec.untrusted import JSON_ERRORS

log = logging.getLogger(__name__)

#: The error that concerns the key pair, and no list.
TOO_MANY_REQUESTS = "TOO_MANY_REQUESTS"
#: What a contact's history calls the single call.
SINGLE_CALL = "managecontact"
#: How long a contact waits that Mailjet did not delete.
DELETE_AGAIN_MS = 600_000


class ContactUpdateResult(msgspec.Struct):
    """What came of the update of one contact, for the messages in `pending`.

    Mailjet confirmed `sent`, which acknowledges the messages whose lists it covers; or it rejected the contact for all lists
    (`error`), so that the messages fail; or it has no such contact any more (`is_deleted`).
    """

    email: str
    pending: Pending
    sent: Delivered = msgspec.field(default_factory=Delivered)
    error: DeliveryError | None = None
    is_deleted: bool = False
    #: The call or job, empty if there was nothing to send; what was sent, and the response.
    by: str = ""
    request: str = ""
    response: str = ""
    #: Unsubscribes that Mailjet reports: since when (ms), by list; and former addresses whose consent was taken over.
    learned: dict[int, int] = {}
    superseded: Sequence[str] = ()
    #: Lists of audiences that it was on before; and when the job began that sent it (ms; 0: no job).
    already_on: Collection[int] = ()
    job_at: int = 0
    #: Lists that Mailjet rejects for this contact, and whether its properties could not be sent by way of any list.
    rejected_lists: dict[int, DeliveryError] = {}
    unsent_properties: bool = False
    #: When to retry what failed transiently (ms).
    retry_at: int | None = None

    @property
    def is_partial(self) -> bool:
        return bool(self.rejected_lists) or self.unsent_properties or self.retry_at is not None


class Acknowledgement:
    """One transaction that completes updates of contacts and counts their messages. See `acknowledge`."""

    def __init__(self, account: int, now: int) -> None:
        self._account = account
        self._now = now
        self._counts: defaultdict[int, DeliveryCounts] = defaultdict(DeliveryCounts)
        self._contacts: list[Contact] = []
        self._deleted: list[Contact] = []

    def complete(self, contact: Contact, result: ContactUpdateResult) -> None:
        if not (result.is_deleted or result.error):
            self.confirm(contact, result)
            return
        contact.attempts, contact.first_failed_at = 0, None
        if result.error:
            self._fail(contact, result.pending, result.error, result)
            # Newer messages deserve a try of their own; a contact that is to be deleted is retried.
            contact.next_attempt_at = self._now if contact.pending else None
            if contact.desired.pending_deletion:
                contact.next_attempt_at = self._now + DELETE_AGAIN_MS
        elif contact.desired.deletion is DeletionState.ERASED:
            for destination, _, waiting in flatten(contact.pending):
                self._counts[destination].filtered[USER_SUPPRESSED] += waiting.total
                self._counts[destination].in_flight -= waiting.total
            self._deleted.append(contact)
            return
        elif contact.desired.pending_deletion:
            for destination, _, waiting in flatten(contact.pending):
                self._count_delivered(destination, waiting)
            contact.desired = contact.desired.opt_outs()
            contact.set_delivered(Delivered(lists=contact.desired.actions()))
            contact.pending, contact.next_attempt_at = {}, None
        else:  # its user came back meanwhile
            contact.set_delivered(Delivered())
            contact.next_attempt_at = self._now
        self._contacts.append(contact)

    def confirm(self, contact: Contact, result: ContactUpdateResult) -> None:
        contact.delivered.take(result.sent)
        contact.desired.take_joined(result.sent.lists, already_on=result.already_on, job_at=result.job_at)
        for list_id, at in result.learned.items():
            contact.desired.unsubscribe(list_id, at)
        if result.superseded:
            self._release_superseded(contact, result.superseded)
        if contact.delivered.rejected:
            contact.delivered.forget_rejected(contact.desired.present_values)
        change = difference(contact.desired, contact.delivered)
        agrees = change is None and not (contact.desired.superseded or contact.desired.pending_deletion)
        if agrees:
            acknowledged = contact.pending
        elif result.unsent_properties:
            acknowledged = {}
        elif change is None or not change.lists:
            acknowledged = result.pending
        else:
            due = change.lists
            acknowledged = pending.part(result.pending, lambda list_id: list_id not in due)

        if acknowledged and (reason := unsent_reason(contact.email, contact.desired)):
            self._record(contact, acknowledged, FILTERED, *reason)
        else:
            contact.history = add_acknowledged(
                contact.history, self._now, result.by, result.response, acknowledged
            )
            for destination, _, waiting in flatten(acknowledged):
                self._count_delivered(destination, waiting)
        contact.pending = {} if agrees else without(contact.pending, acknowledged)
        contact.next_attempt_at = None if agrees else self._now
        if agrees or not result.is_partial:
            contact.attempts, contact.first_failed_at = 0, None
        else:
            self._complete_partially(contact, without(result.pending, acknowledged), result, change)
        self._contacts.append(contact)

    def _complete_partially(
        self, contact: Contact, waiting: Pending, result: ContactUpdateResult, change: ContactUpdate | None
    ) -> None:
        """Fail those messages whose lists are rejected, and wait with the others."""
        for list_id, error in result.rejected_lists.items():
            failed = pending.of_list(waiting, list_id)
            self._fail(contact, failed, error, result)
            waiting = without(waiting, failed)
            # Else one of the newer messages has the same action, and is to fail by it.
            if isinstance(error, ListUnknown) and list_id not in pending.lists(contact.pending):
                contact.desired.park(list_id)
                contact.delivered.lists.pop(list_id, None)
        if result.retry_at is not None:
            contact.next_attempt_at, contact.attempts = result.retry_at, contact.attempts + 1
            contact.first_failed_at = contact.first_failed_at or self._now
            return
        contact.attempts, contact.first_failed_at = 0, None
        if without(contact.pending, waiting):  # newer messages deserve a try of their own
            contact.next_attempt_at = self._now
        elif waiting or (change and change.lists.keys() - result.rejected_lists.keys()):
            # What was rejected is not sent again at once.
            contact.next_attempt_at = self._now + (BLOCKED_MS if result.rejected_lists else 0)
        else:
            contact.next_attempt_at = None

    def _release_superseded(self, contact: Contact, emails: Sequence[str]) -> None:
        """The consent of former addresses was taken over: those that wait for that may be deleted now."""
        for email in emails:
            if email in contact.desired.superseded:
                contact.desired.superseded.remove(email)
        for former in load_recording_unreadable(self._account, emails).values():
            if former.desired.deletion is DeletionState.AFTER_ADDRESS_CHANGE:
                former.desired.deletion = DeletionState.ADDRESS_CHANGED
                former.next_attempt_at = self._now if former.job_id is None else None
                save_learned(self._account, [former])

    def revert_failure(self, contact: Contact, failure: ContactUpdateResult) -> None:
        """Failed messages wait again, unless they are retried already."""
        code = failure.error.code if failure.error else ""
        for destination, list_id, waiting in flatten(failure.pending):
            if ledger.revert_failure(destination, code, waiting.position, waiting.total):
                by_list = contact.pending.setdefault(destination, {})
                newer = by_list.pop(list_id, None)
                by_list[list_id] = waiting
                if newer:
                    pending.add(by_list, list_id, newer)
        if contact.job_id is None:
            contact.next_attempt_at = contact.next_attempt_at or self._now

    def retry(self, contact: Contact, *, singly: bool) -> None:
        """It is due again. What the job sent is unconfirmed: Mailjet may have accepted it all the same."""
        contact.delivered.mark_unconfirmed(contact.sent.state)
        contact.attempts = SINGLE_FROM_ATTEMPTS if singly else contact.attempts + 1
        contact.next_attempt_at = self._now
        self._contacts.append(contact)

    def _count_delivered(self, destination: int, waiting: pending.Waiting) -> None:
        counts = self._counts[destination]
        counts.delivered += waiting.total
        counts.in_flight -= waiting.total
        if waiting.since:
            counts.latencies[metrics.bucket(self._now - waiting.since)] += waiting.total

    def _fail(
        self, contact: Contact, failed: Pending, error: DeliveryError, result: ContactUpdateResult
    ) -> None:
        self._record(
            contact,
            failed,
            FAILED,
            error.code,
            str(error),
            request=result.request,
            response=error.response,
        )
        contact.pending = without(contact.pending, failed)
        contact.history = add_failed(contact.history, self._now, result.by, error.code, failed)

    def _record(
        self,
        contact: Contact,
        messages: Pending,
        outcome: str,
        reason: str,
        message: str,
        *,
        request: str = "",
        response: str = "",
    ) -> None:
        """Count messages that failed or were filtered, with a record of each."""
        for destination, _, waiting in flatten(messages):
            record = DeliveryRecord(
                outcome=outcome,
                reason=reason,
                detail=message,
                position=waiting.position,
                total=waiting.total,
                message_id=waiting.message_id,
                person=contact.email,
                request=request,
                response=response,
            )
            counts = self._counts[destination]
            counts.in_flight -= waiting.total
            if outcome == FAILED:
                counts.fail(record)
            else:
                counts.filter(record)

    def write(self) -> None:
        save_acknowledged(self._contacts, self._now)
        delete(self._deleted)
        for destination, counts in self._counts.items():
            ledger.add(destination, counts)


@contextmanager
def acknowledge(account: int, now: int) -> Iterator[Acknowledgement]:
    """Open the transaction; what the block acknowledges is written at its end."""
    with transaction.atomic():
        acknowledgement = Acknowledgement(account, now)
        yield acknowledgement
        acknowledgement.write()


def acknowledge_single(account: int, now: int, result: ContactUpdateResult) -> None:
    """Acknowledge the update of one contact; nothing if it was erased meanwhile."""
    with acknowledge(account, now) as acknowledgement:
        if contact := load_contacts(account, [result.email]).get(result.email):
            acknowledgement.complete(contact, result)


def acknowledge_job(
    account: int, now: int, job_id: int, acknowledge_contact: Callable[[Acknowledgement, Contact], bool]
) -> list[tuple[Contact, bool]]:
    """Acknowledge the contacts of a job that has ended, in one transaction; return them, with what `acknowledge_contact` returns.

    If that raises, each contact has a transaction of its own within the caller's, and one that raises alone fails.
    """

    def acknowledge_rows(statement: str, *parameters: int) -> list[tuple[Contact, bool]]:
        with acknowledge(account, now) as acknowledgement:
            contacts = [Contact.of_row(row) for row in queries.rows(statement, *parameters)]
            return [(contact, acknowledge_contact(acknowledgement, contact)) for contact in contacts]

    try:
        return acknowledge_rows(queries.JOB_CONTACTS, account, job_id)
    except Exception as error:
        if isolation.is_environmental(error):
            raise
        isolation.note(error, f"Job {job_id} of Mailjet account {account}")
    acknowledged: list[tuple[Contact, bool]] = []
    for (contact_id,) in queries.rows(queries.JOB_IDS, account, job_id):
        try:
            acknowledged += acknowledge_rows(queries.ONE_CONTACT, contact_id)
        except Exception as error:
            if isolation.is_environmental(error):
                raise
            fail_contact(account, now, contact_id, error)
    return acknowledged


def revert_failures(account: int, now: int, failures: Iterable[object]) -> None:
    """Let messages that failed wait again: the list was wrong, and not their contacts. `failures` is what the circuit breaker
    kept of them.
    """
    results = [failure for failure in failures if isinstance(failure, ContactUpdateResult)]
    with transaction.atomic():
        acknowledgement = Acknowledgement(account, now)
        # Messages of a contact that cannot be read stay failed: a person may retry them.
        contacts = load_recording_unreadable(account, {result.email for result in results})
        for result in results:
            if result.email in contacts:
                acknowledgement.revert_failure(contacts[result.email], result)
        save_merged(account, contacts.values())


def fail_contact(account: int, now: int, contact_id: int, error: Exception) -> None:
    """Let the messages that wait for a contact fail with INTERNAL_ERROR. It is due again with its next message.

    Its state is not decoded, because that may be what raises. A contact that is to be forgotten stays due. One that cannot be
    read is remembered as such (`unreadable`).
    """
    isolation.note(error, f"Contact {contact_id} of Mailjet account {account}")
    with transaction.atomic():
        for email, desired, pending_row, history_row in queries.rows(queries.RAW_CONTACT, contact_id):
            next_attempt_at = None
            try:
                if state.decode_desired(desired).pending_deletion:
                    next_attempt_at = now + DELETE_AGAIN_MS
            except (ValueError, *JSON_ERRORS):
                pass
            try:
                messages = pending.decode_pending(pending_row) if pending_row else {}
            except (ValueError, *JSON_ERRORS):
                unreadable.fail_unreadable_messages()
                messages = {}
            counts: defaultdict[int, DeliveryCounts] = defaultdict(DeliveryCounts)
            for destination, _, waiting in flatten(messages):
                counts[destination].in_flight -= waiting.total
                counts[destination].fail(
                    DeliveryRecord(
                        outcome=FAILED,
                        reason=INTERNAL_ERROR,
                        detail=isolation.bug_message(error),
                        position=waiting.position,
                        total=waiting.total,
                        message_id=waiting.message_id,
                        person=email,
                    )
                )
            entries = add_failed(history_row, now, "update", INTERNAL_ERROR, messages)
            queries.write(queries.FAIL_CONTACT, [(None, next_attempt_at, entries, contact_id)])
            for destination, failed in counts.items():
                ledger.add(destination, failed)

    unreadable_ids: list[int] = []
    readable(queries.rows(queries.ONE_CONTACT, contact_id), lambda id_, *_: unreadable_ids.append(id_))
    if unreadable_ids:
        record_unreadable(account, contact_id)


def delete_unreadable(account: int, now: int, contact_id: int, error: Exception) -> None:
    """Delete the state of a contact that cannot be read; its messages fail. Mailjet keeps what it has of it."""
    with transaction.atomic():
        fail_contact(account, now, contact_id, error)
        queries.write(queries.DELETE_CONTACT, [(contact_id,)])
        forget_unreadable(contact_id)


def lookup_failed(account: Account, contact: Contact, error: TransientError | PermanentError) -> None:
    """A lookup or deletion of one contact failed: it is retried. After the retry limit, or if it was rejected, its messages fail,
    unless nearly every lookup is rejected.
    """
    circuit = account.circuits[NO_LIST]
    if isinstance(error, PermanentError):
        failure = ContactUpdateResult(contact.email, contact.pending, error=error)
        earlier = circuit.record_rejection(error, failure)
        if earlier is None:
            reject(account, contact, error)
        else:
            revert_failures(account.id, account.now(), earlier)
            postpone([contact], account.now() + BLOCKED_MS)
        return
    if error.code == TOO_MANY_REQUESTS:
        raise error
    circuit.record_transient_failure(error)
    exhausted = exhausted_error(account, contact, circuit, error)
    if exhausted and contact.desired.deletion is not DeletionState.ERASED:
        reject(account, contact, exhausted)
        return
    contact.first_failed_at = contact.first_failed_at or account.now()
    postpone([contact], next_attempt_at(account, contact, error), attempts=contact.attempts + 1)


def reject(account: Account, contact: Contact, error: DeliveryError) -> None:
    """Let the messages of a contact fail."""
    result = ContactUpdateResult(
        contact.email, contact.pending, error=error, request=request_of(contact), by=SINGLE_CALL
    )
    acknowledge_single(account.id, account.now(), result)


def exhausted_error(
    account: Account, contact: Contact, circuit: ListCircuit, error: TransientError
) -> PermanentError | None:
    """If a contact has failed for as long as the retry limit says, while others got through."""
    since = (contact.first_failed_at or account.now()) / 1000
    deadline = circuit.retry_deadline
    return deadline.exhausted_error(error) if deadline.is_answering and deadline.is_expired(since) else None


def next_attempt_at(account: Account, contact: Contact, error: TransientError) -> int:
    """Behind the others, in case Mailjet fails because of this contact; the more attempts, the longer."""
    wait = Backoff(tries=contact.attempts).next_wait(error)
    return max(account.now() + int(wait * 1000), contact.next_attempt_at or 0)


def request_of(contact: Contact) -> str:
    """What the record of a failure shows as the request."""
    return msgspec.json.encode({"Email": contact.email, **contact.desired.present_values}).decode()
