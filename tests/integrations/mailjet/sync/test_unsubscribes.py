"""Unsubscribes that only Mailjet knows of are found there, and are the person's own word."""

from threading import Event
from typing import Any

import pytest

from jetbridge.control.directory import load_accounts
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.contacts.consent import OptOut, learn
from jetbridge.integrations.mailjet.contacts.contact import lists_in_use, load_contacts
from jetbridge.integrations.mailjet.models import Contact
from jetbridge.integrations.mailjet.sync import unsubscribes as unsubscribes_module
from jetbridge.integrations.mailjet.sync.remote import Reads
from jetbridge.integrations.mailjet.sync.unsubscribes import ALL_EVERY, Unsubscribes
from jetbridge.privacy import suppression
from jetbridge.spec.person import Identity

from .conftest import NOON, Bridge

#: After the sandbox's own clock.
MUCH_LATER_S = 100_000_000
NOON_MS = int(NOON.timestamp() * 1000)


def watch() -> Unsubscribes:
    (account,) = load_accounts()
    return Unsubscribes(account, list)


def look(bridge: Bridge, unsubscribes: Unsubscribes | None = None) -> int:
    return (unsubscribes or watch()).scan(Reads(bridge.mailjet, per_second=10_000), Event())


def state(email: str) -> Any:
    return load_contacts(1, [email])[email].desired


@pytest.fixture
def ann(started: Any) -> Bridge:
    bridge: Bridge = started
    bridge.send("ann", {"email": "ann@b.com"})
    bridge.settle()
    return bridge


def test_an_unsubscribe_is_learned_once_with_its_time(ann: Bridge) -> None:
    ann.mailjet.managecontactslists("ann@b.com", {ann.list_id: "unsub"})
    assert (look(ann), look(ann)) == (1, 0)
    action, at = state("ann@b.com").lists[ann.list_id]
    assert (action, at > NOON_MS) == ("unsub", True)
    assert Contact.objects.get().next_attempt_at is None


def test_it_moves_with_a_changed_address_whatever_mailjet_says_by_then(ann: Bridge) -> None:
    ann.mailjet.managecontactslists("ann@b.com", {ann.list_id: "unsub"})
    look(ann)
    ann.mailjet.managecontactslists("ann@b.com", {ann.list_id: "remove"})
    ann.send("ann", {"email": "ann@new.com"}, at=MUCH_LATER_S)
    ann.settle()
    assert ann.subscriptions("ann@new.com") == {ann.list_id: False}


@pytest.mark.parametrize(("requested_at", "subscribed"), [(0, False), (MUCH_LATER_S, True)])
def test_only_an_addforce_said_afterwards_stands(ann: Bridge, requested_at: int, *, subscribed: bool) -> None:
    ann.mailjet.managecontactslists("ann@b.com", {ann.list_id: "unsub"})
    look(ann)
    ann.send("ann", {"n": 1}, at=requested_at, integrations={"Mailjet": {"action": "addforce"}})
    ann.settle()
    assert ann.subscriptions("ann@b.com") == {ann.list_id: subscribed}


def test_an_unsubscribe_older_than_an_addforce_is_no_news(ann: Bridge) -> None:
    ann.send("ann", {"n": 1}, at=MUCH_LATER_S, integrations={"Mailjet": {"action": "addforce"}})
    ann.settle()
    ann.mailjet.managecontactslists("ann@b.com", {ann.list_id: "unsub"})
    assert look(ann) == 0
    assert state("ann@b.com").lists[ann.list_id][0] == "addforce"


def test_our_own_unsubscribes_are_not_taken_for_the_persons_word(ann: Bridge) -> None:
    for user in ("complains", "bounces", "says"):
        ann.send(user, {"email": f"{user}@b.com"})
    ann.settle()
    learn(1, [OptOut("complains@b.com", NOON_MS), OptOut("bounces@b.com", NOON_MS, bounced=True)], now=0)
    ann.send("says", {"unsubscribed": True})
    ann.send("ann", {"n": 1})
    ann.settle()
    while Contact.objects.exclude(next_attempt_at=None).exists():
        pass
    assert ann.subscriptions("bounces@b.com") == {ann.list_id: False}
    assert look(ann) == 0
    assert state("bounces@b.com").lists[ann.list_id][0] == "addnoforce"


@pytest.mark.parametrize("looked", [True, False])
def test_an_unsubscribe_before_the_bounce_is_the_persons_word(ann: Bridge, *, looked: bool) -> None:
    ann.mailjet.managecontactslists("ann@b.com", {ann.list_id: "unsub"})
    learn(1, [OptOut("ann@b.com", NOON_MS + MUCH_LATER_S * 1000, bounced=True)], now=0)
    if looked:
        assert look(ann) == 1
    ann.send("ann", {"email": "ann@new.com"}, at=MUCH_LATER_S + 1)
    ann.settle()
    assert ann.subscriptions("ann@new.com") == {ann.list_id: False}


def test_an_unsubscribe_after_the_bounce_is_ours_and_does_not_move(ann: Bridge) -> None:
    learn(1, [OptOut("ann@b.com", NOON_MS, bounced=True)], now=0)
    ann.send("ann", {"n": 1})
    ann.settle()
    ann.send("ann", {"email": "ann@new.com"}, at=MUCH_LATER_S)
    ann.settle()
    assert ann.subscriptions("ann@b.com") == {ann.list_id: False}
    assert ann.subscriptions("ann@new.com") == {ann.list_id: True}


def test_an_addforce_after_an_unsubscribe_moves_with_a_changed_address(ann: Bridge) -> None:
    ann.mailjet.managecontactslists("ann@b.com", {ann.list_id: "unsub"})
    force = {"Mailjet": {"action": "addforce"}}
    ann.send("ann", {"email": "ann@new.com"}, at=MUCH_LATER_S, integrations=force)
    ann.settle()
    assert ann.subscriptions("ann@new.com") == {ann.list_id: True}


def test_who_leaves_after_an_unsubscribe_is_no_news(ann: Bridge) -> None:
    learn(1, [OptOut("ann@b.com", NOON_MS)], now=0)
    ann.send("ann", {"email": "ann@new.com"}, at=1)
    ann.settle()
    assert ann.subscriptions("ann@b.com") == {ann.list_id: False}
    assert look(ann) == 0


def test_an_unsubscribe_of_an_address_that_was_left_reaches_the_new_one(ann: Bridge, eventually: Any) -> None:
    ann.send("ann", {"email": "ann@new.com"}, at=1)
    ann.settle()
    ann.mailjet.managecontactslists("ann@b.com", {ann.list_id: "unsub"})
    assert look(ann) == 1
    expected = {ann.list_id: False}
    eventually(lambda: ann.subscriptions("ann@new.com") == expected, "the new address is unsubscribed")


def test_an_exclusion_from_campaigns_means_all_lists(ann: Bridge) -> None:
    ann.mailjet._transport.call("PUT", "/v3/REST/contact/ann@b.com", body={"IsExcludedFromCampaigns": True})
    assert (look(ann), look(ann)) == (1, 0)
    assert state("ann@b.com").opted_out > NOON_MS
    while Contact.objects.exclude(next_attempt_at=None).exists():
        pass
    assert ann.subscriptions("ann@b.com") == {ann.list_id: False}


def test_addresses_that_were_never_synced_are_remembered_unless_forgotten(ann: Bridge) -> None:
    for name in ("stranger", "forgotten"):
        ann.mailjet.managecontact(ann.list_id, {"Email": f"{name}@b.com", "Action": "unsub"})
    suppression.suppress(1, Identity.of_name("forgotten@b.com"))
    assert look(ann) == 1
    ann.send("s", {"email": "stranger@b.com"}, at=MUCH_LATER_S)
    ann.settle()
    assert ann.subscriptions("stranger@b.com") == {ann.list_id: False}
    assert not Contact.objects.filter(email="forgotten@b.com").exists()


def test_nothing_is_read_where_nothing_can_have_changed(ann: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    page = MailjetClient.page

    def noticed(*args: Any, **options: Any) -> Any:
        read.append(args[1].resource)
        return page(*args, **options)

    monkeypatch.setattr(MailjetClient, "page", noticed)
    unsubscribes = watch()
    look(ann, unsubscribes)
    assert read == []
    ann.mailjet.managecontactslists("ann@b.com", {ann.list_id: "unsub"})
    assert (look(ann, unsubscribes), look(ann, unsubscribes)) == (1, 0)
    assert read == ["listrecipient", "contact"]


def test_looks_that_are_asked_for_walk_through_all_contacts_once(
    ann: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first sync asks for one with each body."""
    walks: list[set[int]] = []
    walk = lists_in_use

    def counted(account: int) -> set[int]:
        walks.append(walk(account))
        return walks[-1]

    monkeypatch.setattr(unsubscribes_module, "lists_in_use", counted)
    unsubscribes, reads = watch(), Reads(ann.mailjet, per_second=10_000)
    for _ in range(ALL_EVERY + 1):
        unsubscribes.scan(reads, Event(), everything=True)
    assert len(walks) == 1


def test_lists_that_only_a_call_named_are_looked_at(ann: Bridge) -> None:
    other = ann.mailjet.create_contactslist("Other").id
    ann.send("ann", {}, integrations={"Mailjet": {"listId": other}})
    ann.settle()
    ann.mailjet.managecontactslists("ann@b.com", {other: "unsub"})
    assert look(ann) == 1
    assert state("ann@b.com").lists[other][0] == "unsub"


def test_a_worker_looks_by_itself(bridge: Any, eventually: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jetbridge.integrations.mailjet.sync.unsubscribes.FIRST_SECONDS", 0.0)
    bridge.mailjet.managecontact(bridge.list_id, {"Email": "ann@b.com", "Action": "unsub"})
    bridge.start()
    eventually(Contact.objects.filter(email="ann@b.com").exists, "the unsubscribe is remembered")
