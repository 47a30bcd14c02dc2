from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jetbridge.integrations.mailjet.contacts.state import (
    MOST_USERS,
    OFF_LIST,
    ContactUpdate,
    Delivered,
    Desired,
    decode_desired,
    difference,
    encode,
    same,
)

VALUES = st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "a", "b"])
CALLS = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from("pqr"), VALUES, max_size=3),
        st.integers(0, 4),
        st.sampled_from(["addnoforce", "addforce", "unsub", "remove"]),
    ),
    max_size=6,
)


def merged(calls: list[tuple[dict[str, Any], int, str]]) -> Desired:
    desired = Desired()
    for values, time, action in calls:
        desired.merge(values, time)
        desired.apply_list_action(7, action, time)
    return desired


def meaning(desired: Desired) -> dict[str, Any]:
    """Value and time of each property, whichever way they are written down."""
    times = {name: desired.older.get(name, desired.time) for name in desired.values}
    return {name: (repr(value), times[name]) for name, value in desired.values.items()} | desired.lists


@given(CALLS, st.randoms())
def test_the_order_of_calls_does_not_matter(calls: list[Any], random: Any) -> None:
    shuffled = random.sample(calls, len(calls))
    assert meaning(merged(calls)) == meaning(merged(shuffled))


@given(CALLS)
def test_calls_that_come_twice_change_nothing(calls: list[Any]) -> None:
    assert meaning(merged(calls + calls)) == meaning(merged(calls))


@given(CALLS)
def test_the_last_value_said_wins(calls: list[Any]) -> None:
    model: dict[str, tuple[int, bytes, Any]] = {}
    for values, time, _ in calls:
        for name, value in values.items():
            said = (time, encode(value), value)
            if name not in model or said[:2] > model[name][:2]:
                model[name] = said
    expected = {name: repr(value) for name, (_, _, value) in model.items()}
    assert {name: repr(value) for name, value in merged(calls).values.items()} == expected


@given(CALLS, CALLS)
def test_a_contact_that_takes_over_another_knows_what_both_were_told(one: list[Any], two: list[Any]) -> None:
    taken = merged(one)
    taken.merge_all(merged(two))
    assert meaning(taken) == meaning(merged(one + two))


@given(CALLS)
def test_state_survives_storage(calls: list[Any]) -> None:
    desired = merged(calls)
    assert meaning(decode_desired(encode(desired))) == meaning(desired)


def test_a_later_identify_does_not_undo_an_unsubscribe() -> None:
    desired = Desired()
    desired.apply_list_action(7, "unsub", 1)
    desired.apply_list_action(7, "addnoforce", 2)
    assert desired.lists == {7: ("unsub", 1)}


def test_addforce_after_an_unsubscribe_subscribes_again() -> None:
    desired = Desired()
    desired.apply_list_action(7, "unsub", 1)
    desired.apply_list_action(7, "addforce", 2)
    assert desired.lists == {7: ("addforce", 2)}


def test_an_address_that_its_user_left_is_on_no_list_but_stays_unsubscribed() -> None:
    desired = Desired()
    desired.apply_list_action(7, "addforce", 1)
    desired.apply_list_action(8, "unsub", 1)
    desired.leave("u1", 5, "a@c.com")
    assert desired.actions() == {7: OFF_LIST, 8: "unsub"}


@pytest.mark.parametrize(
    ("user", "time", "is_superseded"), [("u2", 3, False), (None, 3, True), (None, 6, False)]
)
def test_it_is_on_them_again_when_somebody_uses_it(
    user: str | None, time: int, *, is_superseded: bool
) -> None:
    desired = Desired()
    desired.leave("u1", 5, "a@c.com")
    desired.named_by(user, time)
    assert desired.is_superseded is is_superseded


def test_the_difference_is_what_mailjet_was_not_told() -> None:
    desired = Desired(values={"a": 1, "b": True, "c": None}, lists={7: ("addnoforce", 1), 8: ("unsub", 1)})
    delivered = Delivered(values={"a": 1, "b": 1}, lists={7: "unsub"})
    assert difference(desired, delivered) == ContactUpdate(values={"b": True}, lists={8: "unsub"}, name=None)


def test_what_mailjet_holds_or_may_hold_of_a_former_user_is_cleared_and_left() -> None:
    desired = Desired(values={"a": 1}, lists={7: ("addnoforce", 1)})
    delivered = Delivered(
        values={"a": 1, "b": 2, "c": None},
        lists={7: "addnoforce", 8: "addforce", 9: "unknown", 10: "remove"},
        name="Bob",
        unconfirmed=["d"],
    )
    change = difference(desired, delivered)
    assert change == ContactUpdate(values={"b": None, "d": None}, lists={8: "remove", 9: "remove"}, name="")


def test_a_value_set_aside_is_not_told_again_until_it_changes() -> None:
    delivered = Delivered(rejected={"age": "old"}, lists={7: "addnoforce"})
    desired = Desired(values={"age": "old"}, lists={7: ("addnoforce", 1)})
    assert difference(desired, delivered) is None
    desired.merge({"age": 40}, 2)
    assert difference(desired, delivered) == ContactUpdate(values={"age": 40}, lists={}, name=None)


def test_the_name_is_made_of_first_and_last_name_when_there_is_no_name() -> None:
    desired = Desired(values={"firstname": "Ada", "lastname": "Lovelace"}, lists={7: ("addnoforce", 1)})
    change = difference(desired, Delivered())
    assert change is not None
    assert change.name == "Ada Lovelace"


def test_json_values_of_different_types_are_not_the_same() -> None:
    pairs: list[tuple[Any, Any]] = [(1, 1), (1, True), (1, 1.0), ("", None), (None, None)]
    assert [same(*pair) for pair in pairs] == [True, False, False, False, True]


def test_an_address_of_very_many_users_remembers_the_last_of_them_and_is_never_left() -> None:
    desired = Desired()
    for number in range(MOST_USERS + 1):
        desired.named_by(f"u{number}", number)
    assert (len(desired.users), desired.last_user) == (MOST_USERS, f"u{MOST_USERS}")
    assert "u0" not in desired.users
    desired.users.clear()
    desired.leave("u1", 10**15, "new@b.com")
    assert not desired.is_superseded


def test_a_wish_for_a_list_that_is_not_there_comes_back_with_the_next_one_of_the_list() -> None:
    desired = Desired()
    desired.apply_list_action(7, "unsub", 5)
    desired.park(7)
    assert desired.actions() == {}
    desired.apply_list_action(7, "addnoforce", 9)
    assert (desired.actions(), desired.parked) == ({7: "unsub"}, {})


@pytest.mark.parametrize("named", [True, False])
def test_what_is_parked_moves_with_a_changed_address(*, named: bool) -> None:
    old, new = Desired(), Desired()
    old.apply_list_action(7, "unsub", 5)
    old.park(7)
    if named:
        new.apply_list_action(7, "addnoforce", 9)
    new.merge_all(old)
    new.apply_list_action(7, "addnoforce", 10)
    assert new.actions() == {7: "unsub"}
    assert old.opt_outs().parked == {7: ("unsub", 5)}
