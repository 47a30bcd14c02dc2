"""The path for many contacts: `managemanycontacts`, followed to the job's end and its error file.

A job that was accepted has delivered nothing yet. Jobs stand in a table, so that a restart follows them on.
"""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from django.db import transaction

from jetbridge.errors import PermanentError, TransientError
from jetbridge.integrations.mailjet.api.errors import INVALID_RESPONSE, ListsRejected
from jetbridge.integrations.mailjet.api.resources import Job as JobRow
from jetbridge.integrations.mailjet.contacts import queries
from jetbridge.integrations.mailjet.contacts.contact import (
    Contact,
    load_contacts,
    postpone,
    save_next_attempt,
    save_sent,
)
from jetbridge.integrations.mailjet.contacts.queries import count_rejected_values
from jetbridge.integrations.mailjet.contacts.state import ContactUpdate, difference
from jetbridge.integrations.mailjet.models import Job
from jetbridge.integrations.mailjet.sync.account import Account, ListReplaced
from jetbridge.integrations.mailjet.sync.isolated import acknowledge_job
from jetbridge.integrations.mailjet.sync.list_circuit import ListGone
from jetbridge.integrations.mailjet.sync.prepare import Prepared, prepare
from jetbridge.integrations.mailjet.sync.property_types import PropertyTypes
from jetbridge.integrations.mailjet.sync.results import (
    SINGLY_FROM_TRIES,
    Acknowledgement,
    ContactUpdateResult,
    acknowledge,
)
from jetbridge.integrations.mailjet.sync.single_update import TOO_MANY_REQUESTS
from jetbridge.spec.emails import normalise
from jetbridge.text import for_editors

log = logging.getLogger(__name__)

#: First and longest pause between two looks at a job.
FIRST_LOOK_MS, LONGEST_LOOK_MS = 100, 5_000
#: A job that was accepted, but whose number got lost, is given so long to end before its contacts are told
#: again: else it could still write what is older. Users see jobs end within seconds (mailjet-apiv3-nodejs#292).
LOST_JOB_MS = 10_000
#: The answer may have been lost, not the call.
LOST = frozenset({"NETWORK", "TIMEOUT", INVALID_RESPONSE.code})
#: A job that has not ended by then is given up, and its contacts are sent again.
GIVE_UP_MS = 3_600_000


@dataclass
class OpenJob:
    """A job that is being followed. Times in ms; `repeats` once it has ended: the share of its contacts that had
    news again by then.
    """

    id: int
    list_id: int | None
    started_at: int
    look_at: int
    pause: int = FIRST_LOOK_MS
    repeats: float = 0.0


def open_jobs(account: Account) -> list[OpenJob]:
    """Jobs that an earlier run of this process started."""
    return [
        OpenJob(row.job_id, row.list_id, int(row.started_at.timestamp() * 1000), account.now())
        for row in Job.objects.filter(account_id=account.id, given_up_at=None)
    ]


def start_jobs(account: Account, contacts: Sequence[Contact]) -> Iterator[OpenJob]:
    """Send contacts, one job per set of lists. Acknowledges those with nothing to be said.

    What was not carried afterwards is still due. Raises DeliveryError that is about the account and no list.
    """
    prepared = prepare_all(account.types, contacts, account.circuits.open_lists())
    count_rejected_values(
        account.id,
        [(*rejection, each.contact.email) for each in prepared for rejection in each.rejected_properties],
    )
    _acknowledge_unsent(account, [each for each in prepared if not each.needs_call])
    for lists, group in by_lists(prepared).items():
        if job := _start(account, lists, group):
            yield job


def prepare_all(
    types: PropertyTypes, contacts: Iterable[Contact], open_lists: Collection[int] = ()
) -> list[Prepared]:
    """What is to be said about each. Raises DeliveryError."""
    pairs = [
        (each, difference(each.desired, each.delivered) or ContactUpdate({}, {}, None)) for each in contacts
    ]
    datatypes = types.for_values(change.values for _, change in pairs)
    return [prepare(contact, change, datatypes, types.not_created, open_lists) for contact, change in pairs]


def by_lists(prepared: Iterable[Prepared]) -> dict[tuple[tuple[int, str], ...], list[Prepared]]:
    """Those with something to say, by their set of lists and actions: one body for each."""
    groups: defaultdict[tuple[tuple[int, str], ...], list[Prepared]] = defaultdict(list)
    for each in prepared:
        if each.needs_call:
            groups[tuple(sorted(each.lists.items()))].append(each)
    return groups


def _start(account: Account, lists: Sequence[tuple[int, str]], group: Sequence[Prepared]) -> OpenJob | None:
    next_attempt_at = [each.contact.next_attempt_at for each in group]
    save_sent([(each.contact, each.sent) for each in group], account.now() + LOST_JOB_MS)
    try:
        job_id = _post(account, lists, [each.row for each in group])
    except TransientError as error:
        if error.code not in LOST:
            for each, before in zip(group, next_attempt_at, strict=True):
                each.contact.next_attempt_at = before
            save_next_attempt(each.contact for each in group)
        if error.code == TOO_MANY_REQUESTS:
            raise
        for list_id, _ in lists:
            account.circuits[list_id].record_transient_failure(error)
        return None
    except PermanentError as error:
        _refused(account, [list_id for list_id, _ in lists], group, error)
        return None
    for list_id, _ in lists:
        account.circuits[list_id].record_response()
    job = OpenJob(
        job_id, lists[0][0] if len(lists) == 1 else None, account.now(), account.now() + FIRST_LOOK_MS
    )
    with transaction.atomic():
        Job.objects.create(account_id=account.id, job_id=job_id, list_id=job.list_id, contacts=len(group))
        queries.write_keys(queries.CARRY_CONTACTS, job_id, [each.contact.id for each in group])
    return job


def _refused(
    account: Account, lists: Sequence[int], group: Sequence[Prepared], error: PermanentError
) -> None:
    """If a list is gone they wait for it, go to the one that replaces it, or are told about their others; else the
    answer to a single call says more.
    """
    named = error.lists.keys() & lists if isinstance(error, ListsRejected) else lists[:1]
    gone = False
    for list_id in named or lists:
        trouble = account.list_trouble(list_id, error, (each.contact.pending for each in group))
        if isinstance(trouble, ListGone):
            account.circuits[list_id].open(trouble)
        gone = gone or isinstance(trouble, ListGone | ListReplaced)
    if gone:
        postpone((each.contact for each in group), account.now())
        return
    log.info("A body of %d contacts was refused (%s); they are sent one by one.", len(group), error)
    postpone((each.contact for each in group), account.now(), attempts=SINGLY_FROM_TRIES)


def _post(account: Account, lists: Sequence[tuple[int, str]], rows: list[dict[str, Any]]) -> int:
    if len(lists) == 1:
        ((list_id, action),) = lists
        body = msgspec.json.encode({"Action": action, "Contacts": rows})
        return account.client.managemanycontacts(list_id, body)
    list_actions = [{"ListID": list_id, "Action": action} for list_id, action in lists]
    return account.client.manage_contacts_in_lists({"ContactsLists": list_actions, "Contacts": rows})


def _acknowledge_unsent(account: Account, prepared: Sequence[Prepared]) -> None:
    """Contacts that have come to what Mailjet holds, or of which all news was rejected."""
    if not prepared:
        return
    results = {each.contact.id: ContactUpdateResult(each.sent, each.contact.pending) for each in prepared}
    with acknowledge(account.id, account.now()) as work:
        for contact in load_contacts(account.id, [each.contact.email for each in prepared]).values():
            work.confirm(contact, results[contact.id])


def look_at(account: Account, job: OpenJob) -> bool:
    """Look at a job once; True if it has come to an end and its contacts are acknowledged or due again.

    A look that fails for now is no reason to tell nobody anything: there is the next look.
    """
    now = account.now()
    job.pause = min(job.pause * 3 // 2, LONGEST_LOOK_MS)
    job.look_at = now + job.pause
    late = now - job.started_at > GIVE_UP_MS
    try:
        row = status_of(account, job.id, job.list_id)
        if late and not row.ended:
            return _give_up(account, job, f"It was still {for_editors(row.status)} after an hour.")
        return row.ended and _end(account, job, row)
    except TransientError as error:
        if late:
            return _give_up(account, job, str(error))
        log.info("Job %d cannot be looked at now: %s", job.id, error)
        return False


def status_of(account: Account, job_id: int, list_id: int | None) -> JobRow:
    """A job that Mailjet tells nothing of has ended as Error. Raises TransientError and PauseError."""
    try:
        return account.client.job(job_id, list_id)
    except PermanentError as error:
        return JobRow(status="Error", error=f"Mailjet does not know the job: {error}")


def _end(account: Account, job: OpenJob, row: JobRow) -> bool:
    completed = row.status.lower() == "completed"
    refused = refused_emails(account, job, row) if completed else None
    if refused:
        emails = {normalise(email) for (email,) in queries.rows(queries.JOB_EMAILS, account.id, job.id)}
        refused = refused if refused <= emails else None  # an error that cannot be placed may be anybody's

    def acknowledge_contact(work: Acknowledgement, contact: Contact) -> bool:
        return _end_of_contact(work, contact, job.started_at, completed=completed, refused=refused)

    with transaction.atomic():
        acknowledged = acknowledge_job(account.id, account.now(), job.id, acknowledge_contact)
        Job.objects.filter(account_id=account.id, job_id=job.id).delete()
    if completed and acknowledged:
        job.repeats = sum(each.next_attempt_at is not None for each, _ in acknowledged) / len(acknowledged)
    if took := sum(is_taken for _, is_taken in acknowledged):
        for list_id in _lists(job, acknowledged[0][0]):
            account.circuits[list_id].record_success(took)
    if not completed:
        why = for_editors(f"{row.status} {row.error or ''}")
        log.warning("Job %d has ended as %s. Its contacts are sent again.", job.id, why)
    return True


def _lists(job: OpenJob, contact: Contact) -> Collection[int]:
    return contact.sent.state.lists if job.list_id is None else [job.list_id]


def _give_up(account: Account, job: OpenJob, why: str) -> bool:
    """Its contacts are sent again. It may run all the same, so it is not forgotten (`abandoned_jobs`)."""

    def acknowledge_contact(work: Acknowledgement, contact: Contact) -> bool:
        work.again(contact, singly=False)
        return False

    with transaction.atomic():
        carried = msgspec.json.encode(
            [each.id for each, _ in acknowledge_job(account.id, account.now(), job.id, acknowledge_contact)]
        )
        rows = Job.objects.filter(account_id=account.id, job_id=job.id)
        rows.update(given_up_at=account.now(), carried=carried)
    log.warning("Job %d is given up: %s Its contacts are sent again.", job.id, why)
    return True


def _end_of_contact(
    work: Acknowledgement, contact: Contact, started_at: int, *, completed: bool, refused: set[str] | None
) -> bool:
    """Whether Mailjet took it."""
    if not completed:
        work.again(contact, singly=False)
    elif refused is None or normalise(contact.email) in refused:
        # The error file's format is not documented; managecontact says precisely what is wrong.
        work.again(contact, singly=True)
    else:
        sent = contact.sent
        by = f"job {contact.job_id}"
        work.confirm(
            contact, ContactUpdateResult(sent.state, sent.pending, by, "Completed", job_at=started_at)
        )
        return True
    return False


def refused_emails(account: Account, job: OpenJob, row: JobRow) -> set[str] | None:
    """Addresses in the error file, in their one spelling; None if there are errors and we cannot tell whose they are."""
    if not row.error and not row.error_file:
        return set()
    try:
        rows = account.client.job_errors(job.id)
    except PermanentError:
        return None
    if rows is None:  # nobody knows whether it should have been
        return None
    emails = {normalise(_email_of(each)) for each in rows}
    if None in emails or not emails:  # whose error is it?
        return None if rows or row.error else set()
    return {email for email in emails if email}


def _email_of(row: dict[str, Any]) -> Any:
    return next((value for name, value in row.items() if name.lower() == "email"), None)
