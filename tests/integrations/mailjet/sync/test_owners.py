"""Whose properties are whose: whatever order, batches and replays bring, each address has its present users' alone.

The reference is what the documentation says, in a few lines, over the whole list of calls.
"""

from collections import defaultdict
from itertools import permutations
from random import Random
from typing import Any, NamedTuple

import pytest
from django.db import transaction
from tests import makers as mk
from tests.fuzz import WITH_IO, fuzz

from jetbridge.integrations.mailjet.contacts.contact import load_contacts
from jetbridge.integrations.mailjet.contacts.state import Delivered, difference, encode
from jetbridge.integrations.mailjet.models import Contact as ContactRow
from jetbridge.integrations.mailjet.models import Person as PersonRow
from jetbridge.integrations.mailjet.sync.results import ContactUpdateResult, acknowledge
from jetbridge.spec.message import EngageTarget

from .test_replay import NOON, Call, MergedState

EMAILS = ["a@x.io", "b@x.io", "c@x.io"]


def calls(random: Random) -> list[Call]:
    """With an unsubscribe less is exact, so there are runs without."""
    actions = random.choice(
        [["addnoforce"], ["addnoforce", "addnoforce", "unsub"], ["addnoforce", "addforce", "unsub", "remove"]]
    )
    traits = mk.optional(
        email=mk.sampled_from(["a@x.io", *EMAILS]),
        p=mk.one_of(mk.just(None), mk.integers(0, 2)),
        q=mk.integers(0, 2),
    )
    with_engage = random.random() < 0.5
    without_user = mk.sampled_from([action for action in actions if action != "addforce"])
    at, list_id = mk.integers(0, 9), mk.sampled_from([1, 1, 1, 2])
    users = mk.sampled_from(["u1", "u1", "u2", "u3"])
    by_user = mk.builds(Call, users, traits, at, mk.sampled_from(actions), list_id)
    anonymous = mk.builds(Call, mk.just(None), traits, at, without_user, list_id)
    kinds = [by_user, by_user, anonymous]
    return mk.lists(mk.one_of(*kinds, *([engage_call, engage_call] if with_engage else [])), most=10)(random)


def engage_call(random: Random) -> Call:
    """Of a key that calls of people name, too, or of one that they do not. It adds nobody."""
    key = random.choice(["k", "k", "q"])
    traits = {key: random.choice([None, 0, 1, 2])}
    if random.random() < 0.7:
        traits["email"] = random.choice(EMAILS)
    target = random.choice([EngageTarget(destination=1), EngageTarget(destination=1, list_id=3)])
    user = random.choice([None, "u1", "u1", "u2", "u3"])
    return Call(user, traits, random.randint(0, 9), key=key, target=target)


class Delivery(NamedTuple):
    """A batch of live calls; whether Mailjet is told then, and which calls so far are replayed, by their numbers."""

    calls: list[Call]
    settles: bool
    replayed: list[int]


def deliveries(random: Random) -> list[Delivery]:
    rest, made, done = calls(random), [], 0
    while rest:
        size = random.randint(1, 4)
        done += len(rest[:size])
        replayed = random.sample(range(done), random.randint(1, done)) if random.random() < 0.4 else []
        made.append(Delivery(rest[:size], random.random() < 0.4, replayed))
        del rest[:size]
    return made


#: property -> (time, value in JSON): the greatest wins.
Values = dict[str, tuple[int, bytes]]


class Reference:
    """What the contacts are, by all calls at once."""

    def __init__(self, calls: list[Call]) -> None:
        self.calls = [call for call in calls if not call.key]
        self.engage_calls = [call for call in calls if call.key]
        self.named: dict[str, dict[str, list[int]]] = {}
        for call in self.calls:
            if call.user and "email" in call.traits:
                times = self.named.setdefault(call.user, {}).setdefault(call.traits["email"], [])
                times.append(call.at)
        self.address = {
            user: max(named, key=lambda email: (max(named[email]), email))
            for user, named in self.named.items()
        }

    def users(self, email: str) -> set[str]:
        return {user for user, address in self.address.items() if address == email}

    def left_at(self, email: str) -> int:
        """When the last of its former users began to name another address."""
        return max(
            (
                self.left_by(user, email)
                for user, named in self.named.items()
                if email in named and self.address[user] != email
            ),
            default=-1,
        )

    def left_by(self, user: str, email: str) -> int:
        named = self.named[user]
        last = max(named[email])
        return min((min(at) for at in named.values() if min(at) > last), default=last)

    def speakers(self, email: str) -> list[Call]:
        """The calls that make the contact."""
        users, left_at = self.users(email), self.left_at(email)
        anonymous = [call for call in self.calls if not call.user and call.traits.get("email") == email]
        return [call for call in self.calls if call.user in users] + [
            call for call in anonymous if call.at > left_at
        ]

    def is_contact(self, email: str) -> bool:
        """Whether somebody named it who has not left it; Engage names nobody's address."""
        return bool(self.speakers(email))

    def computed(self, email: str) -> list[Call]:
        """The calls of Engage that count there: of its users, of nobody, and of anybody while it is no user's."""
        users = self.users(email)
        return [
            call
            for call in self.engage_calls
            if (
                call.user in users
                if "email" not in call.traits
                else call.traits["email"] == email and (not call.user or not users or call.user in users)
            )
        ]

    def values(self, email: str) -> dict[str, bytes]:
        found: Values = {}
        for call in self.speakers(email) + (self.computed(email) if self.is_contact(email) else []):
            for name, value in call.traits.items():
                if name != "email":
                    found[name] = max(found.get(name, (-1, b"")), (call.at, encode(value)))
        return {name: value for name, (_, value) in found.items() if value != b"null"}

    def wishes(self, email: str) -> dict[int, str]:
        """The last word of its speakers on each list: an explicit one, if there is one."""
        found: dict[int, tuple[bool, int, str]] = {}
        for call in self.speakers(email):
            word = (call.action != "addnoforce", call.at, call.action)
            found[call.list_id] = max(found.get(call.list_id, word), word)
        return {list_id: action for list_id, (_, _, action) in found.items()}

    def is_member(self, email: str) -> bool:
        """Whether Engage said last that it is in the audience that list 3 follows."""
        calls = [call for call in self.computed(email) if call.target and call.target.list_id]
        said = [(call.at, call.traits[call.key] is not None) for call in calls]
        return max(said, default=(0, False))[1]

    def refused(self, email: str) -> set[int]:
        """Lists that the address was unsubscribed from, be it by who had it then."""
        return {
            call.list_id
            for call in self.calls
            if call.action == "unsub"
            and (
                call.traits.get("email") == email
                if call.user is None
                else self.had(call.user, email, call.at)
            )
        }

    def had(self, user: str, email: str, at: int) -> bool:
        """Whether the user had the address then, or took it afterwards."""
        if email not in self.named.get(user, {}):
            return False
        return self.address[user] == email or at <= self.left_by(user, email)


class Mailjet:
    """What Mailjet holds when it takes everything that it is told."""

    def __init__(self, merged: MergedState) -> None:
        self.merged = merged
        self.values: defaultdict[str, dict[str, Any]] = defaultdict(dict)
        self.lists: defaultdict[str, dict[int, str]] = defaultdict(dict)

    def settle(self) -> None:
        emails = ContactRow.objects.filter(account_id=self.merged.account).values_list("email", flat=True)
        with acknowledge(self.merged.account, 1) as work:
            for contact in load_contacts(self.merged.account, emails).values():
                change = difference(contact.desired, contact.delivered)
                told = Delivered(change.values, {}, change.lists, change.name) if change else Delivered()
                self.values[contact.email] |= told.values
                self.lists[contact.email] |= told.lists
                superseded = list(contact.desired.superseded)
                work.confirm(
                    contact, ContactUpdateResult(contact.email, contact.pending, told, superseded=superseded)
                )

    def held(self, email: str) -> dict[str, bytes]:
        return {name: encode(value) for name, value in self.values[email].items() if value is not None}

    def subscribed(self, email: str) -> set[int]:
        return {list_id for list_id, action in self.lists[email].items() if action.startswith("add")}


@fuzz(WITH_IO, deliveries=deliveries)
def test_any_order_batches_and_replays_make_the_contacts_of_the_reference(
    home: Any, deliveries: list[Delivery]
) -> None:
    """The times of calls are in no order."""
    with transaction.atomic():
        merged = MergedState()
        mailjet = Mailjet(merged)
        for delivery in deliveries:
            merged.live(delivery.calls)
            if delivery.settles:
                mailjet.settle()
            if delivery.replayed:
                merged.deliver([merged.items[number] for number in delivery.replayed])
        mailjet.settle()
        _compare(Reference([call for delivery in deliveries for call in delivery.calls]), merged, mailjet)
        transaction.set_rollback(True)


def _compare(reference: Reference, merged: MergedState, mailjet: Mailjet) -> None:
    contacts = load_contacts(merged.account, EMAILS)
    for email, contact in contacts.items():
        values = contact.desired.present_values
        desired = {name: encode(value) for name, value in values.items() if value is not None}
        assert desired == reference.values(email), email
        assert contact.desired.users.keys() == reference.users(email), email
        wishes = reference.wishes(email)
        may_be_on = {list_id for list_id, action in wishes.items() if action.startswith("add")}
        if reference.is_contact(email) and reference.is_member(email):
            may_be_on.add(3)
        assert mailjet.subscribed(email) <= may_be_on, email
        if not any(call.action == "addforce" for call in reference.calls):
            assert mailjet.subscribed(email).isdisjoint(reference.refused(email)), email
        if not any(call.action in {"unsub", "remove"} for call in reference.calls):
            assert mailjet.subscribed(email) == may_be_on, email
        # An explicit `remove` hides the plain wishes around it, also after it counts no more.
        if mailjet.subscribed(email) or (
            may_be_on and not any(call.action == "remove" for call in reference.calls)
        ):
            assert mailjet.held(email) == reference.values(email), email
    assert {email for email in EMAILS if reference.speakers(email)} <= contacts.keys()


def test_one_user_of_one_address_has_no_second_copy(home: Any) -> None:
    merged = MergedState()
    merged.live([Call("u1", {"p": 1}, 1)])
    merged.live([Call("u1", {"email": "a@x.io", "q": 1}, 2)])
    merged.live([Call("u1", {"email": "b@x.io"}, 3), Call("u1", {"p": 2}, 4)])
    assert merged.people() == {"u1": ("b@x.io", _ms(3), None)}
    assert load_contacts(merged.account, ["b@x.io"])["b@x.io"].desired.values == {"p": 2, "q": 1}
    assert load_contacts(merged.account, ["a@x.io"])["a@x.io"].desired.values == {}


def test_a_user_has_spoken_when_they_spoke_though_the_address_came_later(home: Any) -> None:
    """Was: what other users of a former address had refused made it forget when, and a replay told it otherwise."""
    merged = MergedState()
    merged.live([Call("u3", {"email": "b@x.io"}, 0), Call("u3", {}, 0, "unsub"), Call("u2", {}, 1)])
    merged.live([Call("u2", {"email": "c@x.io"}, 0), Call("u2", {"email": "b@x.io"}, 0)])
    assert load_contacts(merged.account, ["c@x.io"])["c@x.io"].desired.users == {"u2": _ms(1)}


def test_a_remove_before_the_address_is_known_forgets_no_unsubscribe(home: Any) -> None:
    merged = MergedState()
    merged.live([Call("u1", {}, 1, "unsub"), Call("u1", {}, 2, "remove")])
    merged.live([Call("u1", {"email": "a@x.io"}, 3)])
    assert load_contacts(merged.account, ["a@x.io"])["a@x.io"].desired.unsubscribed_from(1)


def test_who_is_alone_again_has_one_copy_again(home: Any) -> None:
    merged = MergedState()
    merged.live([Call("u1", {"email": "a@x.io", "p": 1}, 1), Call("u2", {"email": "a@x.io", "q": 1}, 2)])
    assert PersonRow.objects.filter(account_id=merged.account).exclude(profile=None).count() == 2
    merged.live([Call("u1", {"email": "b@x.io"}, 3)])
    assert PersonRow.objects.filter(account_id=merged.account).exclude(profile=None).count() == 0
    assert load_contacts(merged.account, ["a@x.io"])["a@x.io"].desired.values == {"q": 1}


def _ms(at: int) -> int:
    return int(NOON.timestamp() * 1000) + at * 1000


@pytest.mark.parametrize("late", [Call("u1", {}, 2, "unsub"), Call("u1", {"email": "a@x.io"}, 2, "unsub")])
def test_an_unsubscribe_that_comes_late_stays_with_the_address_of_its_time(home: Any, late: Call) -> None:
    calls = [
        Call("u1", {"email": "a@x.io"}, 1),
        Call("u1", {"email": "b@x.io"}, 3),
        Call("u2", {"email": "a@x.io"}, 4),
        late,
    ]
    merged = MergedState()
    mailjet = Mailjet(merged)
    for call in calls:
        merged.live([call])
        mailjet.settle()
    assert (mailjet.lists["a@x.io"][1], mailjet.lists["b@x.io"][1]) == ("unsub", "unsub")
    _compare(Reference(calls), merged, mailjet)


#: Bob leaves the address that he shares with Ada, and unsubscribes: in one call, in two of one moment, in two.
LEAVES = [
    [Call("bob", {"email": "b@x.io"}, 5, "unsub")],
    [Call("bob", {"email": "b@x.io"}, 5), Call("bob", {}, 5, "unsub")],
    [Call("bob", {"email": "a@x.io"}, 5, "unsub"), Call("bob", {"email": "b@x.io"}, 5)],
    [Call("bob", {}, 5, "unsub"), Call("bob", {"email": "b@x.io"}, 6)],
]


@pytest.mark.parametrize("in_one_batch", [False, True])
@pytest.mark.parametrize("leaves", LEAVES)
def test_who_leaves_an_address_and_unsubscribes_in_one_call_does_it_as_in_two(
    home: Any, leaves: list[Call], *, in_one_batch: bool
) -> None:
    """It stays with the address, though somebody else has it as well, and it goes along; in whatever order they come."""
    shared = [Call("bob", {"email": "a@x.io"}, 1), Call("ada", {"email": "a@x.io"}, 2)]
    for calls in permutations([*shared, *leaves]):
        merged = MergedState()
        mailjet = Mailjet(merged)
        for batch in [list(calls)] if in_one_batch else [[call] for call in calls]:
            merged.live(batch)
            mailjet.settle()
        assert (mailjet.lists["a@x.io"][1], mailjet.lists["b@x.io"][1]) == ("unsub", "unsub")
        _compare(Reference(list(calls)), merged, mailjet)


def test_who_unsubscribes_after_leaving_does_it_at_the_new_address_alone(home: Any) -> None:
    merged = MergedState()
    mailjet = Mailjet(merged)
    merged.live([Call("bob", {"email": "a@x.io"}, 1), Call("ada", {"email": "a@x.io"}, 2)])
    merged.live([Call("bob", {"email": "b@x.io"}, 5), Call("bob", {}, 6, "unsub")])
    mailjet.settle()
    assert (mailjet.lists["a@x.io"][1], mailjet.lists["b@x.io"][1]) == ("addnoforce", "unsub")
