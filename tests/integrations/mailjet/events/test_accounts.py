"""Accounts that come and go: their rows, and the readers that begin with them."""

import json
from dataclasses import dataclass

import pytest

from jetbridge.control import directory
from jetbridge.control.models import Destination, MailjetAccount, Source, Workspace
from jetbridge.delivery import ledger
from jetbridge.delivery.models import destination_consumer, source_consumer
from jetbridge.errors import ConfigurationError
from jetbridge.eventlog.base import Entry
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet import accounts
from jetbridge.integrations.mailjet.services.accounts import add_account, remove_account
from jetbridge.integrations.mailjet.services.email_events import send_events
from jetbridge.services import new_destinations

URL = "https://api.mailjet.com"
TO_SEGMENT = {"endpoint": "https://events.eu1.segmentapis.com", "writeKey": "w"}


@dataclass
class Shop:
    log: SqliteEventLog
    workspace: Workspace

    def add_account(self, key: str = "public") -> MailjetAccount:
        return add_account(self.log, self.workspace, f"{URL}/", key, "private")


@pytest.fixture
def shop(event_log: SqliteEventLog) -> Shop:
    event_log.append([Entry(1, "identify", 0, b"{}")])
    return Shop(event_log, Workspace.objects.create(name="Shop"))


def test_an_account_begins_to_read_its_events_at_the_logs_end(shop: Shop) -> None:
    account = shop.add_account()
    assert (account.name, account.api_url) == ("Mailjet public", URL)
    assert ledger.position(source_consumer(account.event_source_id)) == shop.log.counts().end > 0


def test_the_same_key_twice_is_refused_and_says_where_it_is(shop: Shop) -> None:
    shop.add_account()
    with pytest.raises(ConfigurationError, match="that of Mailjet public"):
        shop.add_account()
    assert MailjetAccount.objects.count() == Source.objects.count() == 1


def test_a_key_pair_can_be_changed_but_not_to_that_of_another_account(shop: Shop) -> None:
    account, other = shop.add_account(), shop.add_account("other")
    accounts.change_key_pair(account, "newer", "key")
    assert MailjetAccount.objects.get(id=account.id).secret_key == "key"
    with pytest.raises(ConfigurationError, match="Mailjet other"):
        accounts.change_key_pair(account, other.api_key, "key")


def test_a_list_has_one_app_connection(shop: Shop) -> None:
    account = shop.add_account()
    first, second = accounts.connect_list(account, 7, "Customers"), accounts.connect_list(account, 8, "Fans")
    with pytest.raises(ConfigurationError, match="Customers"):
        accounts.connect_list(account, 7, "Customers")
    with pytest.raises(ConfigurationError, match="Fans"):
        accounts.choose_list(first, 8, "Fans")
    accounts.choose_list(first, 7, "Clients")
    assert {row.list_name for row in account.app_connections.all()} == {"Clients", "Fans"}
    assert first.authentication_key != second.authentication_key


def test_events_go_to_segment_from_now_on_and_stop_again(shop: Shop) -> None:
    account = shop.add_account()
    row, _ = send_events(shop.log, account, TO_SEGMENT, enabled=True)
    [ref] = directory.load_destinations()
    assert (ref.kind, ref.settings, ref.secrets) == (
        "segment",
        {"endpoint": TO_SEGMENT["endpoint"]},
        {"writeKey": "w"},
    )
    assert ref.source_kinds == {account.event_source_id: "mailjet"}
    assert ledger.position(destination_consumer(row.id)) == shop.log.counts().end
    again, changed = send_events(shop.log, account, {}, enabled=False)
    assert (again, [change.what for change in changed]) == (row, ["enabled"])
    assert directory.load_destinations() == []


def test_events_need_a_write_key(shop: Shop) -> None:
    account = shop.add_account()
    with pytest.raises(ConfigurationError, match="Write key is needed"):
        send_events(shop.log, account, {"endpoint": URL}, enabled=True)
    assert Destination.objects.count() == 0


def test_who_cannot_do_without_a_removed_account_is_switched_off(shop: Shop) -> None:
    account, other = shop.add_account(), shop.add_account("other")
    connection = accounts.connect_list(account, 7, "Customers")
    website = Source.objects.create(workspace=shop.workspace, kind="http", name="Website")
    values = {"apiKey": connection.authentication_key, "listId": "7"}
    contacts = new_destinations.add(shop.log, shop.workspace, "mailjet", "Mailjet", values, sources=[website])
    events, _ = send_events(shop.log, account, TO_SEGMENT, enabled=True)
    mixed = new_destinations.add(
        shop.log, shop.workspace, "segment", "All", TO_SEGMENT, sources=[account.event_source, website]
    )
    theirs, _ = send_events(shop.log, other, TO_SEGMENT, enabled=True)
    assert remove_account(account) == [contacts, events]
    assert [ref.id for ref in directory.load_destinations()] == [mixed.id, theirs.id]
    assert list(MailjetAccount.objects.all()) == [other]
    assert {row.name for row in Source.objects.filter(enabled=True)} == {"Website", "Mailjet events 2"}
    assert directory.load_credentials().by_authentication_key_digest == {}


def test_a_destination_is_checked_before_it_is_added(shop: Shop) -> None:
    with pytest.raises(ConfigurationError, match="belongs to no app connection"):
        new_destinations.add(
            shop.log, shop.workspace, "mailjet", "Mailjet", {"apiKey": "x", "listId": "1"}, sources=[]
        )
    assert Destination.objects.count() == 0


def test_a_destination_is_added_with_its_settings_apart_from_its_secrets(shop: Shop) -> None:
    row = new_destinations.add(
        shop.log, shop.workspace, "segment", "Segment", {**TO_SEGMENT, "endpoint": " "}, sources=[]
    )
    again = new_destinations.add(
        shop.log, shop.workspace, "segment", "Segment", TO_SEGMENT, sources=[], enabled=False
    )
    assert (row.settings, json.loads(row.secrets)) == ({}, {"writeKey": "w"})
    assert (again.name, again.enabled) == ("Segment 2", False)
