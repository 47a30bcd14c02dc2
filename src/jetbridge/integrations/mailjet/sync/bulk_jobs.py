"""The path for many contacts: `managemanycontacts`, followed to the job's end and its error file.

A job that was accepted has delivered nothing yet. Jobs stand in a table, so that they are followed after a restart.

A job that does not end is abandoned: its contacts are sent again. It may run all the same, and what it writes is older than what
was sent since. So it is watched until it has ended; then the values of its contacts are unconfirmed, and all of them are sent again.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec
from django.db import transaction

from jetbridge.delivery import isolation
from jetbridge.errors import PermanentError, TransientError
from jetbridge.integrations.mailjet.api.errors import INVALID_RESPONSE, ListsRejected
from jetbridge.integrations.mailjet.api.resources import ADDFORCE
from jetbridge.integrations.mailjet.api.resources import Job as JobRow
from jetbridge.integrations.mailjet.contacts import queries, state
from jetbridge.integrations.mailjet.contacts.contact import (
    Contact,
    load_contacts,
    postpone,
    save_next_attempt,
    save_sent,
)
from jetbridge.integrations.mailjet.contacts.queries import count_rejected_values
from jetbridge.integrations.mailjet.models import Job
from jetbridge.integrations.mailjet.sync.account import (
    LOST_JOB_MS,
    SINGLE_FROM_ATTEMPTS,
    Account,
    ListGone,
    ListReplaced,
)
from jetbridge.integrations.mailjet.sync.prepare import Prepared, group_by_lists, prepare_all
from jetbridge.integrations.mailjet.sync.results import (
    TOO_MANY_REQUESTS,
    Acknowledgement,
    ContactUpdateResult,
    acknowledge,
    acknowledge_job,
)
from jetbridge.spec.emails import normalise
from jetbridge.text import for_editors

log = logging.getLogger(__name__)

#: First and longest pause between two polls of a job.
FIRST_POLL_MS, MAX_POLL_MS = 100, 5_000
#: The response may have been lost, not the call.
LOST = frozenset({"NETWORK", "TIMEOUT", INVALID_RESPONSE.code})
#: A job that has not ended by then is abandoned, and its contacts are sent again.
ABANDON_MS = 3_600_000
#: How often abandoned jobs are polled, and for how long.
ABANDONED_POLL_MS, MAX_ABANDONED_MS = 60_000, 7 * 86_400_000


@dataclass
class OpenJob:
    """A job that is being followed. Times in ms; `repeats` is set at its end: the share of its contacts that were due again by then."""

    id: int
    list_id: int | None
    started_at: int
    poll_at: int
    pause: int = FIRST_POLL_MS
    repeats: float = 0.0


def open_jobs(account: Account) -> list[OpenJob]:
    """Jobs that an earlier run of this process started."""
    return [
        OpenJob(row.job_id, row.list_id, int(row.started_at.timestamp() * 1000), account.now())
        for row in Job.objects.filter(account_id=account.id, given_up_at=None)
    ]


def start_jobs(account: Account, contacts: Sequence[Contact]) -> Iterator[OpenJob]:
    """Send contacts, one job per set of lists. Acknowledges those of which nothing needs to be sent.

    Contacts that no job carries afterwards are still due. Raises DeliveryError that is about the account and no list.
    """
    prepared = prepare_all(account.types, contacts, account.circuits.open_lists())
    count_rejected_values(
        account.id,
        [
            (*rejection, update.contact.email)
            for update in prepared
            for rejection in update.rejected_properties
        ],
    )
    # Contacts that agree with Mailjet by now, or whose new values were all rejected
    if unsent := [update for update in prepared if not update.needs_call]:
        results = {
            update.contact.email: ContactUpdateResult(
                update.contact.email, update.contact.pending, update.sent
            )
            for update in unsent
        }
        with acknowledge(account.id, account.now()) as acknowledgement:
            for contact in load_contacts(account.id, results).values():
                acknowledgement.confirm(contact, results[contact.email])
    for lists, group in group_by_lists(prepared).items():
        if job := _start(account, lists, group):
            yield job


def _start(account: Account, lists: Sequence[tuple[int, str]], group: Sequence[Prepared]) -> OpenJob | None:
    next_attempt_at = [update.contact.next_attempt_at for update in group]
    save_sent([(update.contact, update.sent) for update in group], account.now() + LOST_JOB_MS)
    rows = [update.row for update in group]
    list_id = lists[0][0] if len(lists) == 1 else None
    try:
        if list_id is not None:
            body = msgspec.json.encode({"Action": lists[0][1], "Contacts": rows})
            job_id = account.client.managemanycontacts(list_id, body)
        else:
            actions = [{"ListID": number, "Action": action} for number, action in lists]
            job_id = account.client.manage_contacts_in_lists({"ContactsLists": actions, "Contacts": rows})
    except TransientError as error:
        if error.code not in LOST:
            for update, before in zip(group, next_attempt_at, strict=True):
                update.contact.next_attempt_at = before
            save_next_attempt(update.contact for update in group)
        if error.code == TOO_MANY_REQUESTS:
            raise
        for number, _ in lists:
            account.circuits[number].record_transient_failure(error)
        return None
    except PermanentError as error:
        _reject(account, [number for number, _ in lists], group, error)
        return None
    for number, _ in lists:
        account.circuits[number].record_response()
    with transaction.atomic():
        Job.objects.create(account_id=account.id, job_id=job_id, list_id=list_id, contacts=len(group))
        queries.write_keys(queries.CARRY_CONTACTS, job_id, [update.contact.id for update in group])
    return OpenJob(job_id, list_id, account.now(), account.now() + FIRST_POLL_MS)


def _reject(account: Account, lists: Sequence[int], group: Sequence[Prepared], error: PermanentError) -> None:
    """If a list is gone the contacts wait for it, go to the one that replaces it, or are sent for their other lists; else they are
    sent one by one, because the response to a single call names the cause.
    """
    named = error.lists.keys() & lists if isinstance(error, ListsRejected) else lists[:1]
    is_gone = False
    for list_id in named or lists:
        list_error = account.list_error(list_id, error, (update.contact.pending for update in group))
        if isinstance(list_error, ListGone):
            account.circuits[list_id].open(list_error)
        is_gone = is_gone or isinstance(list_error, ListGone | ListReplaced)
    contacts = [update.contact for update in group]
    if is_gone:
        postpone(contacts, account.now())
        return
    log.info("A body of %d contacts was rejected (%s); they are sent one by one.", len(group), error)
    postpone(contacts, account.now(), attempts=SINGLE_FROM_ATTEMPTS)


def poll(account: Account, job: OpenJob) -> bool:
    """Poll a job once; True if it has ended and its contacts are acknowledged or due again.

    A poll that fails transiently does not stop the sending: there is the next poll.
    """
    now = account.now()
    job.pause = min(job.pause * 3 // 2, MAX_POLL_MS)
    job.poll_at = now + job.pause
    is_late = now - job.started_at > ABANDON_MS
    try:
        row = _read_job(account, job.id, job.list_id)
        if is_late and not row.ended:
            return _abandon(account, job, f"It was still {for_editors(row.status)} after an hour.")
        return row.ended and _end(account, job, row)
    except TransientError as error:
        if is_late:
            return _abandon(account, job, str(error))
        log.info("Job %d cannot be polled now: %s", job.id, error)
        return False


def _read_job(account: Account, job_id: int, list_id: int | None) -> JobRow:
    """A job that Mailjet does not know has ended as Error. Raises TransientError and PauseError."""
    try:
        return account.client.job(job_id, list_id)
    except PermanentError as error:
        return JobRow(status="Error", error=f"Mailjet does not know the job: {error}")


def _end(account: Account, job: OpenJob, row: JobRow) -> bool:
    is_completed = row.status.lower() == "completed"
    rejected = rejected_emails(account, job, row) if is_completed else None
    if rejected:
        emails = {normalise(email) for (email,) in queries.rows(queries.JOB_EMAILS, account.id, job.id)}
        rejected = (
            rejected if rejected <= emails else None
        )  # an error without a known address may be any contact's

    by = f"job {job.id}"

    def acknowledge_contact(acknowledgement: Acknowledgement, contact: Contact) -> bool:
        """Whether Mailjet accepted it."""
        if not is_completed or rejected is None or normalise(contact.email) in rejected:
            # The error file's format is not documented; a single call names the cause.
            acknowledgement.retry(contact, singly=is_completed)
            return False
        sent = contact.sent
        result = ContactUpdateResult(
            contact.email,
            sent.pending,
            sent.state,
            by=by,
            response="Completed",
            job_at=job.started_at,
        )
        acknowledgement.confirm(contact, result)
        return True

    with transaction.atomic():
        acknowledged = acknowledge_job(account.id, account.now(), job.id, acknowledge_contact)
        Job.objects.filter(account_id=account.id, job_id=job.id).delete()
    if is_completed and acknowledged:
        due = sum(contact.next_attempt_at is not None for contact, _ in acknowledged)
        job.repeats = due / len(acknowledged)
    if accepted := sum(is_accepted for _, is_accepted in acknowledged):
        for list_id in acknowledged[0][0].sent.state.lists if job.list_id is None else [job.list_id]:
            account.circuits[list_id].record_success(accepted)
    if not is_completed:
        why = for_editors(f"{row.status} {row.error or ''}")
        log.warning("Job %d has ended as %s. Its contacts are sent again.", job.id, why)
    return True


def _abandon(account: Account, job: OpenJob, why: str) -> bool:
    """Its contacts are sent again. It may run all the same, so it is watched (`AbandonedJobs`)."""

    def acknowledge_contact(acknowledgement: Acknowledgement, contact: Contact) -> bool:
        acknowledgement.retry(contact, singly=False)
        return False

    with transaction.atomic():
        acknowledged = acknowledge_job(account.id, account.now(), job.id, acknowledge_contact)
        carried = msgspec.json.encode([contact.id for contact, _ in acknowledged])
        rows = Job.objects.filter(account_id=account.id, job_id=job.id)
        rows.update(given_up_at=account.now(), carried=carried)
    log.warning("Job %d is abandoned: %s Its contacts are sent again.", job.id, why)
    return True


def rejected_emails(account: Account, job: OpenJob, row: JobRow) -> set[str] | None:
    """Addresses in the error file, normalised; None if there are errors that belong to no known address."""
    if not row.error and not row.error_file:
        return set()
    try:
        errors = account.client.job_errors(job.id)
    except PermanentError:
        return None
    if errors is None:  # the file is empty, although it may not have been complete
        return None
    emails = {
        normalise(next((value for name, value in error.items() if name.lower() == "email"), None))
        for error in errors
    }
    if None in emails or not emails:  # whose error is it?
        return None if errors or row.error else set()
    return {email for email in emails if email}


class AbandonedJobs:
    """Watches the abandoned jobs of an account. Used by its reconcile thread."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._poll_at = 0

    def poll(self) -> None:
        """Poll them, if it is time. Raises PauseError."""
        now = self._account.now()
        if now < self._poll_at:
            return
        self._poll_at = now + ABANDONED_POLL_MS
        for row in Job.objects.filter(account_id=self._account.id).exclude(given_up_at=None):
            try:
                has_ended = _read_job(self._account, row.job_id, row.list_id).ended
            except TransientError:
                has_ended = False
            if has_ended or now - (row.given_up_at or 0) > MAX_ABANDONED_MS:
                log.warning("Job %d has ended after it was abandoned.", row.job_id)
                self._mark_unconfirmed(row)

    def _mark_unconfirmed(self, row: Job) -> None:
        """A confirmed addforce stays confirmed: the person may have unsubscribed since."""
        carried: list[int] = msgspec.json.decode(bytes(row.carried or b"[]"))
        with transaction.atomic():
            changes = []
            for id_, delivered_row in queries.rows_of_ids(queries.DELIVERED_OF, carried):
                try:
                    delivered = state.decode_delivered(delivered_row)
                    forced = {
                        number: action for number, action in delivered.lists.items() if action == ADDFORCE
                    }
                    delivered.mark_unconfirmed(delivered)
                    delivered.lists |= forced
                    delivered.name = None
                    changes.append((state.encode(delivered), self._account.now(), id_))
                except Exception as error:  # noqa: BLE001 - one contact must not stop the account
                    isolation.note(error, f"Contact {id_}")
            queries.write(queries.REVERT_DELIVERED, changes)
            row.delete()
