"""Who wants no mail gets none, whatever Segment says later."""

from typing import Any

import pytest

from jetbridge.integrations.mailjet.contacts.consent import OptOut, learn
from jetbridge.integrations.mailjet.models import Contact

from .conftest import NOON

#: After every message of these tests, and before the ones that say so.
LATER_MS = 1_800_000_000_000
MUCH_LATER_S = 100_000_000
#: After the messages of these tests that say no time, and before the sandbox's clock.
BOUNCED_MS = 1_793_600_000_000


def opt_out(email: str, list_id: int | None = None, *, bounced: bool = False) -> None:
    learn(1, [OptOut(email, BOUNCED_MS if bounced else LATER_MS, list_id, bounced)], now=0)


def test_an_unsubscribe_from_a_list_wins_over_later_identifies_and_costs_no_call(started: Any) -> None:
    started.send("u1", {"email": "a@b.com"})
    started.settle()
    started.mailjet.managecontactslists("a@b.com", {started.list_id: "unsub"})
    started.reset_calls()
    opt_out("a@b.com", started.list_id)
    started.send("u1", {"email": "a@b.com"}, at=MUCH_LATER_S)
    started.settle()
    assert started.calls() == {}
    assert started.subscriptions("a@b.com") == {started.list_id: False}


def test_properties_of_somebody_unsubscribed_are_kept_up_to_date(started: Any) -> None:
    started.send("u1", {"email": "a@b.com"})
    started.settle()
    opt_out("a@b.com", started.list_id)
    started.send("u1", {"email": "a@b.com", "plan": "pro"}, at=MUCH_LATER_S)
    started.settle()
    assert started.properties("a@b.com") == {"plan": "pro"}
    assert started.subscriptions("a@b.com") == {started.list_id: False}


@pytest.mark.parametrize("bounced", [False, True])
def test_who_wants_no_mail_at_all_leaves_every_list_and_joins_none(started: Any, *, bounced: bool) -> None:
    other = started.mailjet.create_contactslist("Other").id
    started.send("u1", {"email": "a@b.com"})
    started.settle()
    opt_out("a@b.com", bounced=bounced)
    started.send("u1", {}, at=MUCH_LATER_S, integrations={"Mailjet": {"listId": other}})
    started.settle()
    assert started.subscriptions("a@b.com") == {started.list_id: False, other: False}


def test_an_opt_out_is_remembered_before_the_first_identify(started: Any) -> None:
    opt_out("a@b.com")
    assert Contact.objects.get().next_attempt_at is None
    started.send("u1", {"email": "a@b.com", "plan": "pro"}, at=MUCH_LATER_S)
    started.settle()
    assert started.subscriptions("a@b.com") == {started.list_id: False}
    assert started.properties("a@b.com") == {"plan": "pro"}


def test_only_an_addforce_said_afterwards_subscribes_again(started: Any) -> None:
    started.send("u1", {"email": "a@b.com"})
    started.settle()
    opt_out("a@b.com")
    force = {"Mailjet": {"action": "addforce"}}
    started.send("u1", {"n": 1}, integrations=force)
    started.settle()
    assert started.subscriptions("a@b.com") == {started.list_id: False}
    started.send("u1", {"n": 2}, at=MUCH_LATER_S, integrations=force)
    started.settle()
    assert started.subscriptions("a@b.com") == {started.list_id: True}


def test_a_complaint_moves_with_a_changed_address_and_a_bounce_does_not(started: Any) -> None:
    for user in ("complains", "bounces"):
        started.send(user, {"email": f"{user}@old.com"})
    started.settle()
    opt_out("complains@old.com")
    opt_out("bounces@old.com", bounced=True)
    for number, user in enumerate(("complains", "bounces")):
        started.send(user, {"email": f"{user}@new.com"}, at=MUCH_LATER_S + number)
    started.settle()
    assert started.subscriptions("complains@new.com") == {started.list_id: False}
    assert started.subscriptions("bounces@new.com") == {started.list_id: True}


def test_the_trait_unsubscribed_unsubscribes_and_false_does_not_subscribe(started: Any) -> None:
    started.send("u1", {"email": "a@b.com", "unsubscribed": True})
    started.settle()
    assert started.subscriptions("a@b.com") == {started.list_id: False}
    started.send("u1", {"unsubscribed": False})
    started.settle()
    assert started.subscriptions("a@b.com") == {started.list_id: False}


@pytest.mark.parametrize("former", ["keep", "delete"])
def test_an_unsubscribe_by_an_old_mail_to_a_former_address_is_meant_for_the_new_one(
    bridge: Any, former: str
) -> None:
    bridge.destination.settings["formerContact"] = former
    bridge.start()
    for email in ("a@b.com", "a@c.com", "a@d.com"):
        bridge.send("u1", {"email": email})
        bridge.rest()
    opt_out("a@b.com", bridge.list_id)
    bridge.send("u1", {"plan": "pro"}, at=MUCH_LATER_S)
    bridge.rest()
    assert bridge.subscriptions("a@d.com") == {bridge.list_id: False}


def test_a_bounce_of_a_former_address_says_nothing_of_the_new_one(started: Any) -> None:
    for email in ("a@b.com", "a@c.com"):
        started.send("u1", {"email": email})
        started.rest()
    opt_out("a@b.com", bounced=True)
    started.send("u1", {"plan": "pro"}, at=MUCH_LATER_S)
    started.rest()
    assert started.subscriptions("a@c.com") == {started.list_id: True}


def test_an_addforce_of_a_clock_that_is_ahead_does_not_outlast_a_later_unsubscribe(started: Any) -> None:
    force = {"Mailjet": {"action": "addforce"}}
    started.send("u1", {"email": "a@b.com"}, at=20 * 3_600, received=0, integrations=force)
    started.settle()
    learn(1, [OptOut("a@b.com", int(NOON.timestamp() * 1000) + 1, started.list_id)], now=0)
    started.rest()
    assert started.subscriptions("a@b.com") == {started.list_id: False}


@pytest.mark.parametrize("known_here", [True, False])
@pytest.mark.parametrize("at_once", [True, False])
def test_an_older_address_that_comes_late_brings_its_unsubscribe_along(
    bridge: Any, *, known_here: bool, at_once: bool
) -> None:
    bridge.mailjet.managecontact(bridge.list_id, {"Email": "old@b.com", "Action": "unsub"})
    if known_here:
        opt_out("old@b.com", bridge.list_id)
    bridge.send("u1", {"email": "new@b.com"}, at=100)
    if not at_once:
        bridge.merge()
    bridge.send("u1", {"email": "old@b.com", "plan": "pro"}, at=50)
    bridge.start()
    bridge.rest()
    assert bridge.subscriptions("new@b.com") == {bridge.list_id: False}
    assert bridge.properties("new@b.com") == {"plan": "pro"}


@pytest.mark.parametrize("known_here", [True, False])
@pytest.mark.parametrize("at_once", [True, False])
def test_an_unsubscribe_moves_through_several_changes_of_address(
    bridge: Any, *, known_here: bool, at_once: bool
) -> None:
    """Also one between two addresses, which nobody was ever told of."""
    for unsubscribed in ("a@b.com", "c@d.com"):
        bridge.mailjet.managecontact(bridge.list_id, {"Email": unsubscribed, "Action": "unsub"})
        if known_here:
            opt_out(unsubscribed, bridge.list_id)
    for user, emails in {
        "u1": ("a@b.com", "b@b.com", "e@b.com"),
        "u2": ("f@b.com", "c@d.com", "g@b.com"),
    }.items():
        for email in emails:
            bridge.send(user, {"email": email})
            if not at_once:
                bridge.merge()
    bridge.start()
    bridge.rest()
    for email in ("e@b.com", "g@b.com"):
        assert bridge.subscriptions(email) == {bridge.list_id: False}
