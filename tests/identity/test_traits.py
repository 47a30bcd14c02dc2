"""Traits: the last writer by time, removals that stay, bounds, and text that SQLite can read."""

import json
import sqlite3
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jetbridge.identity.traits import MAX_BYTES, MAX_NAME_CHARACTERS, MAX_TRAITS, TraitChanges, Traits

_names = st.sampled_from("abc")
_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)
_calls = st.lists(st.tuples(st.dictionaries(_names, _json, max_size=3), st.integers(0, 5)), max_size=8)


def applied(*calls: tuple[dict[str, Any], int]) -> Traits:
    traits = Traits()
    for values, at in calls:
        traits.apply(values, at)
    return traits


def test_the_last_writer_wins_by_time() -> None:
    assert applied(({"plan": "new"}, 5), ({"plan": "old", "city": "Rome"}, 3)).values == {
        "plan": "new",
        "city": "Rome",
    }


def test_the_later_of_the_log_wins_at_the_same_time() -> None:
    assert applied(({"plan": "one"}, 5), ({"plan": "two"}, 5)).values == {"plan": "two"}


def test_null_removes_and_an_older_value_does_not_come_back() -> None:
    traits = applied(({"plan": "pro"}, 1), ({"plan": None}, 5), ({"plan": "free"}, 3))
    assert (traits.values, traits.times) == ({}, {"plan": 5})
    assert traits.apply({"plan": "free"}, 6) == TraitChanges(("plan",))
    assert applied(({"plan": "pro"}, 1), ({"plan": ""}, 5)).values == {"plan": ""}


def test_merging_goes_trait_by_trait() -> None:
    one = applied(({"a": 1, "b": 1, "c": 1, "d": 1}, 5))
    other = applied(({"a": 2, "e": 2}, 4), ({"b": 2, "c": None}, 6), ({"d": 2}, 5))
    one.merge(other)
    assert one.values == {"a": 1, "b": 2, "d": 1, "e": 2}
    assert one.times == {"a": 5, "b": 6, "c": 6, "d": 5, "e": 4}


def test_only_what_is_new_has_changed() -> None:
    traits = applied(({"a": 1, "b": True, "c": {"d": [1]}}, 1))
    assert traits.apply({"a": 1, "b": 1, "c": {"d": [True]}, "e": None}, 2) == TraitChanges(("b", "c"))
    assert traits.apply({"a": 2}, 1) == TraitChanges()


def test_a_thousand_names_and_those_of_removed_traits_among_them() -> None:
    traits = applied(({f"t{n}": n for n in range(MAX_TRAITS - 1)}, 1), ({"t0": None}, 2))
    assert traits.apply({"one": 1, "two": 2, "t0": "back", "t1": "new"}, 3) == TraitChanges(
        ("one", "t0", "t1"), ("two",)
    )
    assert len(traits.times) == MAX_TRAITS


def test_a_long_name_is_rejected() -> None:
    name = "n" * MAX_NAME_CHARACTERS
    assert applied(({name: 1, name + "n": 1, "b": 1}, 1)).values == {name: 1, "b": 1}


def test_all_values_have_a_size_at_most() -> None:
    traits = applied(({"a": "x" * 30_000}, 1), ({"b": "x" * 30_000}, 1))
    assert traits.apply({"c": "x" * 10_000, "d": 1}, 2) == TraitChanges(("d",), ("c",))
    assert "c" not in traits.times
    assert traits.apply({"a": None, "c": "x" * 10_000}, 3) == TraitChanges(("a", "c"))
    assert len(traits.encode()[0]) <= MAX_BYTES + 1


def test_a_value_that_grows_beyond_the_size_is_not_taken() -> None:
    traits = applied(({"a": "x" * 40_000, "b": "y"}, 1))
    assert traits.apply({"b": "y" * 30_000}, 2) == TraitChanges((), ("b",))
    assert traits.values["b"] == "y"


@given(st.lists(st.tuples(_names, st.integers(0, 25_000), st.integers(0, 3)), max_size=12))
def test_bounds_do_not_depend_on_what_was_stored_between(calls: list[tuple[str, int, int]]) -> None:
    one, stored = Traits(), Traits()
    for name, length, at in calls:
        values = {name: "x" * length, "n": None if length % 2 else length}
        assert one.apply(values, at) == stored.apply(values, at)
        stored = Traits.decode(*stored.encode())
    assert (one.values, one.times) == (stored.values, stored.times)
    assert len(one.encode()[0]) <= MAX_BYTES + 1


@pytest.mark.parametrize("bad", ["\x00", "\udfff"])
def test_what_json_of_sqlite_cannot_hold_is_replaced(bad: str) -> None:
    traits = applied(({f"na{bad}me": f"a{bad}b", "nested": {f"k{bad}": [f"{bad}c"]}, "rest": 1}, 1))
    assert traits.values == {"na\ufffdme": "a\ufffdb", "nested": {"k\ufffd": ["\ufffdc"]}, "rest": 1}
    values, times = traits.encode()
    row = sqlite3.connect(":memory:").execute(
        "SELECT json_extract(?1, '$.rest'), json_valid(?1), json_valid(?2)", (values, times)
    )
    assert row.fetchone() == (1, 1, 1)


def test_a_backslash_before_u0000_is_no_nul() -> None:
    assert applied(({"a": "\\u0000"}, 1)).values == {"a": "\\u0000"}


@given(_calls)
def test_stored_traits_are_the_same(calls: list[tuple[dict[str, Any], int]]) -> None:
    traits = applied(*calls)
    values, times = traits.encode()
    again = Traits.decode(values, times)
    assert (again.values, again.times) == (traits.values, traits.times)
    assert "\x00" not in repr(json.loads(values))
