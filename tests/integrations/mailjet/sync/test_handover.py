"""An address changes hands: each contact shows its present user's values, and nothing of who had it before."""

from typing import Any

import pytest

from jetbridge.control.models import Workspace
from jetbridge.integrations.mailjet.contacts.consent import OptOut, learn
from jetbridge.integrations.mailjet.contacts.contact import user_ids
from jetbridge.integrations.mailjet.definition import MAILJET
from jetbridge.integrations.mailjet.models import Contact, Person
from jetbridge.integrations.mailjet.sync.plan import plan
from jetbridge.integrations.mailjet.sync.preview import preview
from jetbridge.privacy import erasure
from jetbridge.privacy.erasure import Eraser
from jetbridge.spec.message import decode
from jetbridge.spec.person import Identity
from jetbridge.worker.plan import erasure_handlers

from .conftest import Bridge, TwoLists
from .test_verify import at_rest, look

LATER_MS = 1_800_000_000_000
MUCH_LATER_S = 100_000_000

BOB = {"email": "info@b.com", "name": "Bob", "plan": "pro", "score": 7, "note": "private"}
ADA = {"email": "ada@b.com", "city": "Paris", "plan": "free"}


def name_at_mailjet(bridge: Bridge, email: str) -> str:
    contact = bridge.mailjet.contact(email)
    assert contact is not None
    return contact.name


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("former", ["keep", "delete"])
def test_who_takes_an_address_shows_there_and_the_former_user_does_not(
    bridge: Bridge, former: str, *, at_once: bool
) -> None:
    bridge.destination.settings["formerContact"] = former
    bridge.start()
    calls: list[tuple[str, dict[str, Any]]] = [
        ("bob", BOB),
        ("ada", ADA),
        ("bob", {"email": "bob@b.com"}),
        ("ada", {"email": "info@b.com", "age": 40}),
    ]
    bridge.send(*calls[0])
    bridge.rest()
    if at_once:
        bridge.log.append([bridge.identify(*call) for call in calls[1:]])
    for call in () if at_once else calls[1:]:
        bridge.send(*call)
        bridge.rest()
    bridge.rest()
    assert bridge.properties("info@b.com") == {"city": "Paris", "plan": "free", "age": 40}
    assert name_at_mailjet(bridge, "info@b.com") == ""
    assert bridge.properties("bob@b.com") == {"name": "Bob", "plan": "pro", "score": 7, "note": "private"}
    assert name_at_mailjet(bridge, "bob@b.com") == "Bob"
    assert bridge.subscriptions("info@b.com") == {bridge.list_id: True}
    assert user_ids(1, ["info@b.com", "bob@b.com"]) == {"info@b.com": "ada", "bob@b.com": "bob"}
    assert look(bridge)[1] == []


@pytest.mark.parametrize("how", ["one batch", "several batches", "the second first", "backwards", "at once"])
def test_two_who_swap_addresses_show_each_their_own(bridge: Bridge, how: str) -> None:
    calls = [
        bridge.identify("ada", {"email": "a@b.com", "name": "Ada", "plan": "free"}, at=1),
        bridge.identify("bob", {"email": "b@b.com", "name": "Bob", "score": 7}, at=1),
        bridge.identify("ada", {"email": "b@b.com"}, at=2),
        bridge.identify("bob", {"email": "a@b.com"}, at=2 if how == "at once" else 3),
    ]
    if how == "the second first":
        calls[2:] = calls[:1:-1]
    if how == "backwards":
        calls.reverse()
    bridge.start()
    for entry in calls if how != "one batch" else ():
        bridge.log.append([entry])
        bridge.rest()
    if how == "one batch":
        bridge.log.append(calls)
    bridge.rest()
    assert bridge.properties("b@b.com") == {"name": "Ada", "plan": "free"}
    assert bridge.properties("a@b.com") == {"name": "Bob", "score": 7}
    assert [name_at_mailjet(bridge, email) for email in ("a@b.com", "b@b.com")] == ["Bob", "Ada"]
    for email in ("a@b.com", "b@b.com"):
        assert bridge.subscriptions(email) == {bridge.list_id: True}
    assert look(bridge)[1] == []


def test_who_leaves_a_shared_address_takes_his_own_values_along_and_no_others(started: Bridge) -> None:
    started.send("bob", {"email": "info@b.com", "plan": "pro", "score": 7})
    started.send("ada", {"email": "info@b.com", "plan": "free", "city": "Paris"})
    started.rest()
    assert started.properties("info@b.com") == {"plan": "free", "score": 7, "city": "Paris"}
    started.send("bob", {"email": "bob@b.com"})
    started.rest()
    assert started.properties("info@b.com") == {"plan": "free", "city": "Paris"}
    assert started.properties("bob@b.com") == {"plan": "pro", "score": 7}


def test_a_list_that_only_the_former_user_had_wished_is_left(started: Bridge) -> None:
    other = started.mailjet.create_contactslist("VIP").id
    started.send("bob", {"email": "info@b.com"})
    started.send("bob", {}, integrations={"Mailjet": {"listId": other}})
    started.send("ada", {"email": "info@b.com"})
    started.rest()
    assert started.subscriptions("info@b.com") == {started.list_id: True, other: True}
    started.send("bob", {"email": "bob@b.com"})
    started.rest()
    assert started.subscriptions("info@b.com") == {started.list_id: True}
    assert started.subscriptions("bob@b.com") == {started.list_id: True, other: True}


def test_an_unsubscribe_stays_with_the_address_and_follows_the_person(started: Bridge) -> None:
    started.send("bob", BOB | {"unsubscribed": True})
    started.rest()
    started.send("bob", {"email": "bob@b.com", "unsubscribed": False})
    started.send("ada", {"email": "info@b.com"})
    started.rest()
    assert started.subscriptions("bob@b.com") == {started.list_id: False}
    assert started.subscriptions("info@b.com") == {started.list_id: False}
    force = {"Mailjet": {"action": "addforce"}}
    started.send("ada", {}, integrations=force)
    started.rest()
    assert started.subscriptions("info@b.com") == {started.list_id: True}
    assert started.subscriptions("bob@b.com") == {started.list_id: False}


def test_an_unsubscribe_that_mailjet_told_of_outlasts_every_change_of_hands(started: Bridge) -> None:
    started.send("bob", BOB)
    started.send("ada", {"email": "info@b.com"})
    started.rest()
    learn(1, [OptOut("info@b.com", LATER_MS, started.list_id)], now=0)
    for number, (user, email) in enumerate(
        [("bob", "bob@b.com"), ("ada", "ada@b.com"), ("eve", "info@b.com")]
    ):
        started.send(user, {"email": email}, at=MUCH_LATER_S + number)
        started.rest()
        assert started.subscriptions(email) == {started.list_id: False}
        assert started.subscriptions("info@b.com") == {started.list_id: False}


def test_an_unsubscribe_by_an_old_mail_reaches_its_user_and_not_who_has_the_next_address_now(
    started: Bridge,
) -> None:
    for email in ("bob@a.com", "info@b.com", "bob@c.com"):
        started.send("bob", {"email": email})
        started.rest()
    started.send("ada", {"email": "info@b.com"})
    started.rest()
    learn(1, [OptOut("bob@a.com", LATER_MS, started.list_id)], now=0)
    started.rest()
    assert started.subscriptions("bob@c.com") == {started.list_id: False}
    assert started.subscriptions("info@b.com") == {started.list_id: True}


def test_what_was_said_without_a_user_counts_until_a_user_leaves(started: Bridge) -> None:
    started.send(None, {"email": "info@b.com", "name": "Bob", "city": "Rome"})
    started.send("bob", {"email": "info@b.com", "plan": "pro"})
    started.rest()
    assert started.properties("info@b.com") == {"name": "Bob", "city": "Rome", "plan": "pro"}
    started.send("bob", {"email": "bob@b.com"})
    started.send("ada", {"email": "info@b.com", "age": 40})
    started.send(None, {"email": "info@b.com", "city": "Paris"})
    started.rest()
    assert started.properties("info@b.com") == {"age": 40, "city": "Paris"}
    assert name_at_mailjet(started, "info@b.com") == ""
    assert started.properties("bob@b.com") == {"plan": "pro"}


def test_a_name_that_is_cleared_is_cleared_at_mailjet(started: Bridge) -> None:
    started.send("bob", BOB)
    started.rest()
    started.send("bob", {"name": None})
    started.rest()
    assert name_at_mailjet(started, "info@b.com") == ""


def test_to_forget_a_former_user_leaves_the_address_to_whose_it_is_now(started: Bridge) -> None:
    started.send("bob", BOB)
    started.send("bob", {"email": "bob@b.com"})
    started.send("ada", ADA)
    started.send("ada", {"email": "info@b.com"})
    started.rest()
    row = erasure.request(Workspace.objects.get().id, Identity.of_name("bob"))
    eraser = Eraser(started.log, erasure_handlers)
    while not eraser.step(row):
        pass
    assert started.mailjet.contact("bob@b.com") is None
    assert started.properties("info@b.com") == {"city": "Paris", "plan": "free"}
    stored = repr([Contact.objects.values(), Person.objects.values()])
    assert "info@b.com" in stored
    assert "'bob'" not in stored
    assert "bob@b.com" not in stored
    assert "private" not in stored
    started.send("ada", {"plan": "pro"})
    started.rest()
    assert started.properties("info@b.com") == {"city": "Paris", "plan": "pro"}


def test_the_former_user_is_not_shown_what_belongs_to_the_present_one(started: Bridge) -> None:
    started.send("bob", BOB)
    started.send("bob", {"email": "bob@b.com"})
    started.send("ada", ADA | {"email": "info@b.com"})
    started.rest()
    shown = MAILJET.person(started.destination, Identity.of_name("bob"))
    assert [contact["email"] for contact in shown] == ["bob@b.com"]
    shown = MAILJET.person(started.destination, Identity.of_name("info@b.com"))
    assert [contact["users"] for contact in shown] == [["ada"]]


def test_a_value_of_the_former_user_that_mailjet_refused_is_kept_nowhere(started: Bridge) -> None:
    started.send("eve", {"email": "eve@b.com", "age": 40})
    started.rest()
    started.send("bob", BOB | {"age": "forty-one"})
    started.rest()
    started.send("bob", {"email": "bob@b.com", "age": None})
    started.send("ada", {"email": "info@b.com"})
    started.rest()
    assert "forty-one" not in repr(Contact.objects.values())


def test_former_values_are_cleared_by_a_job_as_mailjet_documents_it(started: Bridge) -> None:
    """Nobody knows whether `managecontact` takes null, and the former user's values must go."""
    other = started.mailjet.create_contactslist("VIP").id
    started.send("bob", BOB)
    started.send("bob", {}, integrations={"Mailjet": {"listId": other}})
    started.send("ada", ADA)
    started.rest()
    started.send("bob", {"email": "bob@b.com"})
    started.rest()
    started.reset_calls()
    started.send("ada", {"email": "info@b.com"})
    row = started.rest()
    assert row.delivered == row.received
    assert started.properties("info@b.com") == {"city": "Paris", "plan": "free"}
    (job,) = [call for call in started.calls() if "managemany" in call]
    assert started.calls()[job] == 1
    assert not [call for call in started.calls() if call.endswith("managecontact")]


def test_plan_and_preview_foresee_what_is_cleared(bridge: Bridge) -> None:
    bridge.start()
    bridge.send("bob", BOB)
    bridge.rest()
    bridge.send("bob", {"email": "bob@b.com"})
    bridge.rest()
    bridge.threads.stop()
    entry = bridge.identify("ada", {"email": "info@b.com", "age": 40})
    seen = preview(bridge.destination, decode(entry.body))
    assert '"note": null' in seen.request
    assert '"Name": ""' in seen.request
    bridge.log.append([entry])
    bridge.merge()
    assert plan(1, bridge.mailjet).changed == 1


def test_destinations_of_one_account_leave_each_other_what_is_theirs(two: TwoLists) -> None:
    """Bob is known to the one source, Ada to the other; both had info@."""
    two.start()
    bridge = two.bridge
    bob = [bridge.identify("bob", BOB), bridge.identify("bob", {"email": "bob@b.com"})]
    ada = [bridge.identify("ada", ADA), bridge.identify("ada", {"email": "info@b.com"})]
    for entry in (ada[0], *bob, ada[1]):
        source = two.second_only if entry in ada else entry.source
        bridge.log.append([entry._replace(source=source)])
        two.settle()
    at_rest(bridge)
    assert bridge.properties("info@b.com") == {"city": "Paris", "plan": "free"}
    assert bridge.subscriptions("info@b.com") == {two.second: True}
    assert bridge.subscriptions("bob@b.com") == {two.first: True, two.second: True}
