"""What a plan says is what a reconcile then does."""

import time
from typing import Any

import pytest

from jetbridge.delivery.threads import Threads
from jetbridge.integrations.mailjet.api.properties import MAX_PROPERTIES
from jetbridge.integrations.mailjet.models import Contact, RejectedValue
from jetbridge.integrations.mailjet.sync.account import PROPERTY_LIMIT_REACHED
from jetbridge.integrations.mailjet.sync.plan import Plan, plan

from .conftest import Bridge


def planned(bridge: Bridge) -> Plan:
    bridge.reset_calls()
    found = plan(1, bridge.mailjet)
    assert bridge.calls() == {}
    return found


def settled(bridge: Bridge) -> dict[str, int]:
    bridge.reset_calls()
    bridge.start()
    bridge.settle()
    while Contact.objects.exclude(next_attempt_at=None, job_id=None).exists():
        time.sleep(0.02)
    bridge.threads.stop()
    bridge.threads = Threads()
    return bridge.calls()


def people(bridge: Bridge, total: int, **traits: Any) -> list[Any]:
    return [bridge.identify(f"u{n}", {"email": f"p{n}@b.com", **traits}) for n in range(total)]


def test_many_new_contacts_are_jobs_by_their_lists_and_properties_are_foreseen(bridge: Bridge) -> None:
    other = bridge.mailjet.create_contactslist("Other").id
    elsewhere = {"Mailjet": {"listId": other}}
    bridge.log.append(people(bridge, 20, age=30, name="x"))
    bridge.log.append(
        [bridge.identify(f"v{n}", {"email": f"q{n}@b.com"}, integrations=elsewhere) for n in range(20)]
    )
    bridge.merge()
    assert planned(bridge) == Plan(due=40, created=40, subscribed=40, jobs=2, properties={"age": "int"})
    calls = settled(bridge)
    assert calls == {"POST contactmetadata": 1, "POST contactslist/managemanycontacts": 2}
    assert planned(bridge) == Plan()


def test_a_plan_creates_no_more_properties_than_there_is_room_for(bridge: Bridge) -> None:
    for number in range(MAX_PROPERTIES - len(bridge.mailjet.contactmetadata()) - 1):
        bridge.mailjet.create_contactmetadata(f"other_{number}", "str")
    bridge.log.append(people(bridge, 20, age=30, city="Bonn"))
    bridge.merge()
    found = planned(bridge)
    assert (found.properties, found.rejected_values) == (
        {"age": "int"},
        {("city", PROPERTY_LIMIT_REACHED): 20},
    )
    settled(bridge)
    assert {(row.property, row.message, row.total) for row in RejectedValue.objects.all()} == {
        ("city", PROPERTY_LIMIT_REACHED, 20)
    }


def test_a_few_contacts_are_told_singly_and_each_fate_is_counted(bridge: Bridge) -> None:
    for user in ("changes", "unsubscribes", "leaves", "moves", "spoils"):
        bridge.send(user, {"email": f"{user}@b.com", "age": 1})
    settled(bridge)
    bridge.send("changes", {"age": 2})
    bridge.send("unsubscribes", {"unsubscribed": True})
    bridge.send("leaves", {}, integrations={"Mailjet": {"action": "remove"}})
    bridge.send("moves", {"email": "moves@new.com"})
    bridge.send("spoils", {"age": "old"})
    bridge.merge()
    found = planned(bridge)
    assert (found.due, found.created, found.changed) == (6, 1, 2)
    assert (found.subscribed, found.unsubscribed, found.removed, found.silent) == (1, 1, 2, 1)
    assert dict(found.rejected_values) == {("age", "text where Mailjet has int"): 1}
    assert found.properties == {"unsubscribed": "bool"}
    calls = settled(bridge)
    assert found.calls == sum(calls.values()), calls


def test_clearing_values_takes_a_job(bridge: Bridge) -> None:
    bridge.send("ann", {"email": "ann@b.com", "age": 1})
    settled(bridge)
    bridge.send("ann", {"age": None})
    bridge.merge()
    assert planned(bridge) == Plan(due=1, changed=1, jobs=1)


@pytest.mark.parametrize("wait", [0, 60_000])
def test_contacts_that_wait_after_a_failure_are_named_so(bridge: Bridge, wait: int) -> None:
    bridge.send("ann", {"email": "ann@b.com"})
    bridge.merge()
    Contact.objects.update(next_attempt_at=1_000 + wait)
    found = plan(1, bridge.mailjet, now=lambda: 1_000)
    assert (found.due, found.later) == (1, int(wait > 0))
