"""Computed traits by hand: each kind, its edges, and the language."""

import json
import random
from collections.abc import Mapping
from fractions import Fraction

import msgspec
import pytest
from tests.engage.compiled import ComputedValue, World, WorldEvent, evaluate, evaluate_computed, have_value

from jetbridge.engage.definition import (
    DAY_MS,
    DEFAULT_RETENTION_MS,
    KINDS_WITHOUT_PROPERTY,
    Between,
    Computed,
    Condition,
    DefinitionError,
    Session,
    Within,
    computed_json,
    empty_value,
    parse_computed,
    parse_definition,
)
from jetbridge.engage.dialect import MAX_DISTINCT_VALUES, NEVER, number, number_text

NOW = 1_790_000_000_000
MINUTE_MS = 60_000
D7, D30 = 7 * DAY_MS, 30 * DAY_MS


def computed(kind: str, **fields: object) -> dict[str, object]:
    known = {} if kind in KINDS_WITHOUT_PROPERTY else {"property": "v"}
    return {"computed": kind, "event": "A", **known, **fields}


def result(definition: Mapping[str, object], *events: tuple[int, object], since: int = 0) -> tuple[str, int]:
    """The JSON of one person's value, and in how many ms it may change. An event is its age in ms and its value v (... for none)."""
    world = World(
        traits={1: {}},
        events=[WorldEvent(1, "A", NOW - age, {} if v is ... else {"v": v}) for age, v in events],
    )
    value = evaluate_computed(world, parse_computed(definition), NOW, since=since)[1]
    return value.value, value.flip_at if value.flip_at == NEVER else value.flip_at - NOW


def values(*items: object) -> list[tuple[int, object]]:
    """Events of one, two, ... ms ago with these values."""
    return list(enumerate(items, 1))


@pytest.mark.parametrize(
    ("kind", "items", "expected"),
    [
        ("event_counter", [1, "x", ..., None], "4"),
        ("sum", [0.1, 0.2], "0.3"),
        ("sum", [5, "5", True, None, [5], ..., {"v": 5}, 0.5], "5.5"),
        ("sum", [0.1] * 10, "1"),
        ("sum", [1e308, 5, -1e308, 5e-324], "5." + "0" * 323 + "5"),
        ("sum", [1e308, 1e308], "null"),
        ("sum", [2**63 - 1, 1], "9223372036854775808"),
        ("sum", [1e30], "1e+30"),
        ("sum", [0.1, -0.1], "0"),
        ("sum", ["5"], "null"),
        ("avg", [0.1, 0.2], "0.15"),
        ("avg", [1, 0, 0], "0.3333333333333333333"),
        ("avg", [2**53 + 1], "9007199254740993"),
        ("avg", [1e308, 1e308], "1e+308"),
        ("min", [3, 2.50, "1", True], "2.5"),
        ("max", [3, 3.0, 2, "9"], "3"),
        ("max", [2**53, 2**53 + 1], "9007199254740993"),
        ("most_frequent", ["a", "b", "b"], '"b"'),
        ("most_frequent", ["b", "a", "a", "b"], '"a"'),
        ("most_frequent", ["a", "b"], "null"),
        ("most_frequent", [["a"], ["a"], None, None], "null"),
        ("most_frequent", [5, "x", 5.0], "5"),
        ("most_frequent", [True, "x", True], "true"),
        ("first", ["new", {"b": [1.50]}, ...], '{"b":[1.5]}'),
        ("last", [..., None, 5.0, 4], "5.0"),
        ("last", [False], "false"),
        ("first", [..., None], "null"),
        ("unique_list", ["b", "a", "b", "B", "é", 10, 9, True, None, [1]], '[10,9,"B","a","b",true,"é"]'),
        ("unique_list", [5, "5", 5.0, "5.0"], '["5","5.0"]'),
        ("unique_list", [..., [], {}], "null"),
        ("unique_list_count", [5, "5", 5.0, "5.0", None, [5]], "2"),
        ("unique_list_count", [], "0"),
        ("event_counter", [], "0"),
        ("first_seen", [1, "x", ...], '"2026-09-21T14:13:19.997Z"'),
        ("last_seen", [1, "x", ...], '"2026-09-21T14:13:19.999Z"'),
        ("last_seen", [], "null"),
        ("sum", [], "null"),
    ],
)
@pytest.mark.parametrize("path", ["v", "a.v", 'a "b"\\.v', "v\n"])
def test_kinds(kind: str, items: list[object], expected: str, path: str) -> None:
    """By a path of one key, of two, and by keys that only a reader of JSON can follow; in every order of the log."""

    def properties(value: object) -> object:
        for key in reversed(path.split(".")):
            value = {} if value is ... else {key: value}
        return value

    world = World({1: {}}, [WorldEvent(1, "A", NOW - age, properties(v)) for age, v in values(*items)])  # type: ignore[arg-type]
    field = {} if kind in KINDS_WITHOUT_PROPERTY else {"property": path}
    for order in (world.events, world.events[::-1]):
        definition = parse_computed(computed(kind, **field))
        assert evaluate_computed(World(world.traits, order), definition, NOW)[1].value == expected
        has_value = expected != empty_value(definition)
        assert have_value(World(world.traits, order), definition, NOW) == ({1} if has_value else set())


def test_sums_do_not_depend_on_the_order_of_events() -> None:
    rng = random.Random(5)
    amounts = [rng.choice([0.1, 19.99, 1e15, -1e15, 1e-9, 3, 2**60]) for _ in range(200)]
    expected = sum((Fraction(str(amount)) for amount in amounts), Fraction(0))
    for _ in range(3):
        rng.shuffle(amounts)
        assert Fraction(result(computed("sum"), *values(*amounts))[0]) == expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("event_counter", ("4", 1)),
        ("sum", ("8", 1)),
        ("avg", ("2.666666666666666667", 1)),
        ("min", ("1", D7 - 5)),
        ("max", ("6", 1)),
        ("most_frequent", ("1", 1)),
        ("first", ("6", 1)),
        ("last", ("1", D7 - 5)),
        ("unique_list", ("[1,6]", 1)),
        ("unique_list_count", ("2", 1)),
        ("first_seen", ('"2026-09-14T14:13:20.001Z"', 1)),
        ("last_seen", ('"2026-09-21T14:13:19.998Z"', D7 - 2)),
    ],
)
def test_a_value_may_change_when_an_event_leaves_the_window(kind: str, expected: tuple[str, int]) -> None:
    events = [(D7, 0), (D7 - 1, 6), (9, 1), (5, 1), (2, ...)]
    assert result(computed(kind, within="7d"), *events) == expected


def test_between() -> None:
    definition = computed("sum", between=["7d", "30d"])
    assert result(definition, (D7 - 1, 5)) == ("null", 1)
    assert result(definition, (D7, 5)) == ("5", D30 - D7)
    assert result(definition, (D7, 5), (D7 - 3, 1), (D7 - 2, "x")) == ("5", 3)
    assert result(definition, (D30, 5)) == ("null", NEVER)


def test_a_session_ends_with_a_pause() -> None:
    pause = 30 * MINUTE_MS
    definition = computed("event_counter", session="30m")
    assert result(definition, (0, 1)) == ("1", pause)
    assert result(definition, (pause - 1, 1)) == ("1", 1)
    assert result(definition, (pause, 1)) == ("0", NEVER)
    assert result(definition, (5, 1), (pause + 4, 1), (2 * pause + 3, 1)) == ("3", pause - 5)
    assert result(definition, (5, 1), (5, 1), (pause + 5, 1), (pause + 6, 1)) == ("2", pause - 5)
    assert result(definition, (5, 1), (10, 1), since=NOW - 9) == ("1", pause - 5)
    # Without the property, an event keeps the session going, and has no value of its own.
    assert result(computed("sum", session="30m"), (5, ...), (pause, 7)) == ("7", pause - 5)
    assert result(computed("sum", session="30m"), (5, ...)) == ("null", NEVER)
    # Conditions say which events make up the session.
    where = computed("sum", session="30m", where=[["v", "<", 9]])
    assert result(where, (5, 9), (pause - 1, 7)) == ("7", 1)
    assert result(where, (0, 1), (pause - 1, 9), (pause, 7)) == ("1", pause)


def test_a_session_reaches_back_as_long_as_events_are_kept() -> None:
    world = World({1: {}}, [WorldEvent(1, "A", NOW - age * DAY_MS) for age in range(10)])
    definition = parse_computed(computed("event_counter", session="6d"))
    assert evaluate_computed(world, definition, NOW, retention_ms=D7) == {1: ComputedValue("7", NOW + DAY_MS)}


def test_no_window_is_the_retention() -> None:
    assert result(computed("event_counter"), (5, 1)) == ("1", DEFAULT_RETENTION_MS - 5)
    assert result(computed("event_counter"), (DEFAULT_RETENTION_MS, 1)) == ("0", NEVER)


def test_events_before_since_do_not_count() -> None:
    assert result(computed("first"), (5, "a"), (4, "b"), since=NOW - 4) == ('"b"', DEFAULT_RETENTION_MS - 4)


def test_events_of_one_millisecond_come_in_the_order_of_the_log() -> None:
    events = [(5, ...), (5, "a"), (5, "c"), (5, "b"), (5, None)]
    assert result(computed("first"), *events)[0] == '"a"'
    assert result(computed("last"), *events)[0] == '"b"'


def test_a_list_keeps_the_first_ten_thousand_values() -> None:
    names = [f"{i:06}" for i in range(MAX_DISTINCT_VALUES + 2)]
    events = [(age, name) for age, name in enumerate(reversed(names))]
    value, flip = result(computed("unique_list", within="7d"), *events)
    assert json.loads(value) == names[:MAX_DISTINCT_VALUES]
    assert flip == D7 - (len(names) - 1)
    assert result(computed("unique_list_count"), *events)[0] == str(MAX_DISTINCT_VALUES)


def test_some_profiles_are_computed_like_everybody() -> None:
    events = [WorldEvent(i, "A", NOW - i, {"v": i}) for i in (1, 3, 3, 5)]
    world = World({i: {} for i in range(1, 6)}, events)
    for fields in ({"within": "7d"}, {"between": ["1s", "7d"]}, {"session": "1h"}):
        definition = parse_computed(computed("sum", **fields))
        everybody = evaluate_computed(world, definition, NOW)
        assert everybody.keys() == world.traits.keys()
        assert everybody[2] == ComputedValue("null", NEVER)
        assert evaluate_computed(world, definition, NOW, profiles=[3, 4, 99]) == {
            i: everybody[i] for i in (3, 4)
        }
        assert evaluate_computed(world, definition, NOW, profiles=[]) == {}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("5.0", "5"), ("1E5", "100000"), ("-0.0", "0"), ("-0", "0"), ("0.10", "0.1"), ("1e-7", "0.0000001"), ("1e-8", "1e-8"), ("12e-9", "1.2e-8"),
        ("9223372036854775807", "9223372036854775807"), ("9223372036854775809", "9223372036854776000"), ("-1.50e30", "-1.5e+30"),
        ("1e18", "1000000000000000000"), ("1e19", "1e+19"), ("0.1000000000000000055511151231257827", "0.1"), ("5e-324", "5e-324"),
    ],
)  # fmt: skip
def test_equal_numbers_have_one_text(text: str, shown: str) -> None:
    assert number_text(number(text)) == shown
    assert number(shown) == number(text)
    assert float(shown) == float(text)


# ---- in conditions


@pytest.mark.parametrize(
    ("condition", "stored", "member"),
    [
        ({"op": ">", "value": 5}, 5.5, True),
        ({"op": "=", "value": "5"}, 5, False),
        ({"op": "exists"}, None, False),
        ({"op": "contains", "value": "b"}, ["a", "b"], True),
        ({"op": "absent"}, ..., True),
        ({"op": "!=", "value": "x"}, "premium", True),
    ],
)
def test_a_computed_trait_in_a_condition(
    condition: dict[str, object], stored: object, *, member: bool
) -> None:
    """It is read from its table, and hides a trait of the same name."""
    world = World(
        {1: {"spent": "x"}, 2: {"spent": "x"}},
        computed={"spent": {} if stored is ... else {1: stored}, "other": {1: "x", 2: "x"}},
    )
    definition = parse_definition({"trait": "spent", **condition})
    assert evaluate(world, definition, NOW)[1].member == member
    assert evaluate(world, definition, NOW)[2].member == (condition["op"] == "absent")


@pytest.mark.parametrize("seen", ["first_seen", "last_seen"])
def test_a_computed_date_flips_like_any_other(seen: str) -> None:
    value, _ = result(computed(seen), (0, 1))
    world = World({1: {}}, computed={"due": {1: json.loads(value)}})
    definition = parse_definition({"trait": "due", "op": "within_last", "value": "24h"})
    membership = evaluate(world, definition, NOW)[1]
    assert (membership.member, membership.flip_at) == (True, NOW + DAY_MS)


# ---- the language


def test_a_computed_trait_is_read_and_comes_back_in_one_spelling() -> None:
    value = computed("sum", where=[["a", "exists"], ["b", "in", [1, "x"]]], between=["24h", "30d"])
    definition = parse_computed(value)
    assert definition == Computed(
        "sum",
        "A",
        (Condition("a", "exists", None), Condition("b", "in", (1, "x"))),
        "v",
        Between(DAY_MS, D30),
    )
    text = computed_json(definition)
    assert b'"between":["1d","30d"]' in text
    assert parse_computed(msgspec.json.decode(text)) == definition
    for fields, window in (
        ({}, None),
        ({"within": "7d"}, Within(D7)),
        ({"session": "30m"}, Session(1_800_000)),
    ):
        definition = parse_computed(computed("event_counter", **fields))
        assert definition == Computed("event_counter", "A", window=window)
        assert msgspec.json.decode(computed_json(definition)) == computed("event_counter", **fields)


@pytest.mark.parametrize(
    ("value", "place", "problem"),
    [
        (5, "definition", "5 is no object"),
        ({"event": "A"}, "definition", "computed is missing"),
        ({"computed": "sum"}, "definition", "event is missing"),
        (computed("total"), "computed", "'total' is no kind"),
        ({**computed("sum"), "computed": ["sum"]}, "computed", "a list is no kind"),
        ({"computed": "sum", "event": "A"}, "property", "the property is missing"),
        (computed("event_counter", property="v"), "property", "takes no property"),
        (computed("last_seen", property="v"), "property", "takes no property"),
        (computed("sum", property=""), "property", "0 characters"),
        (computed("sum", count=[">=", 1]), "definition", "'count' is not known"),
        (computed("sum", within="7d", session="1h"), "definition", "within, session together"),
        (computed("sum", within="7d", between=["1d", "7d"]), "definition", "within, between together"),
        (computed("sum", session="soon"), "session", "no duration"),
        (computed("sum", session="1096d"), "session", "longer than possible"),
        (computed("sum", between=["7d", "7d"]), "between", "not the shorter"),
        (computed("sum", event=7), "event", "no text"),
        (computed("sum", where=[["a", "within_last", "1d"]]), "where[0][1]", "relative to now"),
    ],
)
def test_a_wrong_computed_trait_is_refused_with_its_place(value: object, place: str, problem: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        parse_computed(value)
    assert caught.value.place == place
    assert problem in caught.value.problem
