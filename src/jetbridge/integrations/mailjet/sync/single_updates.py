"""The path for a few contacts: `managecontact`, which answers at once and names what it refuses.

Also the careful path, for contacts whose address changes (`address_change`) or that are to be deleted.
"""

import logging

import msgspec

from jetbridge.delivery.retry import Backoff
from jetbridge.errors import DeliveryError, PauseError, PermanentError, TransientError
from jetbridge.integrations.mailjet.api.errors import EmailRejected
from jetbridge.integrations.mailjet.contacts import pending
from jetbridge.integrations.mailjet.contacts.contact import HELD_BACK_MS, Contact, postpone, save_sent
from jetbridge.integrations.mailjet.contacts.queries import count_rejected_values
from jetbridge.integrations.mailjet.contacts.state import DeletionState
from jetbridge.integrations.mailjet.sync import address_change
from jetbridge.integrations.mailjet.sync.account import Account, ListReplaced
from jetbridge.integrations.mailjet.sync.list_circuit import NO_LIST, ListCircuit
from jetbridge.integrations.mailjet.sync.results import (
    ERASE_AGAIN_MS,
    ContactUpdateResult,
    Erased,
    PartialFailure,
    RejectedContact,
    RevertibleFailure,
    acknowledge_single,
    revert_failures,
)
from jetbridge.integrations.mailjet.sync.single_update import CALL, TOO_MANY_REQUESTS, ContactUpdater
from jetbridge.integrations.mailjet.sync.update_mode import is_cleared_by_job
from jetbridge.privacy import erasure

log = logging.getLogger(__name__)


def deliver_singly(account: Account, contact: Contact) -> None:
    """Bring one contact to its desired state, as far as its lists take it, and acknowledge it.

    Raises TransientError or PauseError that is about the account, and no trouble of a list or of the contact.
    """
    if contact.desired.pending_deletion:
        _delete(account, contact)
        return
    superseded = list(contact.desired.superseded)
    try:
        learned = address_change.unsubscribes(account, contact)
        already_on = address_change.already_on(account, contact)
    except TransientError as error:
        question_failed(account, contact, error)
        return
    except PermanentError as error:
        question_refused(account, contact, error)
        return
    for list_id, at in learned.items():
        contact.desired.unsubscribe(list_id, at)
    by_job = is_cleared_by_job(contact, account.types.for_values([]))
    updater = ContactUpdater(account, contact, only_leaves=by_job)
    try:
        updater.run()
    except EmailRejected as error:  # which is the address's own fault beyond doubt
        _fail(account, contact, error)
    else:
        confirmed = ContactUpdateResult(
            updater.sent,
            {} if by_job else contact.pending,
            learned=dict(learned),
            superseded=superseded,
            already_on=already_on,
        )
        _acknowledge(account, contact, updater, confirmed)


def _acknowledge(
    account: Account, contact: Contact, updater: ContactUpdater, confirmed: ContactUpdateResult
) -> None:
    prepared = updater.prepared
    count_rejected_values(
        account.id, [(*rejection, contact.email) for rejection in prepared.rejected_properties]
    )
    confirmed.by = updater.calls if prepared.needs_call else ""
    confirmed.answer = updater.summary
    if partial_failure := _partial_failure(account, contact, updater):
        confirmed.partial_failure = partial_failure
        confirmed.pending, confirmed.superseded = contact.pending, ()
    acknowledge_single(account.id, account.now(), contact.email, confirmed)


def _partial_failure(account: Account, contact: Contact, updater: ContactUpdater) -> PartialFailure | None:
    refused, again_at = dict(updater.refused), None
    for list_id, error in updater.transient_failures.items():
        if isinstance(error, ListReplaced):
            again_at = account.now()
        elif given_up := _given_up(account, contact, account.circuits[list_id], error):
            refused[list_id] = given_up
        else:
            again_at = _again_at(account, contact, error)
    properties = not updater.has_sent_properties
    if properties and refused and again_at is None and not account.circuits.open_lists():
        last = list(refused.values())[-1]
        refused = dict.fromkeys(pending.lists(contact.pending), last) | refused
    if not (refused or properties or again_at):
        return None
    for list_id, failure in updater.revertible_failures.items():
        failure.pending = pending.of_list(contact.pending, list_id)
    return PartialFailure(refused, properties, again_at, _request(contact))


def _given_up(
    account: Account, contact: Contact, circuit: ListCircuit, error: TransientError
) -> PermanentError | None:
    """The end of what has failed for as long as is tried, while others got through."""
    since = (contact.first_failed_at or account.now()) / 1000
    retry_deadline = circuit.retry_deadline
    return (
        retry_deadline.exhausted_error(error)
        if retry_deadline.is_answering and retry_deadline.is_expired(since)
        else None
    )


def _again_at(account: Account, contact: Contact, error: TransientError) -> int:
    """Behind the others, in case it is this contact that Mailjet stumbles over; the longer, the more often."""
    wait = Backoff(tries=contact.attempts).next_wait(error)
    return max(account.now() + int(wait * 1000), contact.next_attempt_at or 0)


def question_failed(account: Account, contact: Contact, error: TransientError) -> None:
    """A question about a contact failed for now."""
    if error.code == TOO_MANY_REQUESTS:
        raise error
    circuit = account.circuits[NO_LIST]
    circuit.record_transient_failure(error)
    given_up = _given_up(account, contact, circuit, error)
    if given_up and contact.desired.deletion is not DeletionState.ERASED:
        _fail(account, contact, given_up)
        return
    contact.first_failed_at = contact.first_failed_at or account.now()
    postpone([contact], _again_at(account, contact, error), attempts=contact.attempts + 1)


def question_refused(account: Account, contact: Contact, error: PermanentError) -> None:
    """A question about a contact was refused: let its messages fail, unless nearly everything is refused."""
    failure = RevertibleFailure(contact.email, contact.pending, error.code)
    earlier = account.circuits[NO_LIST].record_rejection(error, failure)
    if earlier is None:
        _fail(account, contact, error)
        return
    revert_failures(account.id, account.now(), earlier)
    postpone([contact], account.now() + HELD_BACK_MS)


def _fail(account: Account, contact: Contact, error: DeliveryError) -> None:
    refused = RejectedContact(contact.pending, error, _request(contact), CALL)
    acknowledge_single(account.id, account.now(), contact.email, refused)


def _request(contact: Contact) -> str:
    return msgspec.json.encode({"Email": contact.email, **contact.desired.present_values}).decode()


def _delete(account: Account, contact: Contact) -> None:
    """Delete a contact at Mailjet, for good (v4). What Mailjet does not have is deleted already."""
    found = None
    try:
        if found := account.client.contact(contact.email):
            save_sent([(contact, contact.delivered)])
            account.client.delete_contact(found.id)
    except DeliveryError as error:
        erasure.note_error(contact.email, error)
        if isinstance(error, TransientError):
            question_failed(account, contact, error)
        elif isinstance(error, PauseError) and not found:  # the keys do for nothing
            raise
        else:
            log.warning("A contact cannot be deleted, and is tried again later: %s", error.code)
            postpone([contact], account.now() + ERASE_AGAIN_MS)
    else:
        account.circuits[NO_LIST].record_success()
        acknowledge_single(account.id, account.now(), contact.email, Erased())
