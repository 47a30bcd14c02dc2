"""One Mailjet account, two app connections: one set of properties, a subscription per list."""

import time
from typing import Any

import pytest

from jetbridge.integrations.mailjet.contacts.consent import OptOut, learn
from jetbridge.integrations.mailjet.sync import account as account_

from .conftest import TwoLists

#: After every message of these tests, and after that.
LATER_MS = 1_800_000_000_000
MUCH_LATER_S = 100_000_000


@pytest.mark.parametrize("total", [1, 20])
def test_a_contact_on_both_lists_has_one_set_of_properties(two: TwoLists, total: int) -> None:
    two.bridge.log.append(
        [two.bridge.identify(f"u{n}", {"email": f"p{n}@b.com", "plan": "pro"}) for n in range(total)]
    )
    two.start()
    assert [row.delivered for row in two.settle()] == [total, total]
    assert two.bridge.properties("p0@b.com") == {"plan": "pro"}
    assert two.bridge.subscriptions("p0@b.com") == {two.first: True, two.second: True}


def test_calls_of_one_connection_reach_its_list_alone_and_the_shared_properties(two: TwoLists) -> None:
    two.start()
    two.send("ann")
    two.settle()
    entry = two.bridge.identify("ann", {"plan": "pro"})
    two.bridge.log.append([entry._replace(source=two.second_only)])
    two.send("bob", second_only=True)
    assert [row.delivered for row in two.settle()] == [1, 3]
    assert two.bridge.properties("ann@b.com") == {"plan": "pro"}
    assert two.bridge.subscriptions("bob@b.com") == {two.second: True}


def test_an_unsubscribe_from_one_list_leaves_the_other(two: TwoLists) -> None:
    two.start()
    two.send("ann")
    two.settle()
    learn(1, [OptOut("ann@b.com", LATER_MS, two.second)], now=0)
    two.bridge.mailjet.managecontactslists("ann@b.com", {two.second: "unsub"})
    two.bridge.send("ann", {"plan": "pro"}, at=MUCH_LATER_S)
    two.settle()
    assert two.bridge.properties("ann@b.com") == {"plan": "pro"}
    assert two.bridge.subscriptions("ann@b.com") == {two.first: True, two.second: False}


def test_an_addforce_subscribes_again_on_its_list_only(two: TwoLists) -> None:
    two.start()
    two.send("ann")
    two.settle()
    learn(1, [OptOut("ann@b.com", LATER_MS, each) for each in (two.first, two.second)], now=0)
    two.bridge.mailjet.managecontactslists("ann@b.com", {two.first: "unsub", two.second: "unsub"})
    force = {"Mailjet": {"action": "addforce"}}
    two.send("ann", second_only=True, at=MUCH_LATER_S, integrations=force)
    two.settle()
    assert two.bridge.subscriptions("ann@b.com") == {two.first: False, two.second: True}


def test_a_call_may_name_a_third_list_for_all_its_destinations(two: TwoLists) -> None:
    third = two.bridge.mailjet.create_contactslist("Third").id
    two.start()
    two.send("ann", integrations={"Mailjet": {"listId": third}})
    assert [row.delivered for row in two.settle()] == [1, 1]
    assert two.bridge.subscriptions("ann@b.com") == {third: True}


@pytest.mark.parametrize("gone", ["first", "second"])
@pytest.mark.parametrize("total", [1, 20])
def test_a_list_that_is_gone_holds_its_destination_alone(
    two: TwoLists, monkeypatch: pytest.MonkeyPatch, eventually: Any, gone: str, total: int
) -> None:
    """Of contacts that are wanted on both lists nothing is lost: they wait for the one that is gone."""
    monkeypatch.setattr(account_, "PROBE_MS", 200)
    lists = {"first": two.first, "second": two.second}
    two.set_deleted(lists[gone], deleted=True)
    two.start()
    two.send(*[f"both{n}" for n in range(total)])
    expected = {"first": ["paused", "running"], "second": ["running", "paused"]}[gone]
    eventually(lambda: [row.state for row in two.reports()] == expected, f"only {gone} is held")
    time.sleep(0.5)
    assert [row.state for row in two.reports()] == expected
    two.set_deleted(lists[gone], deleted=False)
    assert [row.delivered for row in two.settle()] == [total, total]
    eventually(lambda: [row.state for row in two.reports()] == ["running", "running"], "both run again")
    assert two.bridge.subscriptions("both0@b.com") == {two.first: True, two.second: True}


@pytest.mark.parametrize("total", [1, 20])
def test_a_list_that_is_gone_does_not_delay_contacts_of_the_other(
    two: TwoLists, eventually: Any, total: int
) -> None:
    two.set_deleted(two.first, deleted=True)
    two.start()
    two.send(*[f"other{n}" for n in range(total)], second_only=True)
    assert [row.delivered for row in two.settle()] == [0, total]
    assert [row.state for row in two.reports()] == ["running", "running"]


def test_a_list_that_only_a_call_named_spoils_no_later_call(two: TwoLists) -> None:
    two.start()
    two.send("ann")
    two.settle()
    two.send("ann", integrations={"Mailjet": {"listId": 999_999}})
    two.settle()
    two.bridge.send("ann", {"plan": "pro"})
    rows = two.settle()
    assert [(row.delivered, row.reasons["failed"]) for row in rows] == [(2, {"LIST_NOT_FOUND": 1})] * 2
    assert [row.state for row in rows] == ["running", "running"]
    assert two.bridge.properties("ann@b.com") == {"plan": "pro"}
