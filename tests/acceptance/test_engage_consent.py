"""Whoever wants no mail as Mailjet alone knows it is added to no list by Engage: the real program, activated by command."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from .test_changes import Workplace
from .test_engage_commands import add, send, value

if TYPE_CHECKING:
    from conftest import Loop

pytestmark = pytest.mark.acceptance

BUYERS = {"event": "Order"}


def test_neither_an_activation_nor_a_live_entry_adds_who_unsubscribed_in_mailjet(
    loop: "Loop", eventually: Callable[..., None]
) -> None:
    audience = f"audiences/{add(loop, 'audiences', 'Buyers', BUYERS)['id']}"
    workplace = Workplace(loop)
    for name in ("in", "out"):
        order(loop, f"first-{name}")
    unsubscribe(loop, "first-out")
    eventually(lambda: workplace.api("GET", audience)["size"] == 2, "both are members")
    mailjet = str(loop.destination("mailjet")["id"])
    loop.jetbridge("audiences", "set", "buyers", "--destination", mailjet, "--add-members")
    eventually(lambda: "first-in@example.com" in loop.subscribers(), "the first sync adds members")
    unsubscribe(loop, "later-out")
    for name in ("in", "out"):
        order(loop, f"later-{name}")
    eventually(lambda: "later-in@example.com" in loop.subscribers(), "so does an entry")
    loop.settle()
    for name in ("first", "later"):
        assert subscribed(loop, f"{name}-in") is True
        assert subscribed(loop, f"{name}-out") is False
        assert value(loop, f"{name}-in", "buyers") is True


def order(loop: "Loop", name: str) -> None:
    """Who orders has an address by it, and is no contact."""
    email = {"email": f"{name}@example.com"}
    send(loop, "track", userId=name, event="Order", context={"traits": email})


def unsubscribe(loop: "Loop", name: str) -> None:
    """In Mailjet: no event comes of a list's own page."""
    wanted = {"Email": f"{name}@example.com", "Action": "unsub"}
    loop.mailjet.contactslist_managecontact.create(id=loop.setup["list_id"], data=wanted)


def subscribed(loop: "Loop", name: str) -> bool:
    rows = loop.mailjet.contact_getcontactslists.get(id=f"{name}@example.com").json()["Data"]
    return any(row["ListID"] == loop.setup["list_id"] and not row["IsUnsub"] for row in rows)
