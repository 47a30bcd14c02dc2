"""Contacts whose stored state cannot be decoded: they are recorded, so that there is a light, and their messages fail.

They stop no other contact. Only their ids are recorded: who they are stands in their rows.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from threading import Event

from django.db import DatabaseError

from jetbridge.control.models import Destination, MailjetAccount
from jetbridge.delivery import ledger
from jetbridge.delivery.base import FAILED, IN_FLIGHT, DeliveryCounts, DeliveryRecord
from jetbridge.delivery.isolation import INTERNAL_ERROR
from jetbridge.delivery.light import Light
from jetbridge.delivery.models import Outcome
from jetbridge.integrations.mailjet.contacts import pending, queries
from jetbridge.integrations.mailjet.contacts.contact import (
    all_contacts,
    log_unreadable,
    newest_contact,
    readable,
    record_unreadable,
)
from jetbridge.integrations.mailjet.models import UnreadableRow
from jetbridge.privacy.models import Erasure
from jetbridge.spec.untrusted import JSON_ERRORS
from jetbridge.text import pluralize

log = logging.getLogger(__name__)

#: Contacts that are read for the light.
MOST = 200
#: The first look at all contacts after a start, and the time between two looks.
FIRST_SECONDS, EVERY_SECONDS = 30.0, 24 * 3_600.0
#: After each page of 1,000 contacts, for the threads that deliver.
PAUSE_SECONDS = 0.1

_MESSAGE = (
    "The contact's stored state cannot be read, so which messages wait for it is not known; so many are left over. Run "
    "`jetbridge contacts verify --repair`, then `jetbridge destinations replay`."
)


def run(stop: Event) -> None:
    """Read the contacts of all accounts, shortly after the start and then once a day, until `stop` is set: a contact that
    gets no messages would stay unreadable unseen.
    """
    wait = FIRST_SECONDS
    while not stop.wait(wait):
        wait = EVERY_SECONDS
        try:
            sweep(stop)
        except DatabaseError as error:
            log.warning("whether all contacts can be read is looked at later: %s", error)
            wait = FIRST_SECONDS


def sweep(stop: Event) -> None:
    """Do it once, or until `stop` is set. A million contacts take some two minutes, most of them pauses."""
    for account in MailjetAccount.objects.order_by("id").values_list("id", flat=True):

        def unreadable(contact_id: int, email: str, error: Exception, account: int = account) -> None:
            log_unreadable(contact_id, email, error)
            record_unreadable(account, contact_id)

        newest, _ = newest_contact(account)
        for _ in all_contacts(account, newest, unreadable):
            if stop.wait(PAUSE_SECONDS):
                return


def lights() -> Iterator[Light]:
    """One for each account. One that can be read again, or is gone, is none."""
    rows = UnreadableRow.objects.filter(contact_id__gt=0).order_by("contact_id")
    accounts = dict(rows.values_list("contact_id", "account_id")[:MOST])
    if not accounts:
        return
    totals: Counter[int] = Counter()
    readable(
        queries.rows_of_ids(queries.CONTACTS_BY_ID, accounts),
        lambda id_, *_: totals.update([accounts[id_]]),
    )
    for account in MailjetAccount.objects.filter(id__in=totals).order_by("id"):
        yield Light(
            "CONTACT_UNREADABLE", "fail", f"contacts:{account.id}",
            f"{account}: the stored state of {pluralize(totals[account.id], 'contact')} cannot be read",
            "`jetbridge contacts verify` names them, and `jetbridge contacts verify --repair` begins their state anew; then `jetbridge destinations replay` brings what "
            "was sent of them. Until then their messages fail (INTERNAL_ERROR); all others go on. Please report it.",
            workspace=account.workspace_id,
        )  # fmt: skip


def fail_unreadable_messages() -> None:
    """Let messages fail that wait for a contact which cannot say which they are: those that a destination has in flight and
    that no readable contact has. In the caller's transaction.
    """
    waiting: Counter[int] = Counter()
    unreadable: dict[int, str] = {}
    for id_, email, text in queries.rows(queries.ALL_PENDING):
        try:
            for destination, _, messages in pending.flatten(pending.decode_pending(text)):
                waiting[destination] += messages.total
        except (ValueError, *JSON_ERRORS):
            unreadable[id_] = email
    for requested_by in Erasure.objects.filter(ended_at=None).values_list("destination_id", flat=True):
        waiting[requested_by or 0] += 1
    in_flight: Counter[int] = Counter()
    rows = Outcome.objects.filter(outcome=IN_FLIGHT)
    for destination, total in rows.values_list("destination_id", "total"):
        in_flight[destination] += total
    for destination in Destination.objects.filter(kind="mailjet").values_list("id", flat=True):
        if (lost := in_flight[destination] - waiting[destination]) > 0:
            counts = DeliveryCounts(in_flight=-lost)
            person = next(iter(unreadable.values())) if len(unreadable) == 1 else ""
            counts.fail(DeliveryRecord(FAILED, INTERNAL_ERROR, _MESSAGE, 0, lost, person=person))
            ledger.add(destination, counts)
    queries.write(queries.NO_PENDING, [(id_,) for id_ in unreadable])
