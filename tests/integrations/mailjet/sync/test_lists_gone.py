"""A contacts list that was deleted at Mailjet: what waits for it is seen, and nothing is told by way of it."""

from typing import Any

import pytest
from mailjet_rest import Client

from jetbridge.control.directory import load_destinations
from jetbridge.control.models import Destination
from jetbridge.delivery.threads import Threads
from jetbridge.integrations.mailjet.sync import account as account_

from .conftest import Bridge


def delete(bridge: Bridge, list_id: int) -> None:
    client = Client(auth=("public", "private"), api_url=bridge.url + "/")
    client.contactslist.update(id=list_id, data={"IsDeleted": True})
    client.close()


def choose(bridge: Bridge, list_id: int) -> None:
    """As on the settings page: the worker starts the destination anew."""
    row = Destination.objects.get()
    row.settings["listId"] = str(list_id)
    row.save()
    (bridge.destination,) = load_destinations()
    bridge.threads.stop()
    bridge.threads = Threads()
    bridge.start()


@pytest.mark.parametrize("total", [1, 30])
def test_what_waits_for_a_list_that_is_gone_goes_to_the_one_that_its_destination_is_given(
    bridge: Bridge, eventually: Any, monkeypatch: pytest.MonkeyPatch, total: int
) -> None:
    monkeypatch.setattr(account_, "PROBE_MS", 200)
    delete(bridge, bridge.list_id)
    bridge.start()
    bridge.log.append([bridge.identify(f"u{n}", {"email": f"p{n}@b.com"}) for n in range(total)])
    eventually(lambda: bridge.report().pause_code == "LIST_NOT_FOUND", "the destination is held")
    new = bridge.mailjet.create_contactslist("New").id
    choose(bridge, new)
    row = bridge.settle()
    assert (row.delivered, row.failed) == (total, 0)
    eventually(lambda: bridge.report().state == "running", "the hold is lifted")
    assert bridge.subscriptions("p0@b.com") == {new: True}


def test_a_running_worker_notices_that_a_list_was_replaced_without_a_restart(
    bridge: Bridge, eventually: Any
) -> None:
    """Long before its next look at the list."""
    delete(bridge, bridge.list_id)
    bridge.start()
    bridge.log.append([bridge.identify(f"u{n}", {"email": f"p{n}@b.com"}) for n in range(30)])
    eventually(lambda: bridge.report().pause_code == "LIST_NOT_FOUND", "the destination is held")
    new = bridge.mailjet.create_contactslist("New").id
    row = Destination.objects.get()
    row.settings["listId"] = str(new)
    row.save()
    eventually(lambda: bridge.report().delivered == 30, "all go to the new one", seconds=20)
    eventually(lambda: bridge.report().state == "running", "the hold is lifted", seconds=20)
    assert bridge.report().failed == 0


def test_calls_of_a_segment_workspace_follow_though_its_settings_name_the_former_list(
    bridge: Bridge, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X-Segment-Settings come with every call, until somebody corrects the List ID in Segment, too."""
    monkeypatch.setattr(account_, "PROBE_MS", 200)
    settings = {"listId": str(bridge.list_id)}
    delete(bridge, bridge.list_id)
    bridge.start()
    bridge.send("ada", {"email": "ada@b.com"}, settings=settings)
    eventually(lambda: bridge.report().pause_code == "LIST_NOT_FOUND", "the destination is held")
    new = bridge.mailjet.create_contactslist("New").id
    choose(bridge, new)
    eventually(lambda: bridge.report().delivered == 1, "what waited goes to the new list")
    bridge.send("bob", {"email": "bob@b.com"}, settings=settings)
    bridge.send("ada", {"unsubscribed": True}, settings=settings)
    row = bridge.settle()
    assert (row.delivered, row.failed) == (3, 0)
    assert bridge.subscriptions("ada@b.com") == {new: False}
    assert bridge.subscriptions("bob@b.com") == {new: True}


def test_calls_that_named_the_list_themselves_fail_and_hold_nobody(bridge: Bridge, eventually: Any) -> None:
    gone, total = bridge.list_id, 40
    delete(bridge, gone)
    bridge.start()
    named = {"Mailjet": {"listId": gone}}
    bridge.log.append(
        [
            bridge.identify(f"u{n}", {"email": f"p{n}@b.com"}, integrations=named if n % 2 else None)
            for n in range(total)
        ]
    )
    bridge.log.append([bridge.identify("u0", {"plan": "pro"}, integrations=named)])
    eventually(lambda: bridge.report().pause_code == "LIST_NOT_FOUND", "the destination is held")
    new = bridge.mailjet.create_contactslist("New").id
    choose(bridge, new)
    row = bridge.settle()
    assert (row.delivered, row.reasons["failed"]) == (total // 2, {"LIST_NOT_FOUND": total // 2 + 1})
    eventually(lambda: bridge.report().state == "running", "nothing is held")
    assert bridge.subscriptions("p0@b.com") == {new: True}
    assert bridge.subscriptions("p1@b.com") == {}
    bridge.log.append(
        [bridge.identify(f"v{n}", {"email": f"v{n}@b.com"}, integrations=named) for n in range(30)]
    )
    bridge.log.append([bridge.identify("w", {"email": "w@b.com"})])
    row = bridge.settle()
    assert (row.state, row.delivered, row.failed) == ("running", total // 2 + 1, total // 2 + 31)


@pytest.mark.parametrize("is_due", [True, False])
def test_who_had_unsubscribed_from_the_list_that_is_gone_stays_so_on_the_new_one(
    bridge: Bridge, eventually: Any, *, is_due: bool
) -> None:
    bridge.start()
    bridge.send("ada", {"email": "ada@b.com", "unsubscribed": True})
    bridge.send("bob", {"email": "bob@b.com"})
    bridge.settle()
    delete(bridge, bridge.list_id)
    bridge.send("bob", {"plan": "pro"})
    bridge.send("new", {"email": "new@b.com"})
    eventually(lambda: bridge.report().pause_code == "LIST_NOT_FOUND", "the destination is held")
    if is_due:
        bridge.send("ada", {"plan": "pro"})
    new = bridge.mailjet.create_contactslist("New").id
    choose(bridge, new)
    bridge.settle()
    for user in ("ada", "bob", "new"):
        bridge.send(user, {"plan": "free"})
    assert bridge.settle().failed == 0
    eventually(lambda: bridge.report().state == "running", "nothing is held")
    assert bridge.subscriptions("bob@b.com") == bridge.subscriptions("new@b.com") == {new: True}
    assert bridge.subscriptions("ada@b.com").get(new, False) is False
    assert bridge.properties("ada@b.com") == {"plan": "free", "unsubscribed": True}


@pytest.mark.parametrize("total", [1, 20])
def test_properties_are_told_by_way_of_a_list_that_is_there(started: Bridge, total: int) -> None:
    """Of those that a contact was put on, the first is gone."""
    gone = started.mailjet.create_contactslist("Gone").id
    people = {f"u{n}": {"email": f"p{n}@b.com"} for n in range(total)}
    for settings in ({"listId": gone}, None):
        started.log.append([started.identify(user, people[user], settings=settings) for user in people])
        started.settle()
    delete(started, gone)
    for plan in ("pro", "free"):
        started.log.append([started.identify(user, {"plan": plan}) for user in people])
        row = started.settle()
        assert (row.state, row.reasons["failed"]) == ("running", {})
        assert started.properties("p0@b.com") == {"plan": plan}
    assert started.subscriptions("p0@b.com") == {started.list_id: True}
