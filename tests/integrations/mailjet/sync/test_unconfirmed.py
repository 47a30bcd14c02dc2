"""An answer that got lost: nobody knows what Mailjet holds, until it was told again."""

import json
import urllib.request
from typing import Any

import pytest

from jetbridge.integrations.mailjet.contacts.consent import OptOut, learn
from jetbridge.integrations.mailjet.contacts.contact import load_contacts
from jetbridge.integrations.mailjet.contacts.state import UNKNOWN, Delivered, Desired, difference
from jetbridge.integrations.mailjet.models import Contact
from jetbridge.integrations.mailjet.sync import bulk_jobs

from .conftest import Bridge

SINGLE, JOB = "POST contactslist/*/managecontact", "POST contactslist/*/managemanycontacts"
#: So many go in a job.
MANY = 15


def control(bridge: Bridge, method: str, faults: list[dict[str, Any]] | None = None) -> Any:
    body = json.dumps({"faults": faults}).encode() if faults else None
    request = urllib.request.Request(f"{bridge.url}/sandbox/faults", method=method, data=body)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def lose(bridge: Bridge, endpoint: str) -> None:
    """The answer of the next such call gets lost; then Mailjet takes nothing, until `mend`."""
    lost = {"kind": "reset", "when": "after", "times": 1, "endpoint": endpoint}
    control(bridge, "POST", [lost, {"kind": "status", "status": 503, "endpoint": "POST contactslist*"}])


def is_lost(bridge: Bridge) -> bool:
    return bool(control(bridge, "GET")["faults"][0]["triggered"])


def mend(bridge: Bridge) -> None:
    control(bridge, "DELETE")


def send(bridge: Bridge, total: int, **traits: Any) -> None:
    bridge.log.append(bridge.identify(f"u{n}", {"email": f"p{n}@b.com", **traits}) for n in range(total))


def test_what_was_told_in_vain_is_doubted_until_it_is_confirmed() -> None:
    desired = Desired(values={"plan": "free", "note": None}, lists={1: ("unsub", 5)})
    delivered = Delivered(values={"plan": "free"}, lists={1: "unsub"})
    assert difference(desired, delivered) is None
    delivered.mark_unconfirmed(Delivered(values={"plan": "pro", "note": "x"}, lists={1: "addforce"}))
    assert (delivered.unconfirmed, delivered.lists) == (["note", "plan"], {1: UNKNOWN})
    change = difference(desired, delivered)
    assert change is not None
    assert (change.values, change.lists) == ({"plan": "free", "note": None}, {1: "unsub"})
    delivered.take(Delivered(values={"plan": "free"}, rejected={"note": None}, lists={1: "unsub"}))
    assert difference(desired, delivered) is None


@pytest.mark.parametrize(("total", "endpoint"), [(1, SINGLE), (MANY, JOB)])
def test_a_value_that_came_and_went_while_the_answer_was_lost_does_not_stay_at_mailjet(
    started: Bridge, eventually: Any, monkeypatch: pytest.MonkeyPatch, total: int, endpoint: str
) -> None:
    monkeypatch.setattr(bulk_jobs, "LOST_JOB_MS", 2_000)
    send(started, total, plan="free", note=None)
    started.settle()
    lose(started, endpoint)
    send(started, total, plan="pro", note="hello")
    eventually(lambda: is_lost(started), "Mailjet took it, and we do not know")
    send(started, total, plan="free", note=None)
    eventually(lambda: not started.report().unread, "it is as before")
    mend(started)
    started.rest()
    assert [started.properties(f"p{n}@b.com") for n in range(total)] == [{"plan": "free"}] * total


def test_who_unsubscribes_after_an_addforce_whose_answer_was_lost_is_unsubscribed(
    started: Bridge, eventually: Any
) -> None:
    email = {"email": "a@b.com"}
    started.send("u1", email, integrations={"Mailjet": {"action": "unsub"}})
    started.settle()
    lose(started, SINGLE)
    started.send("u1", email, integrations={"Mailjet": {"action": "addforce"}})
    eventually(lambda: is_lost(started), "Mailjet took it, and we do not know")
    eventually(lambda: started.subscriptions("a@b.com") == {started.list_id: True}, "the fault counts first")
    started.send("u1", email, integrations={"Mailjet": {"action": "unsub"}})
    eventually(lambda: not started.report().unread, "it is as before")
    mend(started)
    started.rest()
    assert started.subscriptions("a@b.com") == {started.list_id: False}


def test_an_unsubscribe_that_an_addforce_has_undone_before_we_knew_is_told_again(started: Bridge) -> None:
    started.send("u1", {"email": "a@b.com"}, integrations={"Mailjet": {"action": "addforce"}})
    started.settle()
    learn(1, [OptOut("a@b.com", 1_800_000_000_000, started.list_id)], now=0)
    started.rest()
    assert started.subscriptions("a@b.com") == {started.list_id: False}


@pytest.mark.parametrize("when", ["before", "after"])
def test_values_that_changed_back_while_a_job_failed_are_told_again(
    started: Bridge, eventually: Any, when: str
) -> None:
    send(started, MANY, plan="free")
    started.settle()
    control(
        started,
        "POST",
        [
            {"kind": "job_error", "when": when, "times": 1},
            {"kind": "job_stuck", "when": "after", "seconds": 1, "times": 1},
        ],
    )
    send(started, MANY, plan="pro")
    eventually(lambda: Contact.objects.filter(job_id__isnull=False).count() == MANY, "the job carries them")
    send(started, MANY, plan="free")
    started.rest()
    assert [started.properties(f"p{n}@b.com") for n in range(MANY)] == [{"plan": "free"}] * MANY


def test_a_job_whose_number_was_lost_may_end_before_its_contacts_are_told_again(
    started: Bridge, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_jobs, "LOST_JOB_MS", 2_500)
    stuck = {"kind": "job_stuck", "seconds": 0.5, "times": 1}
    control(started, "POST", [{"kind": "reset", "when": "after", "times": 1, "endpoint": JOB}, stuck])
    send(started, MANY, plan="free")
    eventually(lambda: is_lost(started), "Mailjet has a job of which we do not know")
    send(started, MANY, plan="pro")
    started.rest()
    assert [started.properties(f"p{n}@b.com") for n in range(MANY)] == [{"plan": "pro"}] * MANY


def test_what_is_about_to_be_told_is_written_before_it_is_told(started: Bridge, eventually: Any) -> None:
    """So that a process that dies in the middle of the call leaves a contact unconfirmed."""
    control(started, "POST", [{"kind": "hang", "when": "after", "endpoint": SINGLE}])
    started.send("u1", {"email": "a@b.com", "plan": "pro"})
    eventually(lambda: started.properties("a@b.com") == {"plan": "pro"}, "Mailjet took it")
    contact = load_contacts(1, ["a@b.com"])["a@b.com"]
    assert (contact.delivered.unconfirmed, contact.next_attempt_at is None) == (["plan"], False)
    mend(started)
    started.rest()
    assert load_contacts(1, ["a@b.com"])["a@b.com"].delivered.unconfirmed == []
