"""A contacts list that was deleted at Mailjet: what waits for it is seen, and nothing is told by way of it."""

from typing import Any

import pytest
from mailjet_rest import Client

from jetbridge.control.directory import load_destinations
from jetbridge.control.models import Destination
from jetbridge.delivery import again
from jetbridge.delivery.exhibits import Choice
from jetbridge.delivery.threads import Threads
from jetbridge.destinations.mailjet import lanes

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


@pytest.mark.parametrize("total", [1, 15])
def test_what_waits_for_a_list_that_was_given_up_fails_and_goes_to_the_new_one_when_retried(
    bridge: Bridge, eventually: Any, monkeypatch: pytest.MonkeyPatch, total: int
) -> None:
    monkeypatch.setattr(lanes, "PROBE_MS", 200)
    delete(bridge, bridge.list_id)
    bridge.start()
    bridge.log.append([bridge.identify(f"u{n}", {"email": f"p{n}@b.com"}) for n in range(total)])
    eventually(lambda: bridge.report().hold_code == "LIST_NOT_FOUND", "the destination is held")
    new = bridge.mailjet.create_contactslist("New").id
    choose(bridge, new)
    assert bridge.settle().reasons["failed"] == {"LIST_NOT_FOUND": total}
    eventually(lambda: bridge.report().state == "running", "the hold is lifted")
    again.retry(bridge.destination.id, Choice(), bridge.log)
    assert bridge.settle().delivered == total
    assert bridge.subscriptions("p0@b.com") == {new: True}


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
