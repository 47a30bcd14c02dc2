"""The oracle itself, against what the documents say, by hand."""

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.engage.oracle import Event, Profile, World, changes, compare, instant, look_up, members, truth
from tests.engage.worlds import DAY, RETENTION, START, Case, cases
from tests.fuzz import Effort, fuzz

ORDER = {"event": "Order Completed", "within": "30d"}
CART = {"first": {"event": "Added", "within": "7d"}, "then": {"event": "Order Completed"}, "within": "1h"}
HOUR = 3_600_000
T = START


def profile(*events: tuple[str, int], **traits: Any) -> Profile:
    return Profile(traits, [Event(name, ts, {}, seq) for seq, (name, ts) in enumerate(events)])


def orders(*times: int) -> Profile:
    return profile(*[("Order Completed", ts) for ts in times])


#: A definition, a profile, and the moments at which it changes by time alone, the first state before them.
BY_HAND = [
    pytest.param(ORDER, orders(T), True, [T + 30 * DAY], id="an order counts until, not including, 30 days later"),
    pytest.param(ORDER | {"count": [">=", 2]}, orders(T - 5, T - 9), True, [T - 9 + 30 * DAY], id="the second newest of two"),
    pytest.param(ORDER | {"count": ["<=", 1]}, orders(T - 5, T - 9), False, [T - 9 + 30 * DAY], id="at most one"),
    pytest.param(ORDER | {"count": ["=", 1]}, orders(T - 5, T - 9), False, [T - 9 + 30 * DAY, T - 5 + 30 * DAY], id="exactly one"),
    pytest.param(ORDER | {"count": ["=", 1]}, orders(T, T), False, [], id="two in one millisecond are never one"),
    pytest.param({"not": ORDER}, orders(T), False, [T + 30 * DAY], id="and not who ordered"),
    pytest.param({"event": "Order Completed"}, orders(T), True, [T + RETENTION], id="no window is the retention"),
    pytest.param({"event": "Order Completed", "between": ["30d", "90d"]}, orders(T), False, [T + 30 * DAY, T + 90 * DAY], id="between"),
    pytest.param({"event": "order completed"}, orders(T), False, [], id="names are exact"),
    pytest.param({"any": []}, orders(T), False, [], id="any of nothing"),
    pytest.param({"funnel": CART | {"did": True}}, profile(("Added", T - HOUR), ("Order Completed", T - 1)), True, [T - HOUR + 7 * DAY], id="bought in time"),
    pytest.param({"funnel": CART | {"did": True}}, profile(("Added", T - HOUR), ("Order Completed", T)), True, [T - HOUR + 7 * DAY], id="bought as the hour was over"),
    pytest.param({"funnel": CART | {"did": False}}, profile(("Added", T - HOUR), ("Order Completed", T)), False, [], id="so not left"),
    pytest.param({"funnel": CART | {"did": True}}, profile(("Added", T - 5), ("Order Completed", T - 5)), False, [], id="in the same millisecond is not later"),
    pytest.param({"funnel": CART | {"did": False}}, profile(("Added", T)), False, [T + HOUR, T + 7 * DAY], id="left when the hour is over, not before"),
    pytest.param({"funnel": CART | {"did": False}}, profile(("Added", T - 9 * HOUR), ("Order Completed", T - 5 * HOUR), ("Added", T)), True, [T - 9 * HOUR + 7 * DAY, T + 7 * DAY][1:], id="any first event counts"),
    pytest.param({"trait": "end", "op": "within_last", "value": "1d"}, profile(end="2026-01-01T01:00:00+01:00"), True, [T + DAY], id="within_last"),
    pytest.param({"trait": "end", "op": "within_next", "value": "1d"}, profile(end="2026-01-03T00:00:00Z"), False, [T + DAY, T + 2 * DAY], id="within_next"),
    pytest.param({"trait": "end", "op": "before_last", "value": "1d"}, profile(end="2026-01-01T00:00:00Z"), False, [T + DAY], id="before_last"),
    pytest.param({"trait": "end", "op": "after_next", "value": "1d"}, profile(end="2026-01-03T00:00:00.000Z"), True, [T + DAY], id="after_next"),
    pytest.param({"trait": "end", "op": "before_last", "value": "1d"}, profile(end="2026-01-01"), False, [], id="a day is no date-time"),
    pytest.param({"all": [ORDER, {"not": {"audience": "vip"}}]}, Profile({}, orders(T).events, frozenset({"vip"})), False, [], id="and not in the audience"),
]  # fmt: skip


@pytest.mark.parametrize(("definition", "person", "first", "moments"), BY_HAND)
def test_membership_changes_at_the_moments_that_the_documents_give(
    definition: Any, person: Profile, first: object, moments: list[int]
) -> None:
    assert members(World(RETENTION, {"p": person}), definition, T) == {"p": first}
    assert list(changes(definition, person, RETENTION, T)) == moments


def test_no_change_lies_between_the_moments_that_are_tried() -> None:
    definition = {
        "any": [
            ORDER | {"within": "1s", "count": ["=", 1]},
            {"funnel": CART | {"did": False, "within": "2s"}},
        ]
    }
    person = profile(
        ("Order Completed", T - 20), ("Order Completed", T - 3), ("Added", T - 1), ("Added", T - 1_500)
    )
    is_true = truth(definition, person, RETENTION)
    every = [now for now in range(T + 1, T + 4_000) if is_true(now) != is_true(now - 1)]
    assert every == [each for each in changes(definition, person, RETENTION, T) if each < T + 4_000]


@pytest.mark.parametrize(
    ("value", "op", "wanted", "expected"),
    [
        (5, "=", 5.0, True), ("5", "=", 5, False), (True, "=", 1, False), (0, "=", False, False), (2**53 + 1, "=", 2**53, False),
        ("5", "!=", 5, True), (True, "!=", 1, True), (5, "!=", 5.0, False), ("10", ">", 9, False), (True, ">", 0, False), (10, ">=", 10, True),
        (1, "in", ["1", True], False), ("a", "in", ["b", "a"], True), ("100%", "contains", "%", True), ("abc", "contains", "B", False),
        ([1, "b"], "contains", "1", False), ([1, "b"], "contains", 1, True), (["abc"], "contains", "b", False), (15, "contains", 5, False),
        ("abc", "contains_any", ["x", "c"], True), ("abc", "not_contains", "b", False), (15, "not_contains", 5, True), ("a_b", "starts_with", "a_", True),
        ("axb", "starts_with", "a_", False), ("abc", "ends_with", "bc", True), (5, "exists", None, True), (False, "exists", None, True),
        ("2026-01-01T00:00:00Z", "before", "2026-01-01T01:00:00+00:30", True), ("2026-01-01T00:00:00", "before", "2027-01-01T00:00:00Z", False),
        (START, "after", "2020-01-01T00:00:00Z", False),
    ],
)  # fmt: skip
def test_values_are_compared_by_their_type(value: Any, op: str, wanted: Any, expected: object) -> None:
    assert compare(value, op, wanted, None) is expected


@pytest.mark.parametrize("fields", [{}, {"v": None}, {"w": 1}])
def test_a_comparison_with_a_missing_value_is_false_but_for_the_two_that_ask_for_it(fields: Any) -> None:
    missing = look_up(fields, "v")
    true = {op for op in ("=", "!=", "<", ">=", "in", "contains", "not_contains", "exists", "absent", "before", "within_last", "after_next") if compare(missing, op, "1d", START)}  # fmt: skip
    assert true == {"not_contains", "absent"}


def test_a_key_that_is_spelled_with_the_dot_wins() -> None:
    assert look_up({"a.b": 1, "a": {"b": 2}}, "a.b") == 1
    assert look_up({"a": {"b": 2}}, "a.b") == 2
    assert look_up({"a": [2]}, "a.0") is look_up({}, "a.0")


def test_an_instant_is_that_of_the_calendar() -> None:
    for text in (
        "2026-02-28T23:59:59.999Z",
        "2024-02-29T00:30:00+05:45",
        "0001-01-02T00:00Z",
        "1969-12-31T23:59:59.001-12:00",
    ):
        expected = (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
        assert instant(text) == round(expected * 1_000)


@fuzz(Effort(300, 10_000), case=cases(profiles=4, moments=1))
def test_worlds_have_no_event_from_the_future(case: Case) -> None:
    assert all(event.ts <= START for person in case.world.profiles.values() for event in person.events)
