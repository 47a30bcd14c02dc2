"""Destination filters: their order, what each action does, what is read, and what no filter touches."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from jetbridge.routing.filters import (
    AllowProperties,
    Drop,
    DropProperties,
    Filter,
    Filters,
    InvalidFilters,
    OnlySend,
    Sample,
    dump,
    parse_filters,
)
from jetbridge.routing.route import (
    DESTINATION_FILTER_ERROR,
    FILTERED_BY_DESTINATION_FILTER,
    FILTERED_BY_INTEGRATIONS_OBJECT,
    Route,
)
from jetbridge.spec.message import Message

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def message(**fields: Any) -> Message:
    return Message(**{"type": "identify", "message_id": "m", "timestamp": NOW, "received_at": NOW, **fields})


def text(condition: str = "all", **fields: Any) -> str:
    return json.dumps([{"name": "One", "if": condition, **fields}])


def detail(filters: list[Filter], arriving: Message) -> str:
    return Filters(filters).apply(arriving).detail


def result(filters: list[Filter], arriving: Message) -> Message:
    outcome = Filters(filters).apply(arriving)
    assert outcome.reason is None
    return outcome.message


class TestDropAndOnlySend:
    def test_what_is_dropped(self) -> None:
        staff = [Filter("Staff", "traits.staff = true")]
        assert detail(staff, message(traits={"staff": True})) == "The filter Staff drops it."
        assert result(staff, message(traits={"staff": "yes"}))

    def test_what_alone_is_sent(self) -> None:
        only = [Filter("Shop", "context.app = 'shop'", OnlySend())]
        assert result(only, message(context={"app": "shop"}))
        assert detail(only, message()) == "The filter Shop sends only others."

    def test_several_that_send_only_some_send_what_all_of_them_do(self) -> None:
        both = [Filter("A", "traits.a = true", OnlySend()), Filter("B", "traits.b = true", OnlySend())]
        assert result(both, message(traits={"a": True, "b": True}))
        assert detail(both, message(traits={"a": True})) == "The filter B sends only others."


class TestSample:
    def sampled(self, sample: Sample, messages: list[Message]) -> set[str]:
        filters = Filters([Filter("S", "all", sample)])
        return {each.message_id for each in messages if filters.apply(each).reason is None}

    MESSAGES = [message(message_id=f"m{i}", user_id=f"u{i % 200}") for i in range(2_000)]

    def test_about_as_many_as_are_asked_for(self) -> None:
        for share in (0.1, 0.5, 0.9):
            assert len(self.sampled(Sample(share), self.MESSAGES)) == pytest.approx(share * 2_000, abs=120)

    def test_none_and_all(self) -> None:
        assert self.sampled(Sample(0), self.MESSAGES) == set()
        assert len(self.sampled(Sample(1), self.MESSAGES)) == 2_000

    def test_it_is_the_same_whenever_it_is_asked(self) -> None:
        assert self.sampled(Sample(0.5), self.MESSAGES) == self.sampled(Sample(0.5), self.MESSAGES)

    def test_who_is_in_a_small_sample_is_in_a_larger_one(self) -> None:
        assert self.sampled(Sample(0.1), self.MESSAGES) < self.sampled(Sample(0.4), self.MESSAGES)

    def test_all_messages_of_a_person_stay_together(self) -> None:
        sampled = self.sampled(Sample(0.3, "userId"), self.MESSAGES)
        people = {each.user_id for each in self.MESSAGES if each.message_id in sampled}
        assert 30 < len(people) < 90
        assert sampled == {each.message_id for each in self.MESSAGES if each.user_id in people}

    def test_who_has_no_such_field_is_sampled_by_message(self) -> None:
        nobody = [message(message_id=f"m{i}") for i in range(1_000)]
        assert 200 < len(self.sampled(Sample(0.3, "userId"), nobody)) < 400

    def test_others_are_not_sampled(self) -> None:
        filters = Filters([Filter("S", "type = 'track'", Sample(0))])
        assert filters.apply(message()).reason is None
        assert filters.apply(message(type="track")).detail == "The filter S leaves it out of the sample."

    @pytest.mark.parametrize("value", [None, True, 0, 1.5, 10**400, "", "é", [None], {"b": 1, "a": [10**30]}])
    def test_any_value_can_be_sampled_by(self, value: Any) -> None:
        outcome = Filters([Filter("S", "all", Sample(0.5, "traits.x"))]).apply(message(traits={"x": value}))
        assert outcome.reason in {None, FILTERED_BY_DESTINATION_FILTER}


class TestProperties:
    ORDER = {
        "total": 9,
        "address": {"city": "Bern", "street": "A 1"},
        "products": [{"id": 1, "price": 2}, {"id": 2, "price": 3}, "none"],
    }

    def properties(self, action: DropProperties | AllowProperties, properties: Any = None) -> Any:
        arriving = message(type="track", properties=self.ORDER if properties is None else properties)
        return result([Filter("P", "all", action)], arriving).properties

    @pytest.mark.parametrize(
        ("fields", "gone"),
        [
            ({"properties": ["total", "nothing"]}, {"total"}),
            ({"properties.address": ["city"]}, {"address.city"}),
            ({"properties.products": ["price"]}, {"products.price"}),
            ({"properties": ["products"], "properties.address": ["street"]}, {"products", "address.street"}),
            ({"properties.total": ["x"], "properties.nothing.at.all": ["x"], "traits": ["x"]}, set()),
        ],
    )
    def test_what_is_dropped_is_gone_and_the_rest_is_there(self, fields: Any, gone: set[str]) -> None:
        expected = {
            "total": 9,
            "address": {k: v for k, v in self.ORDER["address"].items() if f"address.{k}" not in gone},  # type: ignore[attr-defined]
            "products": [{"id": 1}, {"id": 2}, "none"]
            if "products.price" in gone
            else self.ORDER["products"],
        }
        expected = {name: value for name, value in expected.items() if name not in gone}
        before = json.dumps(self.ORDER)
        assert self.properties(DropProperties(fields)) == expected
        assert json.dumps(self.ORDER) == before

    def test_what_is_allowed_is_all_there_is(self) -> None:
        fields = {"properties": ["address", "products"], "properties.products": ["id"]}
        assert self.properties(AllowProperties(fields)) == {
            "address": {"city": "Bern", "street": "A 1"},
            "products": [{"id": 1}, {"id": 2}, "none"],
        }

    def test_a_name_with_any_character(self) -> None:
        fields = {"properties.product\\ 1": ["a.b"]}
        arriving = {"product 1": {"a.b": 1, "c": 2}}
        assert self.properties(DropProperties(fields), arriving) == {"product 1": {"c": 2}}

    def test_conditions_see_the_message_as_it_came(self) -> None:
        filters = [
            Filter("Plan", "all", DropProperties({"traits": ["plan"]})),
            Filter("Email of the free", "traits.plan = 'free'", DropProperties({"traits": ["email"]})),
        ]
        assert result(filters, message(traits={"plan": "free", "email": "a@b.c"})).traits == {}

    def test_a_message_that_nothing_is_taken_from_is_the_same(self) -> None:
        arriving = message(traits={"a": 1})
        assert result([Filter("P", "false", DropProperties({"traits": ["a"]}))], arriving) is arriving


def test_filters_act_in_segments_order_whatever_theirs_is() -> None:
    filters = [
        Filter("Allow", "all", AllowProperties({"traits": ["a", "b"]})),
        Filter("Take", "all", DropProperties({"traits": ["b"]})),
        Filter("Sample", "all", Sample(0)),
        Filter("Only", "false", OnlySend()),
        Filter("Drop", "all", Drop()),
    ]
    named = [detail(filters[:end], message()) for end in (5, 4, 3)]
    assert [name.split()[2] for name in named] == ["Drop", "Only", "Sample"]
    assert result(filters[:2], message(traits={"a": 1, "b": 2, "c": 3})).traits == {"a": 1}


def test_a_filter_that_is_off_does_nothing_and_costs_nothing() -> None:
    filters = Filters(parse_filters(text(enabled=False)))
    assert not filters
    assert filters.apply(message()).reason is None


@pytest.mark.parametrize("action", [Drop(), Sample(0), DropProperties({"traits": ["email"]})])
@pytest.mark.parametrize("condition", ["all", "length(traits) > 1"])
def test_nobody_can_filter_a_call_to_be_forgotten(action: Any, condition: str) -> None:
    asked = message(type="delete", traits={"email": "a@b.c"})
    assert result([Filter("One", condition, action)], asked) is asked


@pytest.mark.parametrize("action", [Drop(), OnlySend(), Sample(1), DropProperties({"traits": ["a"]})])
def test_what_an_expression_makes_no_sense_of_is_kept_away_and_told(action: Any) -> None:
    outcome = Filters([Filter("Long", "length(traits.x) > 3", action)]).apply(message(traits={"x": 7}))
    assert outcome.reason == DESTINATION_FILTER_ERROR
    assert (
        outcome.detail
        == "The filter Long cannot be applied: length() takes a list or text; this is a number."
    )


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("[", "The filters are not read: Input data was truncated."),
        ("{}", "The filters are not read: Expected `array`, got `object`."),
        ("\ud800", "The filters are not read: "),
        ('[{"name": "A"}]', "missing required field `if`"),
        ('[{"name": "", "if": "all"}]', "length >= 1"),
        ('[{"name": "A", "conditions": []}]', "unknown field `conditions`|missing required field `if`"),
        (text("event ="), "Filter One: Line 1, column 8: expected a field, text in quotes, "),
        (text("trait.x = 1", enabled=False), "Filter One: Line 1, column 1: trait is no field of a message."),
        (text(action={"type": "REMOVE"}), "Invalid value 'REMOVE'"),
        (text(action={"type": "DROP", "percent": 1}), "unknown field `percent`"),
        (text(action={"type": "SAMPLE"}), "missing required field `percent`"),
        (text(action={"type": "SAMPLE", "percent": 10}), "<= 1"),
        (text(action={"type": "SAMPLE", "percent": 1, "path": "user id"}), "Filter One: user id: this is no field."),
        (text(action={"type": "SAMPLE", "percent": 1, "path": "user"}), "Filter One: user: user is no field of a message"),
        (text(action={"type": "DROP_PROPERTIES", "fields": {}}), "Filter One: Name the properties that are meant."),
        (text(action={"type": "DROP_PROPERTIES", "fields": {"": ["a"]}}), "length >= 1"),
        (text(action={"type": "ALLOW_PROPERTIES", "fields": {"userId": ["a"]}}), "can be taken from traits, properties,"),
        (text(action={"type": "ALLOW_PROPERTIES", "fields": {"traits..a": ["a"]}}), "this is no field."),
        (json.dumps(json.loads(text()) * 2), "Two filters are named One."),
        (json.dumps([{"name": str(i), "if": "all"} for i in range(21)]), "length"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told(wrong: str, sentence: str) -> None:
    with pytest.raises(InvalidFilters, match=sentence.replace("(", "\\(")):
        parse_filters(wrong)


def test_an_error_in_an_expression_has_its_place() -> None:
    with pytest.raises(InvalidFilters) as caught:
        parse_filters(text("event = 'a' or\nevent == 'b'"))
    assert caught.value.expression == "event = 'a' or\nevent == 'b'"
    assert caught.value.syntax
    assert (caught.value.syntax.line, caught.value.syntax.column, caught.value.syntax.length) == (2, 8, 1)


def test_what_is_written_is_read_again() -> None:
    filters = [
        Filter("A", "event = 'x'"),
        Filter("B", "all", Sample(0.25, "userId"), enabled=False),
        Filter("C", "all", AllowProperties({"context.page": ["path"]})),
        Filter("D", "all", OnlySend()),
    ]
    assert parse_filters(dump(filters)) == filters
    assert (parse_filters(""), parse_filters(" \n"), dump([])) == ([], [], "")


class TestRoute:
    def route(self, *filters: Filter, **fields: Any) -> Route:
        return Route(frozenset({"identify"}), ("Mailjet",), {1: "http"}, filters=Filters(filters), **fields)

    def test_it_asks_the_filters_last(self) -> None:
        route = self.route(Filter("Staff", "traits.staff = true"))
        staff = message(traits={"staff": True})
        assert route.decide(staff, 1)[::2] == (FILTERED_BY_DESTINATION_FILTER, "The filter Staff drops it.")
        assert route.decide(message(), 1) == (None, message(), "")
        switched_off = message(traits={"staff": True}, integrations={"All": False})
        assert route.decide(switched_off, 1).reason == FILTERED_BY_INTEGRATIONS_OBJECT

    def test_an_expression_that_fails_has_a_reason_of_its_own(self) -> None:
        decision = self.route(Filter("Odd", "traits.a in traits.b")).decide(message(traits={"b": 1}), 1)
        assert decision.reason == DESTINATION_FILTER_ERROR
        assert 'What stands behind "in" is a list; traits.b is a number.' in decision.detail

    def test_the_message_goes_on_without_what_was_taken(self) -> None:
        route = self.route(Filter("No plan", "all", DropProperties({"traits": ["plan"]})))
        assert route.decide(message(traits={"plan": "pro", "age": 3}), 1).message.traits == {"age": 3}

    def test_the_destinations_that_it_has_passed_stay(self) -> None:
        passed = {"jetbridge": {"passed": ["a"]}}
        for action in (DropProperties({"context": ["jetbridge"]}), AllowProperties({"context": ["page"]})):
            route = self.route(Filter("Context", "all", action))
            assert route.decide(message(context={**passed, "ip": "1"}), 1).message.context is not None
            assert route.decide(message(context={**passed}), 1).message.context == passed
