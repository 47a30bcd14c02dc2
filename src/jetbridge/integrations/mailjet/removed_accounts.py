"""Deletes the rows of Mailjet accounts that were removed, and fails the messages that wait for their contacts.

In the worker, and in parts: a million contacts would delay the page that removes an account, and a thread
that has not stopped yet may still write some.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator
from threading import Event
from typing import get_args

from django.db import DatabaseError, transaction

from jetbridge.control.models import Destination, MailjetAccount
from jetbridge.delivery import ledger
from jetbridge.delivery.base import FAILED, DeliveryCounts, DeliveryRecord
from jetbridge.delivery.models import ConsumerOffset, source_consumer
from jetbridge.integrations.mailjet import models
from jetbridge.integrations.mailjet.contacts.contact import Contact, all_contacts, delete, newest_contact
from jetbridge.integrations.mailjet.contacts.pending import flatten
from jetbridge.integrations.mailjet.sync.results import fail_contact

log = logging.getLogger(__name__)

EVERY_SECONDS = 60.0
ACCOUNT_REMOVED = "ACCOUNT_REMOVED"
_DETAIL = "The Mailjet account was removed before the contact was sent."

_Table = (
    models.Contact
    | models.Person
    | models.ComputedAddress
    | models.Job
    | models.RejectedValue
    | models.ReplacedList
)
_TABLES: tuple[type[_Table], ...] = get_args(_Table)


def run(stop: Event) -> None:
    while not stop.wait(EVERY_SECONDS):
        try:
            sweep(stop)
        except DatabaseError as error:
            log.warning("what is left of removed accounts waits for the next round: %s", error)


def sweep(stop: Event) -> None:
    """Do it once, or until `stop` is set."""
    known = set(MailjetAccount.objects.values_list("id", flat=True))
    for account in {account for table in _TABLES for account in _accounts_in(table)} - known:
        _delete_contacts(account, stop)
        if not stop.is_set():
            for table in _TABLES:
                table.objects.filter(account_id=account).delete()
            log.info("nothing is left of the removed Mailjet account %s.", account)

    # Retention waits for every consumer; those of removed accounts read nothing more.
    sources = MailjetAccount.objects.values_list("event_source_id", flat=True)
    needed = [source_consumer(source) for source in sources]
    prefix = source_consumer(0).removesuffix("0")
    ConsumerOffset.objects.filter(consumer__startswith=prefix).exclude(consumer__in=needed).delete()


def _delete_contacts(account: int, stop: Event) -> None:
    newest, _ = newest_contact(account)
    # A contact that cannot be read fails here; its row goes with the table.
    for page in all_contacts(account, newest, lambda id_, _, error: fail_contact(account, 0, id_, error)):
        if stop.is_set():
            return
        with transaction.atomic():
            _fail(page)
            delete(page)


def _accounts_in(table: type[_Table]) -> Iterator[int]:
    """Each by the index, whatever the size of the table."""
    after = 0
    rows = table.objects.order_by("account_id").values_list("account_id", flat=True)
    while (account := rows.filter(account_id__gt=after).first()) is not None:
        yield account
        after = account


def _fail(contacts: Iterable[Contact]) -> None:
    """Every message that waits for these contacts."""
    counts_of: dict[int, DeliveryCounts] = defaultdict(DeliveryCounts)
    for contact in contacts:
        for destination, _, waiting in flatten(contact.pending):
            counts_of[destination].in_flight -= waiting.total
            counts_of[destination].fail(
                DeliveryRecord(
                    outcome=FAILED,
                    reason=ACCOUNT_REMOVED,
                    detail=_DETAIL,
                    position=waiting.position,
                    total=waiting.total,
                    message_id=waiting.message_id,
                    person=contact.email,
                )
            )
    there = set(Destination.objects.filter(id__in=counts_of).values_list("id", flat=True))
    for destination, counts in counts_of.items():
        if destination not in there:  # nobody would find them, nor would an erasure
            counts.delivery_records.clear()
        ledger.add(destination, counts)
