"""A consent that cannot be read is never guessed: the properties go, and no list is touched."""

import json
import time
import urllib.request
from typing import Any

import pytest

from jetbridge.delivery.report import report
from jetbridge.integrations.mailjet.definition import MAILJET
from jetbridge.integrations.mailjet.models import RejectedValue

from .conftest import Bridge

UNREADABLE = ["x", 2, "2024-01-31", [True], {"at": 1}]


def rejected() -> list[tuple[str, str, int, str]]:
    rows = RejectedValue.objects.order_by("property")
    return [(row.property, row.message.partition(":")[0], row.total, row.email) for row in rows]


@pytest.mark.parametrize("said", UNREADABLE)
@pytest.mark.parametrize("action", ["addnoforce", "addforce"])
def test_a_new_contact_gets_its_properties_and_is_on_no_list(started: Bridge, said: Any, action: str) -> None:
    options = {"Mailjet": {"action": action}}
    started.send(
        "u1", {"email": "a@b.com", "name": "Ada", "plan": "pro", "unsubscribed": said}, integrations=options
    )
    assert started.rest().delivered == 1
    assert started.subscriptions("a@b.com") == {}
    assert started.properties("a@b.com")["plan"] == "pro"
    contact = started.mailjet.contact("a@b.com")
    assert contact is not None
    assert contact.name == "Ada"
    assert rejected() == [("traits.unsubscribed", "UNREADABLE_CONSENT", 1, "a@b.com")]


@pytest.mark.parametrize("total", [2, 30])
def test_many_of_them_arrive_by_a_job_without_a_list(bridge: Bridge, total: int) -> None:
    people = [
        bridge.identify(f"u{n}", {"email": f"a{n}@b.com", "plan": "pro", "unsubscribed": "x"})
        for n in range(total)
    ]
    others = [bridge.identify(f"v{n}", {"email": f"c{n}@b.com", "plan": "pro"}) for n in range(total)]
    bridge.log.append(people + others)
    bridge.start()
    assert bridge.rest().delivered == 2 * total
    for n in range(total):
        assert bridge.subscriptions(f"a{n}@b.com") == {}
        assert bridge.properties(f"a{n}@b.com")["plan"] == "pro"
        assert bridge.subscriptions(f"c{n}@b.com") == {bridge.list_id: True}
    assert rejected() == [("traits.unsubscribed", "UNREADABLE_CONSENT", total, f"a{total - 1}@b.com")]


@pytest.mark.parametrize("before", [{}, {"unsubscribed": True}])
@pytest.mark.parametrize("action", ["addnoforce", "addforce", "remove"])
def test_an_existing_subscription_stays_as_it_is(
    started: Bridge, before: dict[str, Any], action: str
) -> None:
    started.send("u1", {"email": "a@b.com", "plan": "pro", **before})
    started.rest()
    options = {"Mailjet": {"action": action}}
    started.send("u1", {"plan": "team", "unsubscribed": "2024-01-31"}, integrations=options)
    started.rest()
    assert started.subscriptions("a@b.com") == {started.list_id: not before}
    assert started.properties("a@b.com")["plan"] == "team"


def test_a_later_call_that_can_be_read_subscribes(started: Bridge) -> None:
    started.send("u1", {"email": "a@b.com", "unsubscribed": "x"})
    started.rest()
    started.send("u1", {"unsubscribed": "no"})
    started.rest()
    assert started.subscriptions("a@b.com") == {started.list_id: True}


def test_one_that_waits_for_its_address_subscribes_nobody_either(started: Bridge) -> None:
    started.send("u1", {"plan": "pro", "unsubscribed": "x"})
    started.rest()
    started.send("u1", {"email": "a@b.com", "unsubscribed": 7})
    started.rest()
    assert started.subscriptions("a@b.com") == {}
    assert started.properties("a@b.com")["plan"] == "pro"


def test_an_unsubscribe_that_mailjet_alone_knows_of_stays(started: Bridge) -> None:
    started.mailjet.managecontact(started.list_id, {"Email": "a@b.com", "Action": "unsub"})
    started.send("u1", {"email": "a@b.com", "plan": "pro", "unsubscribed": "x"})
    started.rest()
    assert started.subscriptions("a@b.com") == {started.list_id: False}
    assert started.properties("a@b.com")["plan"] == "pro"


def test_its_other_rejected_values_are_rejected_as_ever(started: Bridge) -> None:
    started.mailjet.create_contactmetadata("late", "int")
    started.send("u2", {"email": "a@b.com", "late": "soon", "unsubscribed": "x"})
    assert started.rest().failed == 0
    assert started.subscriptions("a@b.com") == {}
    assert {name for name, *_ in rejected()} == {"traits.unsubscribed", "late"}


def test_it_is_reported_where_rejected_values_are(started: Bridge) -> None:
    started.send("u1", {"email": "a@b.com", "unsubscribed": "x"})
    started.rest()
    (line,) = MAILJET.warnings(started.destination)
    assert line.startswith("trait unsubscribed: UNREADABLE_CONSENT: a text that means neither yes nor no, so")
    (row,) = report(started.log.counts)
    assert row.failed == 0


@pytest.mark.parametrize(("value", "kind"), [({}, "an object"), (["x"], "a list"), (2, "a number")])
def test_the_kind_of_value_is_named(started: Bridge, value: Any, kind: str) -> None:
    started.send("u1", {"email": "a@b.com", "unsubscribed": value})
    started.rest()
    (line,) = MAILJET.warnings(started.destination)
    assert f"UNREADABLE_CONSENT: {kind} that means neither yes nor no, so" in line


def test_a_remark_is_short_however_long_the_name_is(started: Bridge) -> None:
    started.send("u1", {"email": "a@b.com", "a" * 3_000: 1})
    started.rest()
    (line,) = MAILJET.warnings(started.destination)
    assert line.startswith(f"property {'a' * 100}…: ")
    assert len(line) < 600


def fault(bridge: Bridge, **fields: Any) -> None:
    request = urllib.request.Request(
        f"{bridge.url}/sandbox/faults", json.dumps(fields).encode(), method="POST"
    )
    urllib.request.urlopen(request).close()


@pytest.mark.parametrize("endpoint", ["POST contact", "PUT contactdata/*"])
def test_a_refusal_for_good_fails_its_messages_and_no_others(started: Bridge, endpoint: str) -> None:
    fault(started, kind="status", status=400, endpoint=endpoint)
    started.send("u1", {"email": "a@b.com", "plan": "pro", "unsubscribed": "x"})
    started.send("u2", {"email": "c@b.com", "plan": "pro"})
    row = started.rest()
    assert (row.delivered, row.failed, row.pending) == (1, 1, 0)
    assert started.subscriptions("c@b.com") == {started.list_id: True}


@pytest.mark.parametrize("endpoint", ["POST contact", "PUT contactdata/*"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lost_answer_is_asked_for_again(started: Bridge, endpoint: str, when: str) -> None:
    fault(started, kind="reset", when=when, endpoint=endpoint, times=1)
    started.send("u1", {"email": "a@b.com", "name": "Ada", "plan": "pro", "unsubscribed": "x"})
    assert started.rest().delivered == 1
    assert started.properties("a@b.com")["plan"] == "pro"
    assert started.subscriptions("a@b.com") == {}


def test_a_resting_list_holds_up_nobody_who_is_on_none(started: Bridge) -> None:
    fault(started, kind="status", status=503, endpoint="POST contactslist/*/managecontact")
    started.send("u1", {"email": "c@b.com", "plan": "pro"})
    started.send("u2", {"email": "a@b.com", "plan": "pro", "unsubscribed": "x"})
    deadline = time.monotonic() + 30
    while started.properties("a@b.com").get("plan") != "pro" or started.report().pending != 1:
        assert time.monotonic() < deadline
        time.sleep(0.05)
