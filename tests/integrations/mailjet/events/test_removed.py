"""What is left of an account that was removed goes, and the account of its destinations still balances."""

import threading
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from jetbridge.control.directory import load_destinations
from jetbridge.control.models import Destination, MailjetAccount, Source, Workspace
from jetbridge.delivery import ledger
from jetbridge.delivery.consumer import Consumer
from jetbridge.delivery.models import ConsumerOffset, DeliveryRecordRow, destination_consumer, source_consumer
from jetbridge.delivery.report import report
from jetbridge.eventlog.base import Entry
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet import accounts, removed_accounts
from jetbridge.integrations.mailjet.definition import MAILJET
from jetbridge.integrations.mailjet.models import Contact, Person, RejectedValue
from jetbridge.integrations.mailjet.services.accounts import add_account, remove_account
from jetbridge.services import new_destinations, removal
from jetbridge.spec.message import Message, encode

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Shop:
    log: SqliteEventLog
    account: MailjetAccount
    destination: Destination

    def identify(self, user: str, email: str) -> None:
        traits = {"email": email}
        message = Message(
            type="identify",
            message_id=f"m-{user}",
            timestamp=NOW,
            received_at=NOW,
            user_id=user,
            traits=traits,
        )
        [source] = self.destination.sources.all()
        self.log.append([Entry(source.id, "identify", 0, encode(message))])

    def merge(self) -> None:
        """Take what is new into the contact state; nobody tells Mailjet."""
        [ref] = [each for each in load_destinations() if each.id == self.destination.id]
        consumer = Consumer(
            event_log=self.log,
            destination_id=ref.id,
            destination=MAILJET.open(ref),
            route=MAILJET.route(ref),
        )
        for feed in consumer._feeds():
            if batch := feed.next(1_000):
                consumer._destination.deliver(batch.items, batch)


@pytest.fixture
def shop(event_log: SqliteEventLog) -> Shop:
    workspace = Workspace.objects.create(name="Shop")
    website = Source.objects.create(workspace=workspace, kind="http", name="Website")
    account = add_account(event_log, workspace, "http://127.0.0.1:9", "public", "private")
    connection = accounts.connect_list(account, 7, "Customers")
    values = {"apiKey": connection.authentication_key, "listId": "7"}
    row = new_destinations.add(event_log, workspace, "mailjet", "Mailjet", values, sources=[website])
    shop = Shop(event_log, account, row)
    for number in range(3):
        shop.identify(f"u{number}", f"{number}@example.com")
    shop.merge()
    RejectedValue.objects.create(
        account_id=account.id, property="age", message="", email="0@example.com", at=NOW
    )
    return shop


def test_contact_state_goes_and_what_waits_fails(shop: Shop) -> None:
    [before] = report(shop.log.counts)
    assert (before.received, before.in_flight, Contact.objects.count()) == (3, 3, 3)
    remove_account(shop.account)
    removed_accounts.sweep(threading.Event())
    assert [table.objects.count() for table in (Contact, Person, RejectedValue)] == [0, 0, 0]
    [after] = report(shop.log.counts)
    assert (after.in_flight, after.reasons["failed"], after.balanced) == (0, {"ACCOUNT_REMOVED": 3}, True)
    assert sorted(DeliveryRecordRow.objects.values_list("person", "message_id")) == [
        (f"{number}@example.com", f"m-u{number}") for number in range(3)
    ]


def test_a_contact_that_cannot_be_read_goes_as_well(shop: Shop) -> None:
    Contact.objects.filter(email="1@example.com").update(desired=b"[]")
    remove_account(shop.account)
    removed_accounts.sweep(threading.Event())
    assert Contact.objects.count() == 0
    [after] = report(shop.log.counts)
    assert (after.in_flight, after.balanced) == (0, True)
    assert after.reasons["failed"] == {"ACCOUNT_REMOVED": 2, "INTERNAL_ERROR": 1}


def test_accounts_that_are_there_keep_everything(shop: Shop) -> None:
    removed_accounts.sweep(threading.Event())
    assert Contact.objects.count() == 3
    assert ConsumerOffset.objects.filter(consumer=source_consumer(shop.account.event_source_id)).exists()


def test_the_reader_of_its_events_no_longer_keeps_the_log(shop: Shop) -> None:
    remove_account(shop.account)
    removed_accounts.sweep(threading.Event())
    assert list(ledger.positions()) == [destination_consumer(shop.destination.id)]


def test_nothing_of_anybody_stays_for_a_destination_that_was_removed_as_well(shop: Shop) -> None:
    remove_account(shop.account)
    removal.remove(Destination.objects.get())
    removed_accounts.sweep(threading.Event())
    assert DeliveryRecordRow.objects.count() == Contact.objects.count() == 0


def test_a_sweep_that_was_stopped_is_taken_up_again(shop: Shop) -> None:
    remove_account(shop.account)
    stop = threading.Event()
    stop.set()
    removed_accounts.sweep(stop)
    assert Contact.objects.count() == 3
    removed_accounts.sweep(threading.Event())
    assert Contact.objects.count() == 0
