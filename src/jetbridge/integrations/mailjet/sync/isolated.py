"""A contact that raises an exception alone: its messages fail, and its account goes on without it.

Its state is not decoded to do so, because that may be what raises.
"""

import logging
from collections import defaultdict
from collections.abc import Callable

from django.db import transaction

from jetbridge.delivery import isolation, ledger
from jetbridge.delivery.base import FAILED, DeliveryCounts, DeliveryRecord
from jetbridge.delivery.isolation import INTERNAL_ERROR
from jetbridge.integrations.mailjet.contacts import pending, queries, state, unreadable
from jetbridge.integrations.mailjet.contacts.contact import (
    Contact,
    forget_unreadable,
    readable,
    record_unreadable,
)
from jetbridge.integrations.mailjet.contacts.pending import add_failed, flatten
from jetbridge.integrations.mailjet.sync.results import ERASE_AGAIN_MS, Acknowledgement, acknowledge
from jetbridge.spec.untrusted import JSON_ERRORS

log = logging.getLogger(__name__)

#: What a contact's history calls it.
_BY = "update"


def fail_contact(account: int, now: int, contact_id: int, error: Exception) -> None:
    """Let the messages that wait for a contact fail with INTERNAL_ERROR. It is due again with its next message.

    A contact that is to be forgotten stays due. One that cannot be read is remembered as such (`unreadable`).
    """
    isolation.note(error, f"Contact {contact_id} of Mailjet account {account}")
    with transaction.atomic():
        for email, desired, waiting, known in queries.rows(queries.RAW_CONTACT, contact_id):
            next_attempt_at = now + ERASE_AGAIN_MS if _pending_deletion(desired) else None
            try:
                messages = pending.decode_pending(waiting) if waiting else {}
            except (ValueError, *JSON_ERRORS):
                unreadable.fail_unreadable_messages()
                messages = {}
            tallies: defaultdict[int, DeliveryCounts] = defaultdict(DeliveryCounts)
            for destination, _, each in flatten(messages):
                tallies[destination].in_flight -= each.total
                tallies[destination].fail(
                    DeliveryRecord(
                        outcome=FAILED,
                        reason=INTERNAL_ERROR,
                        detail=isolation.bug_message(error),
                        position=each.position,
                        total=each.total,
                        message_id=each.message_id,
                        person=email,
                    )
                )
            entries = add_failed(known, now, _BY, INTERNAL_ERROR, messages)
            queries.write(queries.FAIL_CONTACT, [(None, next_attempt_at, entries, contact_id)])
            for destination, counts in tallies.items():
                ledger.add(destination, counts)

    if is_unreadable(contact_id):
        record_unreadable(account, contact_id)


def is_unreadable(contact_id: int) -> bool:
    found: list[int] = []
    readable(queries.rows(queries.ONE_CONTACT, contact_id), lambda id_, *_: found.append(id_))
    return bool(found)


def begin_anew(account: int, now: int, contact_id: int, error: Exception) -> None:
    """Let a contact that cannot be read be as if it had never been, its messages failed. Mailjet keeps what it has of it."""
    with transaction.atomic():
        fail_contact(account, now, contact_id, error)
        queries.write(queries.DELETE_CONTACT, [(contact_id,)])
        forget_unreadable(contact_id)


def _pending_deletion(desired: bytes) -> bool:
    try:
        return state.decode_desired(desired).pending_deletion
    except (ValueError, *JSON_ERRORS):
        return False


def acknowledge_job(
    account: int, now: int, job_id: int, acknowledge_contact: Callable[[Acknowledgement, Contact], bool]
) -> list[tuple[Contact, bool]]:
    """Acknowledge the contacts of a job that has ended, in one transaction; return them, with what `acknowledge_contact` says of each.

    If that raises, each has one of its own within the caller's, and who raises alone fails.
    """
    try:
        return _acknowledge(account, now, acknowledge_contact, queries.JOB_CONTACTS, account, job_id)
    except Exception as error:
        if isolation.is_environmental(error):
            raise
        isolation.note(error, f"Job {job_id} of Mailjet account {account}")
    acknowledged: list[tuple[Contact, bool]] = []
    for (contact_id,) in queries.rows(queries.JOB_IDS, account, job_id):
        try:
            acknowledged += _acknowledge(account, now, acknowledge_contact, queries.ONE_CONTACT, contact_id)
        except Exception as error:
            if isolation.is_environmental(error):
                raise
            fail_contact(account, now, contact_id, error)
    return acknowledged


def _acknowledge(
    account: int,
    now: int,
    acknowledge_contact: Callable[[Acknowledgement, Contact], bool],
    statement: str,
    *parameters: int,
) -> list[tuple[Contact, bool]]:
    with acknowledge(account, now) as work:
        contacts = [Contact.of_row(row) for row in queries.rows(statement, *parameters)]
        return [(contact, acknowledge_contact(work, contact)) for contact in contacts]
