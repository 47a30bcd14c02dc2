"""Engage adds nobody who wants no mail, whoever knows of it: here Mailjet alone, and no event comes. The sandbox is a real one."""

import json
import urllib.request
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from jetbridge.control.directory import load_accounts
from jetbridge.engage.models import Activation, Computation
from jetbridge.integrations.mailjet.contacts.contact import load_contacts
from jetbridge.integrations.mailjet.models import Contact
from jetbridge.integrations.mailjet.sync import reconcile, unsubscribes

from .conftest import NOON, Bridge
from .test_engage import Sender
from .test_engage import _account as account_of
from .test_engage import _filtered as filtered
from .test_engage import _subscribed as subscribed
from .test_retry_deadline import fault, mend

#: Sent one by one, and in a job.
FEW, MANY = 2, 30


@pytest.fixture
def other(bridge: Bridge) -> int:
    """Another list that Jetbridge uses: calls name it."""
    list_id: int = bridge.mailjet.create_contactslist("Other").id
    bridge.send("somebody", {"email": "somebody@b.com"}, integrations={"Mailjet": {"listId": list_id}})
    return list_id


def refuse(bridge: Bridge, other: int, name: str) -> dict[str, str]:
    """People who want no mail, as Mailjet alone knows it, and why they are not added."""
    exclude(bridge, f"excluded{name}@b.com")
    for list_id, email in ((other, f"other{name}@b.com"), (bridge.list_id, f"own{name}@b.com")):
        bridge.mailjet.managecontact(list_id, {"Email": email, "Action": "unsub"})
    return {
        f"excluded{name}@b.com": "EXCLUDED",
        f"other{name}@b.com": "UNSUBSCRIBED",
        f"own{name}@b.com": "UNSUBSCRIBED",
    }


def exclude(bridge: Bridge, email: str) -> None:
    bridge.mailjet.upsert_contact(email, None, {})
    bridge.mailjet._transport.call("PUT", f"/v3/REST/contact/{email}", body={"IsExcludedFromCampaigns": True})


def enter(engage: Sender, emails: Iterable[str]) -> None:
    """Now."""
    entries = []
    for email in emails:
        engage.at = (datetime.now(UTC) - NOON).total_seconds() - 1
        entries.append(engage.entry(None, email, value=True))
    engage.bridge.log.append(entries)


@pytest.mark.parametrize("total", [FEW, MANY])
def test_nobody_is_added_of_whom_mailjet_alone_knows_that_they_want_no_mail(
    bridge: Bridge, other: int, total: int
) -> None:
    bridge.start()
    bridge.rest()
    refusing = refuse(bridge, other, "1")
    engage = Sender(bridge, adds_members=True)
    people = [f"p{number}@b.com" for number in range(total)]
    enter(engage, [*refusing, *people])
    bridge.rest()
    assert filtered() == {"EXCLUDED": 1, "UNSUBSCRIBED": 2}
    for email in refusing:
        assert not subscribed(bridge, email)
    assert all(subscribed(bridge, email) for email in people)


@pytest.mark.parametrize("total", [FEW, MANY])
def test_nor_who_has_unsubscribed_a_moment_before_entering(bridge: Bridge, other: int, total: int) -> None:
    """As many are unsubscribed as before, and the last scan was a second ago."""
    bridge.start()
    engage = Sender(bridge, adds_members=True)
    bridge.mailjet.managecontact(other, {"Email": "former@b.com", "Action": "unsub"})
    enter(engage, [f"first{number}@b.com" for number in range(MANY)])
    bridge.rest()
    bridge.mailjet.managecontact(other, {"Email": "former@b.com", "Action": "addforce"})
    bridge.mailjet.managecontact(other, {"Email": "now@b.com", "Action": "unsub"})
    enter(engage, ["now@b.com", *(f"p{number}@b.com" for number in range(total))])
    bridge.rest()
    assert not subscribed(bridge, "now@b.com")
    assert subscribed(bridge, "p0@b.com")
    assert filtered() == {"UNSUBSCRIBED": 1}


@pytest.mark.parametrize("total", [FEW, MANY])
def test_nor_is_a_contact_put_on_the_list_of_an_audience(bridge: Bridge, other: int, total: int) -> None:
    list_id = bridge.mailjet.create_contactslist("VIPs").id
    people = [f"p{number}@b.com" for number in range(total)]
    bridge.log.append([bridge.identify(None, {"email": email}) for email in people])
    bridge.start()
    bridge.rest()
    bridge.mailjet.managecontactslists("p0@b.com", {bridge.list_id: "unsub"})
    exclude(bridge, "p1@b.com")
    engage = Sender(bridge, list_id=list_id)
    enter(engage, people)
    bridge.rest()
    for number in range(total):
        on_list = bridge.subscriptions(f"p{number}@b.com").get(list_id, False)
        assert on_list is (number > 1)
        assert bridge.properties(f"p{number}@b.com") == {"vip": True}
    assert filtered() == {}


def test_nor_who_has_complained_about_spam(bridge: Bridge, other: int) -> None:
    """As Mailjet alone knows it: no callback is set up."""
    campaign = bridge.mailjet.create_contactslist("Campaign").id
    bridge.mailjet.managecontact(campaign, {"Email": "spam@b.com", "Action": "addforce"})
    body = json.dumps({"list_id": campaign, "subject": "News", "spam": 1}).encode()
    urllib.request.urlopen(f"{bridge.url}/sandbox/campaigns", body).close()
    bridge.start()
    engage = Sender(bridge, adds_members=True)
    enter(
        engage, [f"first{number}@b.com" for number in range(MANY)]
    )  # after the first scan people are looked up
    bridge.rest()
    enter(engage, ["spam@b.com", "p0@b.com"])
    bridge.rest()
    assert subscribed(bridge, "p0@b.com")
    assert not subscribed(bridge, "spam@b.com")
    assert filtered() == {"EXCLUDED": 1}


def test_scans_leave_half_of_the_time_to_others(bridge: Bridge, other: int) -> None:
    """However many are asked for, one begins no sooner after the last than that took."""
    (account,) = load_accounts()
    scans: list[unsubscribes.Scan] = []

    class Clock:
        """Moves as somebody waits, and asks for a scan each time."""

        seconds = 0.0

        def wait(self, seconds: float | None = None) -> bool:
            self.seconds += seconds or 0.0
            watch.request()
            if watch.last_scan and watch.last_scan not in scans:
                scans.append(watch.last_scan)
            return self.is_set()

        def is_set(self) -> bool:
            return len(scans) > 4

    clock = Clock()
    watch = unsubscribes.Unsubscribes(
        account,
        lambda: [bridge.list_id, other],
        now=lambda: int(clock.seconds * 1_000),
        clock=lambda: clock.seconds,
    )
    watch.run(clock)  # type: ignore[arg-type]
    for last, scan in pairwise(scans):
        assert scan.began - last.ended >= last.ended - last.began - 1 > 0


def test_the_addition_of_few_costs_no_scan_and_that_of_many_no_look_up(bridge: Bridge, other: int) -> None:
    bridge.start()
    engage = Sender(bridge, adds_members=True)
    enter(engage, [f"first{number}@b.com" for number in range(MANY)])
    bridge.rest()
    assert gets(bridge).get("GET contact/getcontactslists", 0) == 0
    bridge.reset_calls()
    enter(engage, ["p0@b.com"])
    bridge.rest()
    assert gets(bridge).get("GET listrecipient", 0) == 0


def test_scans_go_on_while_many_are_added(
    bridge: Bridge, other: int, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that who comes next waits for none."""
    monkeypatch.setattr(reconcile, "MANY_ADDITIONS", MANY)
    monkeypatch.setattr(reconcile, "EXPECTED_MS", 10_000)
    bridge.start()
    enter(Sender(bridge, adds_members=True), [f"p{number}@b.com" for number in range(MANY)])
    bridge.rest()
    (account,) = load_accounts()
    watch = unsubscribes.Unsubscribes(account, list)
    first = watch.request()
    eventually(lambda: watch.last_scan and watch.last_scan.requests > first + 1, "others were asked for")


def gets(bridge: Bridge) -> dict[str, int]:
    with urllib.request.urlopen(f"{bridge.url}/sandbox/calls") as response:
        calls: dict[str, int] = json.load(response)["calls"]
    return {call: total for call, total in calls.items() if call.startswith("GET")}


def test_who_is_added_waits_where_mailjet_cannot_be_asked_and_nobody_else(
    bridge: Bridge, other: int, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unsubscribes, "RETRY_SECONDS", 0.2)
    fault(bridge, "status", status=400, message="No.", endpoint="GET listrecipient*")
    bridge.start()
    engage = Sender(bridge, adds_members=True)
    enter(engage, [f"p{number}@b.com" for number in range(MANY)])
    bridge.send("ada", {"email": "ada@b.com"})
    eventually(lambda: bridge.mailjet.contact("ada@b.com"), "others do not wait")
    eventually(
        lambda: "Engage adds contacts to a list only after" in bridge.report().last_error,
        "the destination says why",
    )
    assert bridge.mailjet.contact("p0@b.com") is None
    assert bridge.report().pending == MANY
    mend(bridge)
    bridge.rest()
    assert subscribed(bridge, "p0@b.com")
    assert bridge.report().last_error == ""


# ---- what is over


def test_an_addition_that_waits_is_cancelled_with_its_activation(bridge: Bridge, other: int) -> None:
    changes: dict[str, Any] = {
        "off": lambda row: Activation.objects.filter(id=row.id).update(adds_members=False),
        "over": lambda row: row.delete(),
        "deleted": lambda row: Computation.objects.filter(id=row.computation_id).update(
            deleted_at=row.created_at
        ),
    }
    engages = {name: Sender(bridge, name, adds_members=True) for name in [*changes, "on"]}
    for name, engage in engages.items():
        engage.send(None, f"{name}@b.com", value=True)
    bridge.merge()
    for name, change in changes.items():
        change(engages[name].activation)
    bridge.start()
    bridge.rest()
    assert [name for name in engages if subscribed(bridge, f"{name}@b.com")] == ["on"]
    assert filtered() == {"NOT_A_CONTACT": 3}


def test_so_is_one_that_was_kept_from_a_list(bridge: Bridge, other: int) -> None:
    bridge.send("ada", {"email": "ada@b.com", "unsubscribed": "perhaps"})
    bridge.start()
    bridge.rest()
    list_id = bridge.mailjet.create_contactslist("VIPs").id
    engage = Sender(bridge, adds_members=True, list_id=list_id)
    engage.send("ada", "ada@b.com", value=True)
    bridge.rest()
    Activation.objects.update(adds_members=False, list_id=None)
    bridge.send("ada", {"unsubscribed": False})
    bridge.rest()
    assert bridge.subscriptions("ada@b.com") == {bridge.list_id: True}


def test_whom_it_has_added_stays_when_it_is_over(started: Bridge, other: int) -> None:
    list_id = started.mailjet.create_contactslist("VIPs").id
    engage = Sender(started, adds_members=True, list_id=list_id)
    engage.send(None, "ada@b.com", value=True)
    started.rest()
    Activation.objects.all().delete()
    engage.send(None, "bob@b.com", value=True)
    started.rest()
    assert started.subscriptions("ada@b.com") == {started.list_id: True, list_id: True}
    assert started.mailjet.contact("bob@b.com") is None
    assert Contact.objects.filter(next_attempt_at=None).count() == Contact.objects.count()
    assert load_contacts(account_of(started), ["ada@b.com"])["ada@b.com"].agrees
