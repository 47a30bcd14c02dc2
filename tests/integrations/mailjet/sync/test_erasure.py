"""Who is to be forgotten is: at Mailjet, in the state, in the log; and is not learned again."""

import json
import sqlite3
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from jetbridge.control.models import Destination, Workspace
from jetbridge.delivery.models import (
    ConsumerOffset,
    DeliveryRecordRow,
    HeartbeatRow,
    PauseRow,
    destination_consumer,
)
from jetbridge.integrations.mailjet.contacts import state
from jetbridge.integrations.mailjet.contacts.consent import OptOut, learn
from jetbridge.integrations.mailjet.contacts.state import Desired
from jetbridge.integrations.mailjet.definition import MAILJET
from jetbridge.integrations.mailjet.models import Contact, Job, Person
from jetbridge.integrations.mailjet.sync import bulk_jobs, reconcile
from jetbridge.integrations.mailjet.sync import erasure as erasure_
from jetbridge.jobs.models import Task
from jetbridge.privacy import erasure, suppression
from jetbridge.privacy.erasure import Eraser
from jetbridge.privacy.models import Erasure
from jetbridge.spec.person import Identity
from jetbridge.worker.plan import erasure_handlers

from .test_retry_deadline import fault, mend

#: When the messages of a bridge begin.
NOON_MS = 1_793_534_400_000


def forget(bridge: Any, name: str, seconds: float = 20.0) -> Erasure:
    row = erasure.request(Workspace.objects.get().id, Identity.of_name(name))
    return carry_out(bridge, row, seconds)


def carry_out(bridge: Any, row: Erasure, seconds: float = 20.0) -> Erasure:
    eraser = Eraser(bridge.log, erasure_handlers)
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
    reader = destination_consumer(started.destination.id)
    reason = "20 of the last 20 were refused: 'ada' is no email address."
    PauseRow.objects.create(consumer=reader, code="CIRCUIT_OPEN", reason=reason, began_at=then, ended_at=then)
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
    row = carry_out(known, erasure.request(other.id, Identity.of_name("ada")))
    assert row.receipt[-1] == "Kept failures: 0 deleted."
    assert known.mailjet.contact("ada@c.com") is not None
    assert DeliveryRecordRow.objects.count() == 1


def test_what_is_merged_while_the_person_is_being_forgotten_goes_too(known: Any) -> None:
    row = erasure.request(Workspace.objects.get().id, Identity.of_name("ada"))
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
    assert state.decode_desired(kept) == Desired(left={"ada": (NOON_MS + 1_000, "a@c.com")})


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
    asked = [erasure.request(Workspace.objects.get().id, Identity.of_name("ada")) for _ in range(2)]
    assert asked[0].id == asked[1].id
    carry_out(known, asked[1])
    assert erasure.request(Workspace.objects.get().id, Identity.of_name("ada")).id != asked[0].id


def test_a_contact_whose_job_got_lost_is_deleted_after_it(
    bridge: Any, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job would make the contact anew."""
    monkeypatch.setattr(bulk_jobs, "LOST_JOB_MS", 3_000)
    fault(bridge, "job_stuck", endpoint="POST contactslist/*/managemanycontacts", seconds=1)
    fault(bridge, "reset", when="after", endpoint="POST contactslist/*/managemanycontacts", times=1)
    bridge.log.append([bridge.identify(f"u{n}", {"email": f"p{n}@b.com"}) for n in range(15)])
    bridge.start()
    eventually(Contact.objects.exclude(sent=None).exists, "they are told")
    forget(bridge, "u3", 40)
    eventually(lambda: bridge.mailjet.contact("p4@b.com"), "the job has run")
    assert bridge.mailjet.contact("p3@b.com") is None


def test_a_deletion_that_mailjet_refuses_or_fails_holds_nobody_else_up(known: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(erasure_, "DELETE_AGAIN_MS", 500)
    fault(known, "status", status=400, message="No.", endpoint="DELETE contacts/*")
    row = erasure.request(Workspace.objects.get().id, Identity.of_name("ada"))
    eraser = Eraser(known.log, erasure_handlers)
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


@pytest.mark.parametrize("name", ["ada@münchen.de", "ada@xn--mnchen-3ya.de"])
def test_a_person_is_forgotten_under_every_spelling_of_an_address(started: Any, name: str) -> None:
    started.mailjet.managecontact(started.list_id, {"Email": "ada@münchen.de", "Action": "addnoforce"})
    started.send("u1", {"E-Mail": "Ada@M\u00dcNCHEN.de", "plan": "secret-plan"})
    started.send("u2", {"email": "a\u200bda@m\u00fcnchen.de", "city": "secret-city"})
    started.rest()
    forget(started, name)
    for written in ("ada@münchen.de", "ada@xn--mnchen-3ya.de"):
        assert started.mailjet.contact(written) is None
    started.rest()
    for secret in ("secret-", "nchen", "NCHEN"):
        assert secret not in everything_stored(started)
    started.send("u3", {"email": "ada@m\uff55\u0308nchen.de"})
    assert started.rest().reasons["filtered"] == {"USER_SUPPRESSED": 1}


def test_a_key_that_may_not_delete_holds_no_destination(known: Any) -> None:
    fault(known, "status", status=403, endpoint="DELETE contacts/*")
    row = erasure.request(Workspace.objects.get().id, Identity.of_name("ada"))
    eraser = Eraser(known.log, erasure_handlers)
    deadline = time.monotonic() + 20
    while not Erasure.objects.get().waits_for.endswith("(FORBIDDEN)."):
        assert time.monotonic() < deadline
        eraser.step(row)
        time.sleep(0.02)
    known.send("later", {"email": "later@b.com"})
    assert known.settle().state == "running"
    assert known.properties("later@b.com") == {}


def test_nobody_waits_for_an_erasure_behind_a_backlog_or_a_job(known: Any, eventually: Any) -> None:
    """Jobs that do not end keep anything else from being sent."""
    fault(known, "job_stuck", endpoint="POST contactslist/*/managemanycontacts", seconds=3600)
    for part in range(reconcile.SEND_POLICY.max_jobs):
        known.log.append([known.identify(f"u{part}-{n}", {"email": f"p{part}-{n}@b.com"}) for n in range(15)])
        eventually(lambda: Job.objects.count() == part + 1, "they are in a job")  # noqa: B023 - called at once
    forget(known, "ada")
    assert known.mailjet.contact("ada@c.com") is None


def test_a_contact_that_a_job_carries_is_deleted_after_it_though_nothing_is_enabled(
    bridge: Any, eventually: Any
) -> None:
    fault(bridge, "job_stuck", endpoint="POST contactslist/*/managemanycontacts", seconds=4)
    bridge.log.append([bridge.identify(f"u{n}", {"email": f"p{n}@b.com"}) for n in range(15)])
    bridge.start()
    eventually(Contact.objects.exclude(job_id=None).exists, "a job carries them")
    bridge.threads.keep({})  # as if its destination were disabled
    Destination.objects.update(enabled=False)
    row = erasure.request(Workspace.objects.get().id, Identity.of_name("u3"))
    eraser = Eraser(bridge.log, erasure_handlers)
    bridge.threads.keep(MAILJET.background_threads(bridge.log))
    eventually(
        lambda: (
            eraser.step(row)
            or Erasure.objects.get().waits_for.startswith("It waits for the end of Mailjet's job")
        ),
        "it says what it waits for",
    )
    carry_out(bridge, row)
    assert bridge.mailjet.contact("p3@b.com") is None
    assert bridge.mailjet.contact("p4@b.com") is not None
    assert not Job.objects.exists()


def add_unread_destination(bridge: Any, *, enabled: bool) -> None:
    """Another one of the same account, which has read nothing of the log."""
    row = Destination.objects.get(id=bridge.destination.id)
    row.pk, row.name, row.enabled = None, "Another", enabled
    row.save(force_insert=True)
    ConsumerOffset.objects.create(consumer=destination_consumer(row.id), position=0)


def test_a_disabled_destination_that_has_not_read_all_holds_nobody_up(known: Any) -> None:
    """It reads on when it is enabled, which may be never, and finds the person suppressed then."""
    workspace = Workspace.objects.get()
    add_unread_destination(known, enabled=False)
    other = Destination.objects.get(name="Another")
    threads = [f"destination {id_} (x)" for id_ in (known.destination.id, other.id)]
    HeartbeatRow.objects.bulk_create(
        HeartbeatRow(thread=name, process=1, beaten_at=datetime.now(UTC)) for name in threads
    )
    row = erasure.request(workspace.id, Identity.of_name("ada"))
    row.requested_at -= timedelta(seconds=10)
    assert not Eraser(known.log, erasure_handlers).step(row)  # it is at work on its last batch
    reader = destination_consumer(other.id)
    assert reader in row.waits_for
    HeartbeatRow.objects.filter(thread=threads[1]).delete()
    carry_out(known, row)
    assert Erasure.objects.get().waits_for == ""
    assert known.mailjet.contact("ada@c.com") is None
    assert "secret-plan" not in everything_stored(known)


def test_one_that_is_enabled_is_waited_for(known: Any) -> None:
    workspace = Workspace.objects.get()
    add_unread_destination(known, enabled=True)
    row = erasure.request(workspace.id, Identity.of_name("ada"))
    row.requested_at -= timedelta(minutes=2)
    assert not any(Eraser(known.log, erasure_handlers).step(row) for _ in range(5))
    assert known.mailjet.contact("ada@c.com") is not None
