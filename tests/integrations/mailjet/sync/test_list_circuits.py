"""Trouble with one contacts list is no trouble for the others, and it is the list that waits, nobody fails."""

from dataclasses import replace
from typing import Any

import pytest
from django import conf

from jetbridge.delivery import pauses, retry_queue
from jetbridge.delivery.delivery_records import Choice
from jetbridge.delivery.models import destination_consumer
from jetbridge.delivery.threads import Threads
from jetbridge.integrations.mailjet.contacts import contact
from jetbridge.integrations.mailjet.contacts.contact import load_contacts
from jetbridge.integrations.mailjet.models import Contact
from jetbridge.integrations.mailjet.sync import account as account_

from .conftest import Bridge, TwoLists
from .test_retry_deadline import fault, mend


@pytest.fixture(autouse=True)
def _probes_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_, "PROBE_MS", 300)


def options(list_id: int) -> dict[str, Any]:
    return {"Mailjet": {"listId": list_id}}


def send(two: TwoLists, name: str, total: int, list_id: int) -> None:
    """Calls of the second connection, for a list that they name."""
    users = [f"{name}{n}" for n in range(total)]
    two.send(*users, second_only=True, integrations=options(list_id))


def delivered(two: TwoLists) -> int:
    return two.reports()[1].delivered


@pytest.mark.parametrize("total", [3, 30])
def test_a_list_that_does_not_answer_delays_no_other(two: TwoLists, eventually: Any, total: int) -> None:
    fault(two.bridge, "status", status=503, endpoint=f"POST contactslist/{two.first}/*")
    two.start()
    send(two, "broken", total, two.first)
    eventually(lambda: Contact.objects.exclude(first_failed_at=None).exists() or total > 10, "it is tried")
    for round_ in range(5):
        send(two, f"whole{round_}_", total, two.second)
        eventually(
            lambda n=round_: delivered(two) == (n + 1) * total, "the others arrive at once", seconds=20
        )
    assert [row.failed for row in two.reports()] == [0, 0]
    mend(two.bridge)
    two.settle(70)
    assert two.bridge.subscriptions("broken0@b.com") == {two.first: True}


@pytest.mark.parametrize("total", [25, 60])
def test_a_list_that_refuses_everybody_is_paused_and_no_other(
    two: TwoLists,
    eventually: Any,
    total: int,
) -> None:
    fault(two.bridge, "status", status=400, message="No.", endpoint=f"POST contactslist/{two.first}/*")
    two.start()
    send(two, "whole", total, two.second)
    send(two, "broken", total, two.first)
    eventually(lambda: delivered(two) == total, "the others arrive")
    eventually(lambda: two.reports()[0].state == "paused", "its destination is held")
    send(two, "later", total, two.second)
    eventually(lambda: delivered(two) == 2 * total, "and go on arriving")
    expected = [("CIRCUIT_OPEN", 0)] * 2
    eventually(
        lambda: [(row.pause_code, row.failed) for row in two.reports()] == expected,
        "the destination whose messages name the list says so",
    )
    assert two.reports()[1].pause_reason.startswith(f"Messages for the contacts list {two.first} wait: ")
    assert two.reports()[1].pending == total
    mend(two.bridge)
    assert [row.delivered for row in two.settle()] == [0, 3 * total]
    eventually(lambda: {row.state for row in two.reports()} == {"running"}, "a success ends the hold")


def test_what_failed_before_the_breaker_could_tell_waits_again(bridge: Bridge, eventually: Any) -> None:
    fault(bridge, "status", status=400, message="No.", endpoint="POST contactslist/*/managecontact")
    bridge.start()
    for number in range(19):
        bridge.send(f"u{number}", {"email": f"p{number}@b.com"})
        eventually(lambda n=number: bridge.report().failed == n + 1, "it fails: one alone says nothing")
    retry_queue.retry(bridge.destination.id, Choice(ids=[1]), bridge.log)
    eventually(lambda: bridge.report().failed == 0, "the twentieth says that it is the list")
    eventually(lambda: bridge.report().pause_code == "CIRCUIT_OPEN", "which is held")
    assert bridge.report().pending == 19
    mend(bridge)
    assert bridge.settle().delivered == 19


def test_a_list_that_fails_for_longer_than_the_limit_is_paused_and_its_contacts_do_not_fail(
    two: TwoLists,
    eventually: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(conf.settings, "CONFIG", replace(conf.settings.CONFIG, retry_hours=0.5 / 3_600))
    fault(two.bridge, "status", status=503, endpoint=f"POST contactslist/{two.first}/*")
    two.start()
    send(two, "broken", 1, two.first)
    eventually(lambda: two.reports()[0].state == "paused", "its destination is held", seconds=60)
    row = two.reports()[0]
    assert (row.pause_code, two.reports()[1].failed) == ("RETRIES_EXHAUSTED", 0)
    assert row.pause_reason.startswith(f"Nothing has gone through to the contacts list {two.first} since ")
    send(two, "whole", 1, two.second)
    eventually(lambda: delivered(two) == 1, "the other list goes on")


@pytest.mark.parametrize("gone", ["first", "second"])
@pytest.mark.parametrize("total", [1, 20])
def test_of_two_lists_the_one_that_is_there_and_the_properties_are_told_and_accounted_for(
    two: TwoLists,
    eventually: Any,
    gone: str,
    total: int,
) -> None:
    two.start()
    known = [two.bridge.identify(f"u{n}", {"email": f"u{n}@b.com"}) for n in range(total)]
    two.bridge.log.append(known)
    two.settle()
    lists = {"first": two.first, "second": two.second}
    two.set_deleted(lists[gone], deleted=True)
    new = [two.bridge.identify(f"v{n}", {"email": f"v{n}@b.com", "plan": "pro"}) for n in range(total)]
    two.bridge.log.append([*new, *(two.bridge.identify(f"u{n}", {"plan": "pro"}) for n in range(total))])
    there = {"first": 1, "second": 0}[gone]
    eventually(lambda: two.reports()[there].delivered == 3 * total, "all of the other list is delivered")
    eventually(lambda: two.reports()[1 - there].pause_code == "LIST_NOT_FOUND", "the other is held")
    rest = two.reports()[1 - there]
    assert (rest.failed, rest.delivered + rest.pending) == (0, 3 * total)
    assert rest.pending >= total
    assert two.reports()[there].state == "running"
    for user in ("u0", "v0"):
        assert two.bridge.properties(f"{user}@b.com") == {"plan": "pro"}
    assert two.bridge.subscriptions("v0@b.com") == {lists[{"first": "second", "second": "first"}[gone]]: True}
    two.bridge.send("v0", {"plan": "free"})
    eventually(lambda: two.bridge.properties("v0@b.com") == {"plan": "free"}, "news do not wait", seconds=20)
    two.set_deleted(lists[gone], deleted=False)
    assert [row.delivered for row in two.settle()] == [3 * total + 1] * 2
    assert two.bridge.subscriptions("v0@b.com") == {two.first: True, two.second: True}


def test_each_unknown_list_fails_its_own_messages_and_a_retry_brings_all_wishes_back(bridge: Bridge) -> None:
    lists = [bridge.mailjet.create_contactslist(f"L{n}").id for n in range(2)]
    for list_id in lists:
        bridge.mailjet._transport.call("DELETE", f"/v3/REST/contactslist/{list_id}")
    ada = {"email": "ada@b.com"}
    force = {"Mailjet": {"listId": lists[0], "action": "addforce"}}
    said = [options(lists[0]), force, options(lists[0]), options(lists[1]), None]
    bridge.log.append([bridge.identify("ada", ada, integrations=each) for each in said])
    bridge.start()
    row = bridge.settle()
    assert (row.delivered, row.reasons["failed"]) == (1, {"LIST_NOT_FOUND": 4})
    assert sorted(total for _, _, total in bridge.delivery_records()) == [1, 3]
    assert bridge.subscriptions("ada@b.com") == {bridge.list_id: True}
    for list_id in lists:
        bridge.mailjet._transport.call("PUT", f"/v3/REST/contactslist/{list_id}", body={"IsDeleted": False})
    bridge.mailjet.managecontactslists("ada@b.com", {lists[0]: "unsub"})
    retry_queue.retry(bridge.destination.id, Choice(), bridge.log)
    row = bridge.settle()
    assert (row.delivered, row.failed) == (5, 0)
    assert bridge.subscriptions("ada@b.com") == dict.fromkeys([bridge.list_id, *lists], True)


def test_an_unsubscribe_from_a_list_that_is_not_there_is_remembered(bridge: Bridge) -> None:
    other = bridge.mailjet.create_contactslist("Other").id
    bridge.mailjet._transport.call("DELETE", f"/v3/REST/contactslist/{other}")
    bridge.start()
    unsub = {"Mailjet": {"listId": other, "action": "unsub"}}
    bridge.send("ada", {"email": "ada@b.com"}, integrations=unsub)
    assert bridge.settle().failed == 1
    bridge.mailjet._transport.call("PUT", f"/v3/REST/contactslist/{other}", body={"IsDeleted": False})
    bridge.send("ada", {}, integrations=options(other))
    bridge.settle()
    assert bridge.subscriptions("ada@b.com") == {other: False}


def test_after_a_restart_nobody_waits_for_a_lane_that_is_not_known_any_more(
    bridge: Bridge, eventually: Any
) -> None:
    fault(bridge, "status", status=503, endpoint="POST contactslist/*")
    bridge.log.append([bridge.identify(f"u{n}", {"email": f"p{n}@b.com"}) for n in range(20)])
    bridge.start()
    far = (
        Contact.objects.exclude(next_attempt_at=None)
        .order_by("-next_attempt_at")
        .values_list("next_attempt_at", flat=True)
    )
    soon = contact.FAR_MS

    def waits_far_back() -> bool:
        first, last = far.last(), far.first()
        return bool(first and last and last - first < soon and last > contact.BLOCKED_MS and held_back())

    def held_back() -> bool:
        now = load_contacts(1, ["p0@b.com"])["p0@b.com"]
        return now.next_attempt_at is not None and now.next_attempt_at > 0

    eventually(waits_far_back, "they wait")
    bridge.threads.stop()
    mend(bridge)
    bridge.threads = Threads()
    bridge.start()
    assert bridge.settle(25).delivered == 20


@pytest.mark.parametrize("probe_ms", [300, 30_000])
def test_a_release_wakes_a_list_that_only_calls_name(
    two: TwoLists, eventually: Any, monkeypatch: pytest.MonkeyPatch, probe_ms: int
) -> None:
    """Was: unless a probe came before the release was seen, the list was paused again at once, and for ever."""
    monkeypatch.setattr(account_, "PROBE_MS", probe_ms)
    third = two.bridge.mailjet.create_contactslist("Third").id
    fault(two.bridge, "status", status=400, message="No.", endpoint=f"POST contactslist/{third}/*")
    two.start()
    send(two, "broken", 25, third)
    eventually(lambda: two.reports()[1].state == "paused", "the destination says which list waits")
    assert two.reports()[0].state == "running"
    pauses.resume_by_hand(destination_consumer(two.refs[1].id))
    assert [row.failed for row in two.settle()] == [0, 25]
