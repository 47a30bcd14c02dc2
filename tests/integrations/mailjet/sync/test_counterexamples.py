"""Each of these was once wrong: found by `test_model.py`, by the replay proof, or by thinking about them."""

import json
import urllib.request
from typing import Any

from jetbridge.integrations.mailjet.contacts.consent import OptOut, learn

from .conftest import NOON


def fault(bridge: Any, **fields: Any) -> None:
    request = urllib.request.Request(
        f"{bridge.url}/sandbox/faults", json.dumps(fields).encode(), method="POST"
    )
    urllib.request.urlopen(request).close()


def test_a_property_whose_creation_was_answered_by_halves_is_told_all_the_same(bridge: Any) -> None:
    """Its second creation was refused as 'already exists', cut off: taken for a property that cannot be."""
    fault(bridge, kind="reset", when="after", endpoint="POST contactmetadata", times=1)
    fault(
        bridge,
        kind="corrupted_response",
        body="truncated",
        when="after",
        endpoint="POST contactmetadata",
        times=1,
    )
    bridge.start()
    bridge.send("ada", {"email": "a@b.com", "plan": "pro"})
    row = bridge.rest()
    assert (row.delivered, row.failed) == (1, 0)
    assert bridge.properties("a@b.com") == {"plan": "pro"}


def test_a_page_instead_of_an_answer_is_no_yes_to_a_list(bridge: Any) -> None:
    """A proxy's page with status 200 was taken for Mailjet's yes: the person was on one list of two."""
    other = bridge.mailjet.create_contactslist("Other").id
    fault(
        bridge, kind="corrupted_response", body="html", endpoint="POST contact/managecontactslists", times=1
    )
    bridge.start()
    bridge.send("ada", {"plan": "pro"}, integrations={"Mailjet": {"listId": other}})
    bridge.send("ada", {"email": "a@b.com"})
    bridge.rest()
    assert bridge.subscriptions("a@b.com") == {bridge.list_id: True, other: True}


def test_who_goes_back_to_an_address_is_on_all_lists_again(started: Any) -> None:
    """Having left the first list outlived the return, because only the second one was named by then."""
    other = started.mailjet.create_contactslist("Other").id
    started.send("ada", {"email": "a@b.com"})
    started.rest()
    started.send("ada", {"email": "a@c.com"})
    started.rest()
    started.send("ada", {"email": "a@b.com"}, integrations={"Mailjet": {"listId": other}})
    started.rest()
    assert started.subscriptions("a@b.com") == {started.list_id: True, other: True}
    assert started.subscriptions("a@c.com") == {}


def test_an_old_call_without_a_user_does_not_bring_a_former_address_back(started: Any) -> None:
    """Somebody named the address before its user left it; the call came late."""
    started.send("ada", {"email": "a@b.com"}, at=10)
    started.rest()
    started.send("ada", {"email": "a@c.com"}, at=20)
    started.rest()
    started.send(None, {"email": "a@b.com", "plan": "old"}, at=15)
    started.rest()
    assert started.subscriptions("a@b.com") == {}
    started.send(None, {"email": "a@b.com", "plan": "new"}, at=25)
    started.rest()
    assert started.subscriptions("a@b.com") == {started.list_id: True}


def test_an_older_address_that_came_late_is_known_when_somebody_unsubscribes_there(started: Any) -> None:
    """It had never been a contact of its own, so nobody knew whose it was."""
    started.send("ada", {"email": "new@b.com"}, at=20)
    started.rest()
    started.send("ada", {"email": "old@b.com"}, at=10)
    started.rest()
    learn(1, [OptOut("old@b.com", int(NOON.timestamp() * 1000) + 30_000)], now=0)
    started.rest()
    assert started.subscriptions("new@b.com") == {started.list_id: False}
    assert started.mailjet.contact("old@b.com") is None
