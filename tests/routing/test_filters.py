"""Destination filters: what each operator means, which texts are read, and what is never dropped."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from jetbridge.routing.filters import Condition, Filter, Filters, WrongFilters, dump, parse
from jetbridge.routing.operators import OPERATORS
from jetbridge.routing.route import FILTERED_BY_DESTINATION_FILTER, FILTERED_BY_INTEGRATIONS_OBJECT, Route
from jetbridge.spec.message import Message

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def message(**fields: Any) -> Message:
    return Message(**{"type": "identify", "message_id": "m", "timestamp": NOW, "received_at": NOW, **fields})


def text(*conditions: tuple[str, ...], **fields: Any) -> str:
    rows = [dict(zip(("field", "operator", "value"), row, strict=False)) for row in conditions]
    return json.dumps([{"name": "One", "conditions": rows, **fields}])


@pytest.mark.parametrize(
    ("value", "operator", "wanted", "expected"),
    [
        pytest.param("a", "is", "a", True, id="text"),
        pytest.param("A", "is", "a", False, id="case counts"),
        pytest.param(42, "is", "42", True, id="a number is what the value reads as"),
        pytest.param(42.0, "is", "42", True, id="whole or not"),
        pytest.param("42", "is", "42", True, id="digits that are text"),
        pytest.param(1, "is", "true", False, id="one is not true"),
        pytest.param(True, "is", "1", False, id="true is not one"),
        pytest.param(True, "is", "true", True, id="true"),
        pytest.param(None, "is", "", False, id="absent is not empty"),
        pytest.param("", "is", "", True, id="empty"),
        pytest.param(["a"], "is", "a", False, id="a list is no text"),
        pytest.param("b", "is not", "a", True, id="another text"),
        pytest.param(None, "is not", "a", True, id="absent is not it"),
        pytest.param("a", "is not", "a", False, id="it is"),
        pytest.param("cat", "contains", "a", True, id="part of a text"),
        pytest.param(["a", 1], "contains", "1", True, id="member of a list"),
        pytest.param({"a": 1}, "contains", "a", False, id="an object contains nothing"),
        pytest.param(None, "contains", "a", False, id="absent contains nothing"),
        pytest.param(None, "does not contain", "a", True, id="and so does not contain it"),
        pytest.param("ada@x.org", "ends with", "@x.org", True, id="end"),
        pytest.param(7, "ends with", "7", False, id="a number has no end"),
        pytest.param("ada", "starts with", "ad", True, id="start"),
        pytest.param("Order Completed", "matches", "Order *", True, id="glob"),
        pytest.param("An Order", "matches", "Order*", False, id="glob of the whole"),
        pytest.param("a.c", "matches", "a.c", True, id="a dot is a dot"),
        pytest.param("abc", "matches", "a.c", False, id="and nothing else"),
        pytest.param(3, "is greater than", "2.5", True, id="greater"),
        pytest.param("3", "is greater than", "2", False, id="text is never greater"),
        pytest.param(True, "is greater than", "0", False, id="true is no number"),
        pytest.param(2, "is less than", "2", False, id="not less"),
        pytest.param(True, "is true", "", True, id="is true"),
        pytest.param("true", "is true", "", False, id="the word is not"),
        pytest.param(False, "is false", "", True, id="is false"),
        pytest.param(None, "is false", "", False, id="absent is not false"),
        pytest.param(0, "exists", "", True, id="nought exists"),
        pytest.param(None, "does not exist", "", True, id="null does not"),
    ],
)
def test_what_an_operator_means(value: Any, operator: str, wanted: str, expected: object) -> None:
    filters = Filters([Filter("One", [Condition("traits.x", operator, wanted)])])
    assert (filters.dropped_by(message(traits={"x": value})) == "One") is expected


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("value", [None, True, 0, 1.5, "", "text", [], [None], {}, {"a": {"b": 1}}])
def test_no_value_breaks_an_operator(operator: str, value: Any) -> None:
    Filters([Filter("One", [Condition("traits.x", operator, "1")])]).dropped_by(message(traits={"x": value}))


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("type", {"type": "track"}),
        ("event", {"event": "track"}),
        ("userId", {"user_id": "track"}),
        ("properties.a.b", {"properties": {"a": {"b": "track"}}}),
        ("traits.a\\.b", {"traits": {"a.b": "track"}}),
        ("context.page.path", {"context": {"page": {"path": "track"}}}),
    ],
)
def test_a_field_is_found_where_segment_puts_it(field: str, fields: dict[str, Any]) -> None:
    filters = Filters(parse(text((field, "is", "track"))))
    assert filters.dropped_by(message(**fields)) == "One"
    assert filters.dropped_by(message()) is None


def test_all_or_any_of_the_conditions() -> None:
    two = (("traits.a", "is true"), ("traits.b", "is true"))
    both, either = Filters(parse(text(*two))), Filters(parse(text(*two, match="any")))
    half, whole = message(traits={"a": True}), message(traits={"a": True, "b": True})
    assert [each.dropped_by(half) for each in (both, either)] == [None, "One"]
    assert [each.dropped_by(whole) for each in (both, either)] == ["One", "One"]


def test_a_filter_that_is_off_drops_nothing_and_costs_nothing() -> None:
    filters = Filters(parse(text(("type", "is", "identify"), enabled=False)))
    assert not filters
    assert filters.dropped_by(message()) is None


def test_nobody_can_filter_a_call_to_be_forgotten() -> None:
    assert Filters(parse(text(("type", "is", "delete")))).dropped_by(message(type="delete")) is None


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("[", "The filters are not read: Input data was truncated."),
        ("{}", "The filters are not read: Expected `array`, got `object`."),
        ('[{"name": "A"}]', "missing required field `conditions`"),
        ('[{"name": "", "conditions": [{"field": "type", "operator": "exists"}]}]', "length >= 1"),
        ('[{"name": "A", "conditions": []}]', "length >= 1"),
        ('[{"name": "A", "conditions": [], "if": 1}]', "`conditions`|unknown field `if`|length"),
        (text(("type", "equals", "x")), "Filter One: 'equals' is no operator; there are is, is not,"),
        (text(("trait.x", "is", "x")), "Filter One: trait.x: a field begins with one of type, event,"),
        (text(("traits..x", "is", "x")), "Filter One: traits..x: a name is missing at a dot."),
        (text(("traits.x", "is less than", "x")), "Filter One: traits.x: 'x' is no number."),
        (text(("traits.x", "contains")), "Filter One: traits.x: a value is needed."),
        (text(("", "is", "x"), enabled=False), "Filter One: A condition: a field begins with"),
        (json.dumps(json.loads(text(("type", "exists"))) * 2), "Two filters are named One."),
        (json.dumps([{"name": str(i), "conditions": []} for i in range(21)]), "length"),
    ],
)
def test_what_cannot_be_read_is_said(wrong: str, sentence: str) -> None:
    with pytest.raises(WrongFilters, match=sentence):
        parse(wrong)


def test_what_is_written_is_read_again() -> None:
    filters = parse(text(("type", "is", "track"), ("event", "exists"), match="any", enabled=False))
    assert parse(dump(filters)) == filters
    assert (parse(""), parse(" \n"), dump([])) == ([], [], "")


def test_the_route_asks_the_filters_last() -> None:
    filters = Filters(parse(text(("traits.staff", "is true"))))
    route = Route(frozenset({"identify"}), ("Mailjet",), {1: "http"}, filters=filters)
    staff = {"staff": True}
    assert route.why_not(message(traits=staff), 1) == FILTERED_BY_DESTINATION_FILTER
    assert route.why_not(message(), 1) is None
    switched_off = message(traits=staff, integrations={"All": False})
    assert route.why_not(switched_off, 1) == FILTERED_BY_INTEGRATIONS_OBJECT
