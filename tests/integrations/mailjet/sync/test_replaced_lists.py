"""What becomes of wishes and messages for a list that was replaced: whatever they are, in whatever order they came."""

from typing import Any

from tests import makers as mk
from tests.fuzz import PURE, fuzz

from jetbridge.control.directory import load_destinations
from jetbridge.control.models import Destination
from jetbridge.integrations.mailjet.api.resources import ADDFORCE, ADDNOFORCE, REMOVE, UNSUB
from jetbridge.integrations.mailjet.contacts import pending
from jetbridge.integrations.mailjet.contacts.pending import Waiting
from jetbridge.integrations.mailjet.contacts.state import KEEP, Desired
from jetbridge.integrations.mailjet.definition import MAILJET
from jetbridge.integrations.mailjet.models import ReplacedList

from .conftest import Bridge
from .test_lists_gone import choose

OLD, NEW, OTHER = 1, 2, 3

TIMES = mk.integers(1, 9)
ACTIONS = mk.sampled_from([ADDNOFORCE, ADDFORCE, UNSUB, REMOVE, KEEP])
WISHES = mk.lists(mk.tuples(mk.sampled_from([OLD, NEW, OTHER]), ACTIONS, TIMES), most=8)
#: Totals and positions, by key of the list.
WAITING = mk.dictionaries(
    mk.sampled_from([sign * list_id for list_id in (OLD, NEW, OTHER) for sign in (1, -1)]),
    mk.tuples(mk.integers(1, 9), mk.integers(1, 99)),
    most=8,
)


@fuzz(PURE, before=WISHES, after=WISHES, is_parked=mk.booleans())
def test_an_unsubscribe_comes_along_whenever_the_list_is_replaced(
    before: list[Any], after: list[Any], *, is_parked: bool
) -> None:
    """Only an addforce of the new list itself, said later, subscribes again."""
    desired = Desired()
    for list_action in before:
        desired.apply_list_action(*list_action)
    if is_parked:
        desired.park(OLD)
    refused = (desired.lists | desired.parked).get(OLD)
    for list_action in [each for each in after if each[0] != OLD]:
        desired.apply_list_action(*list_action)
    desired.apply_list_action(NEW, ADDNOFORCE, 10)
    desired.carry_unsubscribe(OLD, NEW)
    once = dict(desired.lists)
    desired.carry_unsubscribe(OLD, NEW)
    assert desired.lists == once
    if refused and refused[0] == UNSUB and desired.actions()[NEW] in {ADDNOFORCE, ADDFORCE}:
        forced = [at for list_id, action, at in [*before, *after] if (list_id, action) == (NEW, ADDFORCE)]
        assert max(forced, default=0) > refused[1]


@fuzz(PURE, waiting=WAITING)
def test_messages_are_moved_whole_and_those_that_named_the_list_stay(waiting: dict[int, Any]) -> None:
    before = {key: Waiting(total, position, "m", 1, 5) for key, (total, position) in waiting.items()}
    after = dict(before)
    if OLD in before:
        pending.move({1: after}, 1, OLD, NEW)
    assert OLD not in after
    assert {key: after[key] for key in after if key != NEW} == {
        key: before[key] for key in before if key not in {OLD, NEW}
    }
    both = [before[key] for key in (OLD, NEW) if key in before]
    if both:
        assert after[NEW].position == max(each.position for each in both)
        assert after[NEW].total == sum(each.total for each in both)


def test_users_of_one_address_follow_and_stay_when_one_of_them_leaves(
    bridge: Bridge, eventually: Any
) -> None:
    """Each has a profile apart, of which the contact is made anew."""
    bridge.mailjet._transport.call("DELETE", f"/v3/REST/contactslist/{bridge.list_id}")
    new = bridge.mailjet.create_contactslist("New").id
    bridge.send("ada", {"email": "info@b.com", "plan": "pro"})
    bridge.send("bob", {"email": "info@b.com", "city": "Bonn"})
    bridge.start()
    eventually(lambda: bridge.report().pause_code == "LIST_NOT_FOUND", "the destination is held")
    choose(bridge, new)
    assert bridge.settle().delivered == 2
    assert bridge.subscriptions("info@b.com") == {new: True}
    bridge.send("bob", {"email": "bob@b.com"})
    assert bridge.settle().failed == 0
    assert bridge.subscriptions("info@b.com") == bridge.subscriptions("bob@b.com") == {new: True}
    assert bridge.properties("bob@b.com") == {"city": "Bonn"}


def test_nothing_is_told_to_a_list_that_was_replaced(bridge: Bridge, eventually: Any) -> None:
    """Neither wishes nor properties, which go by way of any list that a contact is on."""
    bridge.start()
    people = {f"u{n}": {"email": f"u{n}@b.com"} for n in range(30)}
    bridge.log.append([bridge.identify(user, traits) for user, traits in people.items()])
    bridge.settle()
    former = bridge.list_id
    bridge.mailjet._transport.call("DELETE", f"/v3/REST/contactslist/{former}")
    bridge.send("u0", {"plan": "pro"})
    eventually(lambda: bridge.report().pause_code == "LIST_NOT_FOUND", "the destination is held")
    new = bridge.mailjet.create_contactslist("New").id
    choose(bridge, new)
    for plan in ("free", "pro"):
        bridge.log.append([bridge.identify(user, {"plan": plan}) for user in people])
        row = bridge.settle()
        assert (row.state, row.failed) == ("running", 0)
    assert {bridge.properties(f"{user}@b.com")["plan"] for user in people} == {"pro"}
    assert all(bridge.subscriptions(f"{user}@b.com") == {new: True} for user in people)


def test_a_list_that_was_restored_and_chosen_again_is_replaced_no_more(
    bridge: Bridge, eventually: Any
) -> None:
    former = bridge.list_id
    bridge.mailjet._transport.call("DELETE", f"/v3/REST/contactslist/{former}")
    bridge.start()
    bridge.send("ada", {"email": "ada@b.com"})
    eventually(lambda: bridge.report().pause_code == "LIST_NOT_FOUND", "the destination is held")
    choose(bridge, bridge.mailjet.create_contactslist("New").id)
    bridge.settle()
    assert ReplacedList.objects.get().list_id == former
    bridge.mailjet._transport.call("PUT", f"/v3/REST/contactslist/{former}", body={"IsDeleted": False})
    choose(bridge, former)
    bridge.send("bob", {"email": "bob@b.com"})
    assert bridge.settle().delivered == 2
    assert bridge.subscriptions("bob@b.com") == {former: True}


def test_an_unsubscribe_comes_along_though_nothing_waited_for_the_list(bridge: Bridge) -> None:
    """The destination gets another list on its settings page, before anybody noticed that its list is gone."""
    bridge.start()
    bridge.send("ada", {"email": "ada@b.com", "unsubscribed": True})
    bridge.send("bob", {"email": "bob@b.com"})
    bridge.settle()
    bridge.mailjet._transport.call("DELETE", f"/v3/REST/contactslist/{bridge.list_id}")
    new = bridge.mailjet.create_contactslist("New").id
    row = Destination.objects.get()
    row.settings["listId"] = str(new)
    row.save()
    (bridge.destination,) = load_destinations()
    consumer = {"consumer": (2, bridge._consumer().run)}
    bridge.threads.keep({**consumer, **MAILJET.companion_threads(bridge.destination)})  # the account's go on
    for user in ("ada", "bob"):
        bridge.send(user, {"plan": "pro"})
    assert bridge.settle().delivered == 4
    assert bridge.subscriptions("bob@b.com") == {new: True}
    assert bridge.subscriptions("ada@b.com").get(new, False) is False
