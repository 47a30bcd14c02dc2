"""Rows that were written before a change of what they hold are read after it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import transaction

from jetbridge.delivery.base import Item
from jetbridge.delivery.tally import Tally
from jetbridge.destinations.mailjet.contacts import load_contacts
from jetbridge.destinations.mailjet.fold import MailjetDestination
from jetbridge.destinations.mailjet.keeper import ContactKeeper
from jetbridge.destinations.mailjet.models import Contact, Person
from jetbridge.destinations.mailjet.pending import Waiting
from jetbridge.destinations.mailjet.people import load_people
from jetbridge.destinations.mailjet.state import Delivered, Profile
from jetbridge.spec.identity import Identity
from jetbridge.spec.message import Message

BY_LIST = import_module("jetbridge.destinations.mailjet.migrations.0004_pending_by_list_and_late_jobs")
SPELLINGS = import_module("jetbridge.destinations.mailjet.migrations.0006_spellings")
PROFILES = import_module("jetbridge.destinations.mailjet.migrations.0005_profiles")


@pytest.mark.usefixtures("home")
def test_what_waited_by_destination_waits_by_list() -> None:
    before: dict[str, Any] = {"1": [2, 7, "m-7", 5, 0]}
    Contact.objects.create(
        account_id=1,
        email="a@b.com",
        desired=b'{"lists":{"38001":["addnoforce",1]}}',
        delivered=b"{}",
        pending=json.dumps(before).encode(),
        sent=json.dumps({"told": {"lists": {"38001": "addnoforce"}}, "pending": before}).encode(),
    )
    Contact.objects.create(account_id=1, email="c@b.com", desired=b"{}", delivered=b"{}")
    BY_LIST.by_list(apps, None)
    contact = load_contacts(1, ["a@b.com"])["a@b.com"]
    waiting = {1: {38001: Waiting(2, 7, "m-7", 5, 0)}}
    assert contact.pending == contact.sent.pending == waiting
    assert contact.sent.told == Delivered(lists={38001: "addnoforce"})
    assert load_contacts(1, ["c@b.com"])["c@b.com"].pending == {}


@pytest.mark.usefixtures("home")
def test_who_had_left_before_profiles_were_kept_has_left_and_nothing_is_lost() -> None:
    """Bob had left info@ for bob@; both@ was shared, and form@ named without a userId after its user had left."""
    rows: dict[str, dict[str, Any]] = {
        "info@b.com": {
            "time": 5, "values": {"plan": "pro"}, "lists": {"1": ["addforce", 5], "2": ["unsub", 4]},
            "moved_to": "bob@b.com", "moved_at": 9, "unsubscribed": [2],
        },
        "bob@b.com": {"time": 9, "values": {"plan": "pro"}, "users": {"bob": 9}, "lists": {"1": ["addforce", 5]}},
        "both@b.com": {"time": 9, "values": {"city": "Rome"}, "users": {"eve": 8, "zoe": 9}, "lists": {}},
        "form@b.com": {
            "time": 20, "values": {"age": 3, "city": "Rome"}, "older": {"city": 5}, "named_at": 20,
            "lists": {"1": ["addnoforce", 20]}, "moved_to": "x@b.com", "moved_at": 9,
        },
    }  # fmt: skip
    for email, row in rows.items():
        Contact.objects.create(account_id=1, email=email, desired=json.dumps(row).encode(), delivered=b"{}")
    for user, email in {"bob": "bob@b.com", "eve": "both@b.com", "zoe": "both@b.com"}.items():
        former = b'["info@b.com"]' if user == "bob" else None
        Person.objects.create(account_id=1, user_id=user, email=email, email_time=9, former=former)
    waiting = b'{"time":5,"values":{"plan":"pro"},"lists":{"2":["remove",5]},"unsubscribed":[2]}'
    Person.objects.create(account_id=1, user_id="new", profile=waiting)
    PROFILES.whose_is_what(apps, None)
    assert load_people(1, ["new"])["new"].profile == Profile(
        5, {"plan": "pro"}, lists={2: ("remove", 5)}, first_unsub={2: 0}
    )
    info = load_contacts(1, ["info@b.com"])["info@b.com"].desired
    assert (info.has_left, info.moved_to, info.values, info.actions()) == (
        True,
        "bob@b.com",
        {},
        {2: "unsub"},
    )
    assert load_people(1, ["bob"])["bob"].former == {"info@b.com": (0, 0)}
    folded = MailjetDestination(1, 1, 1, workspace=1)
    for number, (user, traits) in enumerate(
        [("ada", {"email": "info@b.com"}), ("zoe", {"email": "zoe@b.com"}), (None, {"email": "form@b.com"})]
    ):
        folded.deliver([Item(number, message(user, traits))], Passing())
    after = load_contacts(1, ["info@b.com", "both@b.com", "zoe@b.com", "form@b.com"])
    values = {email: contact.desired.values for email, contact in after.items()}
    assert values == {
        "info@b.com": {},
        "both@b.com": {"city": "Rome"},
        "zoe@b.com": {"city": "Rome"},
        "form@b.com": {"age": 3},
    }
    assert after["info@b.com"].desired.actions() == {1: "addnoforce", 2: "unsub"}


@pytest.mark.usefixtures("home")
def test_rows_of_two_spellings_are_one_contact_and_the_unsubscribe_of_either_survives() -> None:
    wish = {"time": 5, "values": {"plan": "pro"}, "lists": {"1": ["addnoforce", 5]}, "users": {"ada": 5}}
    rows: dict[str, dict[str, Any]] = {
        "ada@b.com": {"lists": {"1": ["unsub", 9]}, "unsubscribed": [1], "refused": {"1": 9}},
        "\u200bada@b.com": wish,
        "eve@m\u00fcnchen.de": {
            "lists": {"1": ["unsub", 9]},
            "unsubscribed": [1],
            "opted_out": 9,
            "users": {"eve": 9},
        },
        "eve@xn--mnchen-3ya.de": {**wish, "users": {"zoe": 5}},
        "bob@m\u00fcnchen.de": {**wish, "users": {"bob": 5}},
        "x\u00b2@b.com": {**wish, "users": {"x": 5}},
        "gone@m\u00fcnchen.de": {"gone": 3},
    }
    for email, row in rows.items():
        Contact.objects.create(
            account_id=1,
            email=email,
            desired=json.dumps(row).encode(),
            delivered=b'{"lists":{"1":"addnoforce"}}',
        )
        for user in row.get("users", {}):
            Person.objects.create(
                account_id=1,
                user_id=user,
                email=email,
                email_time=5,
                former=b'{"old@m\xc3\xbcnchen.de":[1,2]}',
            )
    SPELLINGS.one_spelling(apps, None)
    after = load_contacts(1, [*rows, "bob@xn--mnchen-3ya.de", "gone@xn--mnchen-3ya.de"])
    assert after.keys() == rows.keys() | {"bob@xn--mnchen-3ya.de"}
    assert {email: contact.desired.actions() for email, contact in after.items()} == {
        "ada@b.com": {1: "unsub"},
        "\u200bada@b.com": {1: "left"},
        "eve@m\u00fcnchen.de": {1: "unsub"},
        "eve@xn--mnchen-3ya.de": {1: "unsub"},
        "bob@m\u00fcnchen.de": {1: "left"},
        "bob@xn--mnchen-3ya.de": {1: "addnoforce"},
        "x\u00b2@b.com": {1: "addnoforce"},
        "gone@m\u00fcnchen.de": {},
    }
    one = after["eve@xn--mnchen-3ya.de"].desired
    assert (one.users, one.opted_out, one.takes_over) == ({"zoe": 5, "eve": 9}, 9, ["eve@m\u00fcnchen.de"])
    assert (
        after["ada@b.com"].desired.values == after["bob@xn--mnchen-3ya.de"].desired.values == {"plan": "pro"}
    )
    people = load_people(1, ["ada", "eve", "zoe", "bob", "x"])
    assert {user: person.email for user, person in people.items()} == {
        "ada": "ada@b.com",
        "eve": "eve@xn--mnchen-3ya.de",
        "zoe": "eve@xn--mnchen-3ya.de",
        "bob": "bob@xn--mnchen-3ya.de",
        "x": "x\u00b2@b.com",
    }
    assert people["bob"].former == {"old@xn--mnchen-3ya.de": (1, 2)}
    known = ContactKeeper(None, 1, "Mailjet").known(Identity.of_name("eve@xn--mnchen-3ya.de"))
    assert {"eve@m\u00fcnchen.de", "eve@xn--mnchen-3ya.de"} <= known.emails
    known = ContactKeeper(None, 1, "Mailjet").known(Identity.of_name("ada@b.com"))
    assert "\u200bada@b.com" in known.emails


class Passing:
    """`delivery.base.Progress`, for a destination that is called by hand."""

    @contextmanager
    def commit(self) -> Iterator[Tally]:
        with transaction.atomic():
            yield Tally()


def message(user: str | None, traits: dict[str, Any]) -> Message:
    now = datetime(2026, 11, 1, tzinfo=UTC)
    return Message(
        type="identify", message_id="m", timestamp=now, received_at=now, user_id=user, traits=traits
    )
