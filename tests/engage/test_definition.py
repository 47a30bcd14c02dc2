import msgspec
import pytest

from jetbridge.engage.definition import (
    DAY_MS,
    MAX_DEPTH,
    MAX_LEAVES,
    MAX_TEXT_LENGTH,
    All,
    Any,
    Audience,
    Between,
    Condition,
    DefinitionError,
    Event,
    Funnel,
    Not,
    Trait,
    Within,
    definition_json,
    parse_definition,
)
from jetbridge.spec.times import date_ms

HOUR_MS = 3_600_000
EVERYTHING = {
    "all": [
        {"event": "Order Completed", "within": "30d", "where": [["total", ">=", 100], ["coupon", "absent"]]},
        {"not": {"event": "Refunded", "between": ["720h", "90d"], "count": ["=", 2]}},
        {
            "any": [
                {
                    "funnel": {
                        "first": {"event": "Added", "within": "7d"},
                        "then": {"event": "Bought", "where": [["a.b", "in", ["x", 1, True]]]},
                        "within": "60m",
                        "did": False,
                    }
                },
                {"trait": "trial_ends", "op": "within_next", "value": "48h"},
                {"trait": "plan", "op": "exists"},
                {"audience": "big_spender"},
            ]
        },
    ]
}


def test_every_kind_is_read() -> None:
    assert parse_definition(EVERYTHING) == All(
        (
            Event(
                "Order Completed",
                where=(Condition("total", ">=", 100), Condition("coupon", "absent", None)),
                window=Within(30 * DAY_MS),
            ),
            Not(Event("Refunded", window=Between(30 * DAY_MS, 90 * DAY_MS), comparator="=", count=2)),
            Any(
                (
                    Funnel(
                        Event("Added", window=Within(7 * DAY_MS)),
                        Event("Bought", where=(Condition("a.b", "in", ("x", 1, True)),)),
                        within_ms=HOUR_MS,
                        did=False,
                    ),
                    Trait(Condition("trial_ends", "within_next", 2 * DAY_MS)),
                    Trait(Condition("plan", "exists", None)),
                    Audience("big_spender"),
                )
            ),
        )
    )


def test_json_comes_back_in_one_spelling() -> None:
    text = definition_json(parse_definition(EVERYTHING))
    assert b'"between":["30d","90d"]' in text
    assert b'"within":"1h"' in text
    assert parse_definition(msgspec.json.decode(text)) == parse_definition(EVERYTHING)
    assert definition_json(parse_definition(msgspec.json.decode(text))) == text


def test_what_is_the_default_is_not_written() -> None:
    assert (
        definition_json(parse_definition({"event": "A", "where": [], "count": [">=", 1]})) == b'{"event":"A"}'
    )


def test_any_of_nothing_is_allowed() -> None:
    assert parse_definition({"any": []}) == Any(())


def event(**fields: object) -> dict[str, object]:
    return {"event": "A", **fields}


def funnel(**fields: object) -> dict[str, object]:
    return {"funnel": {"first": event(), "then": event(), "within": "1h", "did": True, **fields}}


def nested(levels: int) -> dict[str, object]:
    return event() if levels == 1 else {"not": nested(levels - 1)}


@pytest.mark.parametrize(
    ("value", "place", "problem"),
    [
        (None, "definition", "null is no object"),
        ({}, "definition", "does not say what it is"),
        ({"event": "A", "trait": "b"}, "definition", "event, trait together"),
        ({"all": []}, "all", "0 items"),
        ({"all": [event(), {"any": [7]}]}, "all[1].any[0]", "7 is no object"),
        (event(wher=[]), "definition", "'wher' is not known"),
        (event(count=["=="]), "count", "1 item"),
        (event(count=[[], 1]), "count[0]", "a list does not compare"),
        (event(count=["==", 1]), "count[0]", "'=='"),
        (event(count=[">=", 0]), "count[1]", "0 is no count"),
        (event(count=["=", True]), "count[1]", "true is no count"),
        (event(count=["=", 1001]), "count[1]", "1001 is no count"),
        (event(within="0d"), "within", "no duration"),
        (event(within="7w"), "within", "no duration"),
        (event(within="7d\n"), "within", "no duration"),
        (event(within="1096d"), "within", "longer than possible"),
        (event(within="1d", between=["1d", "2d"]), "definition", "together"),
        (event(between=["2d", "48h"]), "between", "not the shorter"),
        (event(where=[["a", "=", None]]), "where[0][2]", "null cannot be compared"),
        (event(where=[["a", "=", ["b"]]]), "where[0][2]", "a list cannot be compared"),
        (event(where=[["a", "=", 2**63]]), "where[0][2]", "cannot be compared"),
        (event(where=[["a", "=", float("nan")]]), "where[0][2]", "cannot be compared"),
        (event(where=[["a", "="]]), "where[0]", "has no value"),
        (event(where=[["a", "exists", 1]]), "where[0]", "takes no value"),
        (event(where=[["a", "like", "b"]]), "where[0][1]", "'like' is no operator"),
        (event(where=[["a", ">", "5"]]), "where[0][2]", "no number"),
        (event(where=[["a", "<", True]]), "where[0][2]", "no number"),
        (event(where=[["a", "in", []]]), "where[0][2]", "0 items"),
        (event(where=[["a", "contains", ""]]), "where[0][2]", "0 characters"),
        (event(where=[["a", "starts_with", 5]]), "where[0][2]", "no text"),
        (event(where=[["a", "before", "2026-01-01"]]), "where[0][2]", "no date"),
        (event(where=[["a", "within_last", "1d"]]), "where[0][1]", "relative to now"),
        (event(where=[["", "exists"]]), "where[0][0]", "0 characters"),
        (event(where=[["a." * 10, "exists"]]), "where[0][0]", "too many parts"),
        (event(where=[["a", "exists"]] * 21), "where", "21 item"),
        (
            {"all": [event(where=[["a", "exists"]] * 20)] * 6},
            "all[5].where[0]",
            "too many property conditions",
        ),
        ({"event": "x" * (MAX_TEXT_LENGTH + 1)}, "event", "501 characters"),
        ({"event": "a\0"}, "event", "no text may have"),
        ({"event": "\ud800"}, "event", "no text may have"),
        ({"trait": "a"}, "definition", "op is missing"),
        ({"trait": "a", "op": "within_last", "value": 5}, "value", "no duration"),
        ({"trait": "a", "op": "within_last", "value": "36501d"}, "value", "longer than possible"),
        ({"audience": 7}, "audience", "7 is no text"),
        ({"funnel": {"first": event()}}, "funnel", "then, within, did is missing"),
        (funnel(first=event(count=["=", 1])), "funnel.first", "'count' is not known"),
        (funnel(then=event(within="1d")), "funnel.then", "'within' is not known"),
        (funnel(did=1), "funnel.did", "not true or false"),
        (funnel(first=event(within="1h"), did=False), "funnel.within", "nobody fits"),
        ({"any": [{"all": [event()] * 49}, event(), {"any": []}]}, "any[2]", "too many conditions"),
        ({"any": [event()] * (MAX_LEAVES + 1)}, "any", "51 item"),
        (nested(MAX_DEPTH + 1), ".".join(["not"] * MAX_DEPTH), "too deep"),
    ],
)
def test_a_wrong_definition_is_refused_with_its_place(value: object, place: str, problem: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        parse_definition(value)
    assert caught.value.place == place
    assert problem in caught.value.problem
    assert caught.value.allowed in str(caught.value)


def test_the_bounds_themselves_are_allowed() -> None:
    parse_definition(nested(MAX_DEPTH))
    parse_definition({"any": [event()] * MAX_LEAVES})
    parse_definition(event(within="1095d", count=["<=", 1000]))
    parse_definition(event(within="90d"), retention_ms=90 * DAY_MS)
    with pytest.raises(DefinitionError, match="up to 90d"):
        parse_definition(event(within="91d"), retention_ms=90 * DAY_MS)


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01 01:00+01:00", 0),
        ("1970-01-01T00:00:01.5009Z", 1500),
        ("1969-12-31T23:59:59.9999Z", -1),
        ("0001-01-01T00:00:00+14:00", -62135647200000),
        ("1970-01-01", None),
        ("1970-01-01T00:00:00", None),
        ("1970-02-30T00:00:00Z", None),
        ("1970-01-01T24:00:00Z", None),
        ("1970-01-01T00:00:60Z", None),
        ("1970-01-01T00:00:00Z ", None),
        ("19700101T000000Z", None),
        ("0", None),
        ("now", None),
    ],
)
def test_dates_have_a_zone(text: str, ms: int | None) -> None:
    assert date_ms(text) == ms
