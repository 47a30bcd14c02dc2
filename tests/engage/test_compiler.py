import itertools
import random
import sqlite3
from collections.abc import Mapping

import pytest
from tests.engage.compiled import TABLES, Membership, World, WorldEvent, evaluate, load_world

from jetbridge.engage import dialect
from jetbridge.engage.compiler import Compiled, compile_computed, compile_definition
from jetbridge.engage.definition import DAY_MS, DEFAULT_RETENTION_MS, parse_computed, parse_definition
from jetbridge.engage.dialect import NEVER

NOW = 1_790_000_000_000
HOUR_MS = 3_600_000
D7, D30 = 7 * DAY_MS, 30 * DAY_MS


def state(
    definition: object,
    *events: tuple[str, int] | tuple[str, int, Mapping[str, object]],
    traits: Mapping[str, object] | None = None,
    member_of: tuple[str, ...] = (),
    since: int = 0,
) -> tuple[bool, int]:
    """Membership of one person, and in how many ms it flips. An event is its name, its age in ms, its properties."""
    world = World(
        traits={1: traits or {}},
        events=[WorldEvent(1, event[0], NOW - event[1], *event[2:]) for event in events],
        members={key: [1] for key in member_of},
    )
    result = evaluate(world, parse_definition(definition), NOW, since=since)[1]
    return result.member, result.flip_at if result.flip_at == NEVER else result.flip_at - NOW


def event(**fields: object) -> dict[str, object]:
    return {"event": "A", **fields}


def test_order_in_30_days() -> None:
    definition = {"event": "Order Completed", "within": "30d"}
    assert state(definition) == (False, NEVER)
    assert state(definition, ("Order Completed", 0)) == (True, D30)
    assert state(definition, ("Order Completed", D30 - 1), ("Order Completed", 5), ("Other", 0)) == (
        True,
        D30 - 5,
    )
    assert state(definition, ("Order Completed", D30 - 1)) == (True, 1)
    assert state(definition, ("Order Completed", D30)) == (False, NEVER)


def test_viewed_three_times_without_an_order() -> None:
    definition = {
        "all": [
            {"event": "Product Viewed", "count": [">=", 3], "within": "7d"},
            {"not": {"event": "Order Completed", "within": "7d"}},
        ]
    }
    views = [("Product Viewed", age) for age in (10, 20, 30, 40)]
    assert state(definition, *views) == (True, D7 - 30)
    assert state(definition, *views, ("Order Completed", 100)) == (False, D7 - 100)
    assert state(definition, *views[:2], ("Order Completed", 100)) == (False, NEVER)
    assert state(definition, *views[:2]) == (False, NEVER)


def test_plan_and_country() -> None:
    definition = {
        "all": [
            {"trait": "plan", "op": "=", "value": "premium"},
            {"trait": "country", "op": "in", "value": ["DE", "AT", "CH"]},
        ]
    }
    assert state(definition, traits={"plan": "premium", "country": "AT"}) == (True, NEVER)
    assert state(definition, traits={"plan": "premium", "country": "FR"}) == (False, NEVER)
    assert state(definition, traits={"country": "AT"}) == (False, NEVER)


def funnel(*, did: bool, **window: object) -> dict[str, object]:
    return {"funnel": {"first": event(**window), "then": {"event": "B"}, "within": "1h", "did": did}}


def test_funnel_did() -> None:
    definition = funnel(did=True, within="30d")
    assert state(definition, ("A", 100), ("B", 50)) == (True, D30 - 100)
    assert state(definition, ("A", HOUR_MS + 100), ("B", 100)) == (True, D30 - HOUR_MS - 100)
    assert state(definition, ("A", HOUR_MS + 100), ("B", 99)) == (False, NEVER)
    assert state(definition, ("A", 100), ("B", 100)) == (False, NEVER)  # then is later than first
    assert state(definition, ("A", 100), ("B", 50), ("A", 10)) == (True, D30 - 100)
    assert state(definition, ("A", D30), ("B", D30 - 1)) == (False, NEVER)


def test_funnel_did_not() -> None:
    definition = funnel(did=False, within="30d")
    assert state(definition, ("A", 100)) == (False, HOUR_MS - 100)
    assert state(definition, ("A", HOUR_MS)) == (True, D30 - HOUR_MS)
    assert state(definition, ("A", HOUR_MS), ("B", 0)) == (False, NEVER)
    assert state(definition, ("A", 200), ("B", 150), ("A", 100), ("A", 50)) == (False, HOUR_MS - 100)
    assert state(definition, ("A", 3 * HOUR_MS), ("A", 5 * HOUR_MS), ("B", 0)) == (True, D30 - 3 * HOUR_MS)


def test_a_funnel_between_flips_at_each_of_its_ends() -> None:
    did = funnel(did=True, between=["7d", "30d"])
    assert state(did, ("A", D7 - 5), ("B", D7 - 6)) == (False, 5)
    assert state(did, ("A", D7), ("B", D7 - 1)) == (True, D30 - D7)
    assert state(did, ("A", D30), ("B", D30 - 1)) == (False, NEVER)
    did_not = {
        "funnel": {"first": event(between=["1h", "3h"]), "then": {"event": "B"}, "within": "2h", "did": False}
    }
    assert state(did_not, ("A", HOUR_MS + 1)) == (False, HOUR_MS - 1)
    assert state(did_not, ("A", 2 * HOUR_MS)) == (True, HOUR_MS)


def test_the_second_step_has_properties() -> None:
    definition = {
        "funnel": {
            "first": event(within="30d"),
            "then": {"event": "B", "where": [["total", ">", 5]]},
            "within": "1h",
            "did": True,
        }
    }
    assert state(definition, ("A", 100), ("B", 50, {"total": 5})) == (False, NEVER)
    assert state(definition, ("A", 100), ("B", 50, {"total": 5}), ("B", 40, {"total": 6})) == (
        True,
        D30 - 100,
    )


@pytest.mark.parametrize(
    ("count", "ages", "expected"),
    [
        ([">=", 2], [1], (False, NEVER)),
        ([">=", 2], [1, 2, 3], (True, D7 - 2)),
        (["<=", 2], [1, 2], (True, NEVER)),
        (["<=", 2], [1, 2, 3, 4], (False, D7 - 3)),
        (["<=", 0], [], (True, NEVER)),
        (["<=", 0], [1, 5], (False, D7 - 1)),
        (["=", 2], [1], (False, NEVER)),
        (["=", 2], [1, 2], (True, D7 - 2)),
        (["=", 2], [1, 2, 3], (False, D7 - 3)),
        (["=", 0], [], (True, NEVER)),
        (["=", 0], [7], (False, D7 - 7)),
        (["=", 2], [1, 1], (True, D7 - 1)),
    ],
)
def test_counts(count: list[object], ages: list[int], expected: tuple[bool, int]) -> None:
    assert state(event(count=count, within="7d"), *(("A", age) for age in ages)) == expected


def test_between() -> None:
    definition = event(between=["7d", "30d"])
    assert state(definition, ("A", D7 - 1)) == (False, 1)
    assert state(definition, ("A", D7)) == (True, D30 - D7)
    assert state(definition, ("A", D7), ("A", D7 - 2)) == (True, 2)
    assert state(definition, ("A", D30)) == (False, NEVER)
    assert state(event(between=["7d", "30d"], count=["=", 0]), ("A", 5)) == (True, D7 - 5)


def test_no_window_is_the_retention() -> None:
    assert state(event(), ("A", 5)) == (True, DEFAULT_RETENTION_MS - 5)
    assert state(event(), ("A", DEFAULT_RETENTION_MS)) == (False, NEVER)
    world = World({1: {}}, [WorldEvent(1, "A", NOW - D7)])
    assert not evaluate(world, parse_definition(event()), NOW, retention_ms=D7)[1].member


def test_events_before_since_do_not_count() -> None:
    assert state(event(within="7d"), ("A", 100), since=NOW - 99) == (False, NEVER)
    assert state(event(within="7d"), ("A", 100), since=NOW - 100) == (True, D7 - 100)


DATE = "2026-09-01T00:00:00+02:00"
LIST = [1, "x", True, None, ["y"], "[1]"]

#: operator, value of the definition, values for which it is true, values for which it is false. `...` is a missing value.
OPERATORS = [
    ("=", "5", ["5"], [5, ["5"], "5 ", None, ..., {"a": "5"}]),
    ("=", 5, [5, 5.0], ["5", True, None, ..., [5]]),
    ("=", 1, [1], [True, "1"]),
    ("=", 0.1, [0.1], [0.10000000000000002, "0.1"]),
    ("=", 2**53 + 1, [2**53 + 1], [2**53, float(2**53)]),
    ("=", True, [True], [1, "true", False, None, ...]),
    ("=", False, [False], [0, "", None, ...]),
    ("=", "", [""], [None, ..., 0, False]),
    ("=", "é😀'\"\\$.x", ["é😀'\"\\$.x"], ["e", "é"]),
    ("!=", 5, ["5", True, 4, [5], {}], [5, 5.0, None, ...]),
    ("!=", "a", ["A", 5, ""], ["a", None, ...]),
    ("<", 5, [4, 4.9, -1], [5, "4", False, None, ..., [4]]),
    ("<=", 5, [5, 5.0], [5.1, "5"]),
    (">", 0, [1, 0.1], [0, True, "1", None, ...]),
    (">=", 0.5, [0.5, 1], [0, True, {"a": 1}]),
    ("in", ["5", 1, False], ["5", 1, 1.0, False], [5, "1", True, 0, "", None, ..., ["5"]]),
    ("in", ["a", "b", 1, 2.5], ["a", "b", 1, 2.5], ["c", 2, True, "1"]),
    ("contains", "b%", ["ab%c", ["b%"]], ["abc", "aB%", ["ab%c"], 5, None, ...]),
    ("contains", "x", ["x", "axb", LIST], ["X", {"x": "x"}, [["x"]]]),
    ("contains", 1, [LIST, [1.0]], ["1", 1, ["1"], [True]]),
    ("contains", True, [[True]], [True, [1], ["true"]]),
    ("contains", "[1]", [LIST, "a[1]"], [[1], [[1]]]),
    ("contains_any", ["q", "x", 7], ["a x", LIST, [7], ["q"]], ["7", 7, ["a x"], [], None, ...]),
    ("not_contains", "x", ["abc", 5, None, ..., ["ax"], {}], ["x", "ax", ["x"]]),
    ("starts_with", "a_", ["a_", "a_b"], ["ab", "A_", "xa_", ["a_"], "a", None, ...]),
    ("ends_with", "_é", ["_é", "b_é"], ["é", "_É", "_é ", ["_é"], "", None, ...]),
    ("exists", None, ["", 0, False, [], {}, "null"], [None, ...]),
    ("absent", None, [None, ...], ["", 0, False, []]),
    ("before", DATE, ["2026-08-31T21:59:59.999Z"], ["2026-08-31T22:00:00Z", "2026-08-01", "x", 0, None, ...]),
    ("after", DATE, ["2026-08-31 22:00:00.001Z"], ["2026-08-31T22:00:00Z", "2027-01-01", "now", 9e15, ["x"]]),
]


@pytest.mark.parametrize(("op", "value", "true", "false"), OPERATORS)
def test_operators(op: str, value: object, true: list[object], false: list[object]) -> None:
    """The same rule in `where`, of a trait, and at a path that only json_each can follow."""
    values = [*true, *false]
    expected = {i: i < len(true) for i in range(len(values))}
    for keys in (("key",), ("a", "b"), ('q"\\', "b")):
        path, nested = ".".join(keys), []
        for value_there in values:
            there: object = value_there
            for key in reversed(keys):
                there = {} if there is ... else {key: there}
            nested.append(there)
        world = World(
            traits=dict(enumerate(nested)),
            events=[WorldEvent(i, "A", NOW, properties) for i, properties in enumerate(nested)],
        )
        where = event(where=[[path, op] if value is None else [path, op, value]], within="1d")
        trait = {"trait": path, "op": op} if value is None else {"trait": path, "op": op, "value": value}
        for definition in (where, trait):
            result = evaluate(world, parse_definition(definition), NOW)
            wrong = {repr(values[i]): m.member for i, m in result.items() if m.member != expected[i]}
            assert not wrong, (definition, wrong)


@pytest.mark.parametrize(
    ("op", "age", "expected"),
    [
        ("within_last", -5, (False, 5)),
        ("within_last", 0, (True, DAY_MS)),
        ("within_last", DAY_MS - 1, (True, 1)),
        ("within_last", DAY_MS, (False, NEVER)),
        ("before_last", DAY_MS, (True, NEVER)),
        ("before_last", DAY_MS - 1, (False, 1)),
        ("before_last", -5, (False, DAY_MS + 5)),
        ("within_next", 0, (False, NEVER)),
        ("within_next", -1, (True, 1)),
        ("within_next", -DAY_MS, (True, DAY_MS)),
        ("within_next", -DAY_MS - 1, (False, 1)),
        ("after_next", -DAY_MS - 1, (True, 1)),
        ("after_next", -DAY_MS, (False, NEVER)),
    ],
)
def test_relative_dates(op: str, age: int, expected: tuple[bool, int]) -> None:
    # NOW is a whole second: 2026-09-21T14:13:20Z
    seconds, ms = divmod(NOW - age, 1000)
    text = (
        sqlite3.connect(":memory:")
        .execute("SELECT strftime('%Y-%m-%dT%H:%M:%S', ?, 'unixepoch')", [seconds])
        .fetchone()[0]
    )
    definition = {"trait": "date", "op": op, "value": "24h"}
    assert state(definition, traits={"date": f"{text}.{ms:03}Z"}) == expected
    assert state(definition, traits={"date": text}) == (False, NEVER)  # no zone, no date
    assert state(definition, traits={"date": NOW - age}) == (False, NEVER)
    assert state(definition) == (False, NEVER)


@pytest.mark.parametrize(
    ("traits", "member"),
    [
        ({"a.b": 1, "a": {"b": 2}}, True),
        ({"a.b": 2, "a": {"b": 1}}, False),
        ({"a.b": None, "a": {"b": 1}}, False),  # the key with the dot wins, even as null
        ({"a": {"b": 1}}, True),
        ({"a": [{"b": 1}]}, False),
        ({"a": '{"b": 1}'}, False),
        ({"a": None}, False),
        ({}, False),
    ],
)
@pytest.mark.parametrize("odd", ["", '"', "\\", "\n", "[0]", "'"])
def test_dotted_paths(traits: dict[str, object], *, member: bool, odd: str) -> None:
    def renamed(value: object) -> object:
        return (
            {k.replace("b", f"b{odd}"): renamed(v) for k, v in value.items()}
            if isinstance(value, dict)
            else value
        )

    changed = {key.replace("b", f"b{odd}"): renamed(value) for key, value in traits.items()}
    definition = {"trait": f"a.b{odd}", "op": "=", "value": 1}
    assert state(definition, traits=changed) == (member, NEVER)


@pytest.mark.parametrize(
    "path", [".", "a.", ".a", "a..b", "$", "$.a", "0", "[0]", "#", "a' OR 1=1 --", "a\tb"]
)
def test_any_text_is_a_path(path: str) -> None:
    definition = {"trait": path, "op": "=", "value": 1}
    assert state(definition, traits={path: 1, "a": 0, "0": 1 if path == "0" else 0}) == (True, NEVER)
    assert state(definition, traits={"a": 0, "x": 1}) == (False, NEVER)


def test_audiences_are_stored_memberships() -> None:
    assert state({"audience": "vip"}, member_of=("vip",)) == (True, NEVER)
    assert state({"not": {"audience": "vip"}}, member_of=("other",)) == (True, NEVER)


def test_a_scheduled_row_is_no_membership() -> None:
    compiled = compile_definition(parse_definition({"audience": "vip"}))
    connection = sqlite3.connect(":memory:")
    connection.executescript(TABLES)
    load_world(connection, World({1: {}}))
    connection.execute("INSERT INTO membership (audience, profile, member, flip_at) VALUES ('vip', 1, 0, 5)")
    assert connection.execute(compiled.everybody, compiled.parameters(NOW)).fetchall() == [(1, 0, NEVER)]
    connection.close()


TRUE_5, TRUE_9 = {"event": "T5", "within": "7d"}, {"event": "T9", "within": "7d"}
FALSE_5, FALSE_9 = {"not": TRUE_5}, {"not": TRUE_9}


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ({"all": [TRUE_5, TRUE_9]}, (True, D7 - 9)),
        ({"all": [FALSE_5, FALSE_9]}, (False, D7 - 5)),
        ({"all": [TRUE_5, FALSE_9]}, (False, D7 - 9)),
        ({"any": [TRUE_5, TRUE_9]}, (True, D7 - 5)),
        ({"any": [FALSE_5, FALSE_9]}, (False, D7 - 9)),
        ({"any": [FALSE_5, TRUE_9]}, (True, D7 - 9)),
        ({"any": []}, (False, NEVER)),
        ({"not": {"any": []}}, (True, NEVER)),
        ({"any": [TRUE_5]}, (True, D7 - 5)),
        ({"not": {"not": TRUE_5}}, (True, D7 - 5)),
    ],
)
def test_groups(definition: object, expected: tuple[bool, int]) -> None:
    assert state(definition, ("T5", 5), ("T9", 9)) == expected


def test_some_profiles_are_computed_like_everybody() -> None:
    world = World({i: {} for i in range(1, 6)}, [WorldEvent(i, "A", NOW - i) for i in (1, 3, 5)])
    definition = parse_definition(event(within="7d"))
    everybody = evaluate(world, definition, NOW)
    assert everybody[2] == Membership(member=False, flip_at=NEVER)
    assert evaluate(world, definition, NOW, profiles=[3, 4, 99]) == {i: everybody[i] for i in (3, 4)}
    assert evaluate(world, definition, NOW, profiles=[]) == {}


def test_the_largest_definition_runs() -> None:
    where = [["a.b.c", "contains_any", [f"value {i}", i]] for i in range(20)]
    windows: list[dict[str, object]] = [{"between": ["1d", "2d"], "count": ["=", 1000]}] * 24 + [
        {"within": "2d"}
    ] * 25
    definition: dict[str, object] = {
        "all": [event(where=where[:2], **window) for window in windows] + [{"any": []}]
    }
    for _ in range(8):
        definition = {"not": definition}
    assert state(definition, ("A", 5, {"a.b.c": "x"})) == (False, NEVER)


def test_effort_grows_with_the_events_of_a_person_and_not_with_their_square() -> None:
    """Counted in thousands of steps of SQLite's machine, of one person's events of which all, few or none fit the conditions."""
    where = [["n", "=", 2]]
    then = {"event": "B", "where": where}
    audiences = [
        {"funnel": {"first": event(**window), "then": then, "within": "5d", "did": did}}
        for window in ({"within": "30d"}, {"between": ["6d", "30d"]})
        for did in (True, False)
    ]
    compiled = [compile_definition(parse_definition(definition)) for definition in audiences]
    for session in ("1s", "30d"):
        for condition in (["n", "<", 2], ["n", "=", 1], ["n", "=", 2]):
            trait = {"computed": "event_counter", "event": "A", "session": session, "where": [condition]}
            compiled.append(compile_computed(parse_computed(trait)))

    def steps(compiled: Compiled, events: int) -> int:
        connection = sqlite3.connect(":memory:")
        dialect.prepare(connection)
        connection.executescript(TABLES)
        load_world(
            connection,
            World(
                {1: {}},
                [WorldEvent(1, "AB"[i % 2], NOW - i * 500, {"n": int(i % 97 == 0)}) for i in range(events)],
            ),
        )
        count = itertools.count()
        connection.set_progress_handler(lambda: next(count) and 0, 1_000)
        connection.execute(compiled.some, compiled.parameters(NOW, profiles=[1])).fetchall()
        connection.close()
        return next(count)

    for statement in compiled:
        few, many = steps(statement, 4_000), steps(statement, 16_000)
        assert many < 6 * max(few, 20), statement.some


def random_definition(rng: random.Random, depth: int = 3) -> dict[str, object]:
    """Windows of a few seconds, so that a minute has many flips."""
    kind = rng.choice(
        ["all", "any", "not", "event", "event", "funnel", "trait"] if depth else ["event", "funnel", "trait"]
    )
    window: dict[str, object] = rng.choice(
        [{"within": f"{rng.randint(1, 9)}s"}, {"between": [f"{rng.randint(1, 4)}s", f"{rng.randint(5, 9)}s"]}]
    )
    match kind:
        case "all" | "any":
            return {kind: [random_definition(rng, depth - 1) for _ in range(rng.randint(1, 3))]}
        case "not":
            return {"not": random_definition(rng, depth - 1)}
        case "event":
            where = [["n", rng.choice(["=", "!=", "<"]), 1]] if rng.random() < 0.3 else []
            return {
                "event": rng.choice("AB"),
                "count": [rng.choice([">=", "<=", "="]), rng.randint(1, 3)],
                "where": where,
                **window,
            }
        case "funnel":
            first = {"event": "A", **window} if "between" in window else {"event": "A", "within": "9s"}
            return {
                "funnel": {
                    "first": first,
                    "then": {"event": "B"},
                    "within": f"{rng.randint(1, 4)}s",
                    "did": rng.random() < 0.5,
                }
            }
        case _:
            op = rng.choice(["within_last", "within_next", "before_last", "after_next"])
            return {"trait": "date", "op": op, "value": f"{rng.randint(1, 9)}s"}


def test_membership_never_changes_before_its_flip() -> None:
    """Of made-up people to whom nothing new happens, at each quarter of a second."""
    rng = random.Random(11)
    changes = 0
    for _ in range(60):
        definition = parse_definition(random_definition(rng))
        start = NOW + 10_000
        world = World(
            {
                i: {"date": f"2026-09-21T14:13:{rng.randint(20, 59)}.{rng.choice(['000', '250'])}Z"}
                for i in range(20)
            },
            [
                WorldEvent(
                    rng.randrange(20),
                    rng.choice("AB"),
                    NOW + rng.randrange(40) * 250,
                    {"n": rng.choice([0, 1, "1"])},
                )
                for _ in range(80)
            ],
        )
        compiled = compile_definition(definition)
        connection = sqlite3.connect(":memory:")
        dialect.prepare(connection)
        connection.executescript(TABLES)
        load_world(connection, world)
        rounds = []
        for now in range(start, start + 30_000, 250):
            rows = connection.execute(compiled.everybody, compiled.parameters(now))
            rounds.append((now, {profile: (member, flip_at) for profile, member, flip_at in rows}))
        connection.close()
        for (earlier, before), (now, after) in itertools.pairwise(rounds):
            for profile, (member, flip_at) in before.items():
                assert flip_at > earlier
                if after[profile][0] != member:
                    changes += 1
                    assert flip_at <= now, (definition, profile, now)
    assert changes > 500  # otherwise it shows nothing
