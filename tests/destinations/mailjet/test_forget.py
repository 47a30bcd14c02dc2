"""Who is to be forgotten is: at Mailjet, in the state, in the log; and is not learned again."""

import json
import sqlite3
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection

from jetbridge.cli import threads_wanted
from jetbridge.control.models import Workspace
from jetbridge.delivery import erasure, ledger, suppression
from jetbridge.delivery.erasure import Eraser
from jetbridge.delivery.models import Erasure, ExhibitRow, HoldRow, Task
from jetbridge.destinations.mailjet import jobs, singles, state
from jetbridge.destinations.mailjet.consent import OptOut, learn
from jetbridge.destinations.mailjet.models import Contact, Person
from jetbridge.destinations.mailjet.state import Desired
from jetbridge.spec.identity import Identity

from .test_patience import fault, mend

#: When the messages of a bridge begin.
NOON_MS = 1_793_534_400_000


def forget(bridge: Any, name: str, seconds: float = 20.0) -> Erasure:
    row = erasure.ask(Workspace.objects.get().id, Identity.of_name(name))
    return carry_out(bridge, row, seconds)


def carry_out(bridge: Any, row: Erasure, seconds: float = 20.0) -> Erasure:
    eraser = Eraser(bridge.log, threads_wanted.keepers)
    deadline = time.monotonic() + seconds
    while not eraser.step(row):
        assert time.monotonic() < deadline, row.__dict__
        time.sleep(0.02)
    return row


def everything_stored(bridge: Any) -> str:
    """All that the two files hold, as far as SQL shows it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        tables = [name for (name,) in cursor.fetchall()]
        rows = [cursor.execute(f"SELECT * FROM {name}").fetchall() for name in tables]
    with sqlite3.connect(bridge.log._path) as log:
        rows.append(log.execute("SELECT * FROM record").fetchall())
    return repr(rows)


@pytest.fixture
def known(started: Any) -> Any:
    """Ada, with an address before this one, a failure and a neighbour; a verify and a hold have named her."""
    started.send("ada", {"email": "Ada.L@b.com", "plan": "secret-plan"})
    started.settle()
    started.send("ada", {"email": "ada@c.com"})
    started.send("ada", {"email": "no address"})
    started.send("bob", {"email": "bob@c.com", "plan": "free"})
    started.settle()
    then = datetime(2026, 11, 1, tzinfo=UTC)
    result = json.dumps({"shown": [{"email": "ada@c.com", "sentence": "Property plan is 'secret-plan'."}]})
    Task.objects.create(destination_id=started.destination.id, kind="verify", result=result, ended_at=then)
    reader = ledger.destination_reader(started.destination.id)
    reason = "20 of the last 20 were refused: 'ada' is no email address."
    HoldRow.objects.create(reader=reader, code="FAILURE_RATIO", reason=reason, began_at=then, ended_at=then)
    return started


@pytest.mark.parametrize("name", ["ada", "ADA@c.com"])
def test_every_name_of_a_person_leads_to_all_of_it_and_nothing_is_left(known: Any, name: str) -> None:
    row = forget(known, name)
    assert known.mailjet.contact("ada@c.com") is None
    assert known.mailjet.contact("ada.l@b.com") is None
    stored = everything_stored(known)
    for word in ("ada@c.com", "ada.l@b.com", "Ada.L@b.com", "secret-plan", "'ada'"):
        assert word not in stored
    assert known.properties("bob@c.com") == {"plan": "free"}
    assert Person.objects.count() == Contact.objects.count() == 1
    assert row.receipt == [
        "Mailjet public: the contacts of 2 addresses deleted.",
        "Event log: 3 records emptied.",
        "Kept failures: 1 deleted.",
    ]
    known.report()


def test_later_messages_of_the_forgotten_are_filtered_with_that_reason(known: Any) -> None:
    forget(known, "ada")
    known.reset_calls()
    known.send("ada", {"email": "ada@c.com"})
    known.send("other", {"email": " ADA@C.com"}, integrations={"Mailjet": {"action": "addforce"}})
    row = known.settle()
    assert row.reasons["filtered"] == {"USER_SUPPRESSED": 2}
    assert known.calls() == {}


def test_a_delete_call_is_pending_until_all_is_done_and_delivered_then(known: Any) -> None:
    before = known.report().delivered
    known.send_delete("ada")
    while not Erasure.objects.exists():
        time.sleep(0.02)
    assert known.report().pending == 1
    carry_out(known, Erasure.objects.get())
    row = known.report()
    assert (row.pending, row.delivered) == (0, before + 1)
    assert known.mailjet.contact("ada@c.com") is None


def test_a_person_may_be_taken_in_again_when_the_suppression_is_lifted(known: Any) -> None:
    forget(known, "ada")
    suppression.lift(Workspace.objects.get().id, Identity.of_name("ada"))
    suppression.lift(Workspace.objects.get().id, Identity.of_name("ada@c.com"))
    known.send("ada", {"email": "ada@c.com", "plan": "new"})
    known.settle()
    assert known.properties("ada@c.com") == {"plan": "new"}


def test_somebody_of_whom_only_mailjet_knows_is_deleted_there(started: Any) -> None:
    started.mailjet.managecontact(started.list_id, {"Email": "old@b.com", "Action": "addnoforce"})
    forget(started, "old@b.com")
    assert started.mailjet.contact("old@b.com") is None
    assert Contact.objects.count() == 0


def test_another_workspace_keeps_its_person_of_the_same_name(known: Any) -> None:
    other = Workspace.objects.create(name="Other")
    row = carry_out(known, erasure.ask(other.id, Identity.of_name("ada")))
    assert row.receipt[-1] == "Kept failures: 0 deleted."
    assert known.mailjet.contact("ada@c.com") is not None
    assert ExhibitRow.objects.count() == 1


def test_what_is_merged_while_the_person_is_being_forgotten_goes_too(known: Any) -> None:
    row = erasure.ask(Workspace.objects.get().id, Identity.of_name("ada"))
    learn(1, [OptOut("ada@c.com", 1)], now=0)
    carry_out(known, row)
    assert Contact.objects.count() == 1


def test_by_choice_the_old_contact_of_a_changed_address_is_deleted(bridge: Any) -> None:
    bridge.destination.settings["formerContact"] = "delete"
    bridge.start()
    bridge.send("ada", {"email": "a@b.com", "plan": "pro"})
    bridge.rest()
    bridge.send("ada", {"email": "a@c.com"})
    bridge.rest()
    assert bridge.mailjet.contact("a@b.com") is None
    assert bridge.properties("a@c.com") == {"plan": "pro"}
    (kept,) = Contact.objects.filter(email="a@b.com").values_list("desired", flat=True)
    assert state.decode_desired(kept) == Desired(moved_to="a@c.com", moved_at=NOON_MS + 1_000)


def test_a_deleted_old_address_stays_known_as_unsubscribed(bridge: Any) -> None:
    bridge.destination.settings["formerContact"] = "delete"
    bridge.start()
    bridge.send("ada", {"email": "a@b.com"})
    bridge.rest()
    bridge.mailjet.managecontactslists("a@b.com", {bridge.list_id: "unsub"})
    learn(1, [OptOut("a@b.com", 2_000_000_000_000, bridge.list_id)], now=0)
    bridge.send("ada", {"email": "a@c.com"})
    bridge.rest()
    assert bridge.mailjet.contact("a@b.com") is None
    assert bridge.subscriptions("a@c.com") == {bridge.list_id: False}
    bridge.send("eve", {"email": "a@b.com", "plan": "free"})
    bridge.rest()
    assert bridge.subscriptions("a@b.com") == {bridge.list_id: False}
    assert bridge.properties("a@b.com") == {"plan": "free"}


def test_going_back_to_the_deleted_address_makes_it_anew(bridge: Any) -> None:
    bridge.destination.settings["formerContact"] = "delete"
    bridge.start()
    for email in ("a@b.com", "a@c.com", "a@b.com"):
        bridge.send("ada", {"email": email, "plan": "pro"})
        bridge.rest()
    assert bridge.properties("a@b.com") == {"plan": "pro"}
    assert bridge.subscriptions("a@b.com") == {bridge.list_id: True}
    assert bridge.mailjet.contact("a@c.com") is None


def test_who_asks_twice_is_given_the_receipt_of_the_first_erasure(known: Any) -> None:
    asked = [erasure.ask(Workspace.objects.get().id, Identity.of_name("ada")) for _ in range(2)]
    assert asked[0].id == asked[1].id
    carry_out(known, asked[1])
    assert erasure.ask(Workspace.objects.get().id, Identity.of_name("ada")).id != asked[0].id


def test_a_contact_whose_job_got_lost_is_deleted_after_it(
    bridge: Any, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job would make the contact anew."""
    monkeypatch.setattr(jobs, "LOST_JOB_MS", 3_000)
    fault(bridge, "job_stuck", endpoint="POST contactslist/*/managemanycontacts", seconds=1)
    fault(bridge, "reset", when="after", endpoint="POST contactslist/*/managemanycontacts", times=1)
    bridge.log.append([bridge.identify(f"u{n}", {"email": f"p{n}@b.com"}) for n in range(15)])
    bridge.start()
    eventually(Contact.objects.exclude(sent=None).exists, "they are told")
    forget(bridge, "u3", 40)
    eventually(lambda: bridge.mailjet.contact("p4@b.com"), "the job has run")
    assert bridge.mailjet.contact("p3@b.com") is None


def test_a_deletion_that_mailjet_refuses_or_fails_holds_nobody_else_up(known: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(singles, "ERASE_AGAIN_MS", 500)
    fault(known, "status", status=400, message="No.", endpoint="DELETE contacts/*")
    row = erasure.ask(Workspace.objects.get().id, Identity.of_name("ada"))
    eraser = Eraser(known.log, threads_wanted.keepers)
    for number in range(20):
        assert not eraser.step(row)
        known.send(f"u{number}", {"email": f"p{number}@b.com"})
    assert known.settle().state == "running"
    mend(known)
    fault(known, "status", status=503, endpoint="*contacts/*")
    known.send("later", {"email": "later@b.com"})
    assert known.settle(25).failed == 1
    mend(known)
    assert carry_out(known, row).receipt[0] == "Mailjet public: the contacts of 2 addresses deleted."
