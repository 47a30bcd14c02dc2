"""`remove` makes Mailjet forget an unsubscribe, so it is never used where there is one.

It can be sent for a call's `action: "remove"` and for an address that its user has left.
"""

import mailjet_rest
import pytest

from jetbridge.integrations.mailjet.contacts.consent import OptOut, learn

from .conftest import Bridge

REMOVE = {"Mailjet": {"action": "remove"}}
FORCE = {"Mailjet": {"action": "addforce"}}
UNSUB = {"Mailjet": {"action": "unsub"}}
LATER_MS = 1_800_000_000_000
MUCH_LATER_S = 100_000_000


def test_remove_takes_a_subscriber_off_the_list_and_addforce_brings_back_all(started: Bridge) -> None:
    started.send("u1", {"email": "a@b.com", "plan": "pro"})
    started.rest()
    started.send("u1", {}, integrations=REMOVE)
    started.rest()
    assert started.subscriptions("a@b.com") == {}
    started.send("u1", {"plan": "team"})
    started.rest()
    assert started.subscriptions("a@b.com") == {}
    started.send("u1", {}, integrations=FORCE)
    started.rest()
    assert started.subscriptions("a@b.com") == {started.list_id: True}
    assert started.properties("a@b.com") == {"plan": "team"}


def test_properties_of_a_contact_off_one_list_go_by_way_of_another(started: Bridge) -> None:
    other = started.mailjet.create_contactslist("Other").id
    started.send("u1", {"email": "a@b.com"})
    started.send("u1", {}, integrations={"Mailjet": {"listId": other}})
    started.rest()
    started.send("u1", {}, integrations=REMOVE)
    started.rest()
    started.send("u1", {"plan": "pro"}, integrations={"Mailjet": {"listId": other}})
    started.rest()
    assert started.properties("a@b.com") == {"plan": "pro"}
    assert started.subscriptions("a@b.com") == {other: True}


@pytest.mark.parametrize("known", ["seen by nobody", "learnt from an event", "asked for by a call"])
def test_remove_leaves_an_unsubscribe_as_it_is(started: Bridge, known: str) -> None:
    started.send("u1", {"email": "a@b.com"})
    started.rest()
    if known == "asked for by a call":
        started.send("u1", {}, integrations=UNSUB)
        started.rest()
    else:
        started.mailjet.managecontactslists("a@b.com", {started.list_id: "unsub"})
    if known == "learnt from an event":
        learn(1, [OptOut("a@b.com", LATER_MS, started.list_id)], now=0)
    started.send("u1", {}, at=MUCH_LATER_S, integrations=REMOVE)
    report = started.rest()
    assert report.delivered == report.received
    assert started.subscriptions("a@b.com") == {started.list_id: False}
    started.send("u1", {"plan": "pro"}, at=MUCH_LATER_S + 1)
    started.rest()
    assert started.subscriptions("a@b.com") == {started.list_id: False}


def test_an_unsubscribe_and_a_remove_in_one_batch_end_as_unsubscribed(bridge: Bridge) -> None:
    bridge.mailjet.managecontact(bridge.list_id, {"Email": "a@b.com", "Action": "addnoforce"})
    bridge.send("u1", {"email": "a@b.com", "unsubscribed": True})
    bridge.send("u1", {}, integrations=REMOVE)
    bridge.start()
    bridge.settle()
    assert bridge.subscriptions("a@b.com") == {bridge.list_id: False}


@pytest.mark.parametrize("action", ["addnoforce", "addforce"])
def test_an_address_that_its_user_has_left_is_off_the_list(started: Bridge, action: str) -> None:
    started.send("u1", {"email": "old@b.com"}, integrations={"Mailjet": {"action": action}})
    started.rest()
    started.send("u1", {"email": "new@b.com"})
    started.rest()
    assert started.subscriptions("old@b.com") == {}
    assert started.subscriptions("new@b.com") == {started.list_id: True}


@pytest.mark.parametrize("known", ["seen by nobody", "learnt from an event", "asked for by a call"])
def test_an_unsubscribed_address_that_its_user_has_left_stays_unsubscribed(
    started: Bridge, known: str
) -> None:
    started.send("u1", {"email": "old@b.com"})
    started.rest()
    if known == "asked for by a call":
        started.send("u1", {"unsubscribed": True})
        started.rest()
    else:
        started.mailjet.managecontactslists("old@b.com", {started.list_id: "unsub"})
    if known == "learnt from an event":
        learn(1, [OptOut("old@b.com", LATER_MS, started.list_id)], now=0)
    started.send("u1", {"email": "new@b.com"}, at=MUCH_LATER_S)
    started.rest()
    assert started.subscriptions("old@b.com") == {started.list_id: False}
    assert started.subscriptions("new@b.com") == {started.list_id: False}


@pytest.mark.parametrize("leaves", [False, True])
def test_who_complained_is_unsubscribed_and_not_removed(started: Bridge, *, leaves: bool) -> None:
    """Mailjet has not been told of the complaint when the address is to go."""
    started.send("u1", {"email": "old@b.com"})
    started.rest()
    started.threads.stop()
    learn(1, [OptOut("old@b.com", LATER_MS)], now=0)
    if leaves:
        started.send("u1", {"email": "new@b.com"}, at=MUCH_LATER_S)
    else:
        started.send("u1", {}, at=MUCH_LATER_S, integrations=REMOVE)
    started.start()
    assert started.rest().delivered == 2
    assert started.subscriptions("old@b.com") == {started.list_id: False}


def test_a_list_that_is_gone_has_nobody_to_be_removed(started: Bridge) -> None:
    started.send("u1", {"email": "a@b.com"})
    started.rest()
    client = mailjet_rest.Client(auth=("public", "private"), api_url=started.url + "/")
    client.contactslist.update(id=started.list_id, data={"IsDeleted": True})
    client.close()
    started.send("u1", {}, integrations=REMOVE)
    assert started.rest().delivered == 2
