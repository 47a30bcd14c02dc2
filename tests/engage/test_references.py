import pytest

from jetbridge.engage.definition import (
    Computed,
    CyclicDefinitionError,
    Node,
    References,
    order,
    parse_computed,
    parse_definition,
    references,
)

SPENT = parse_computed({"computed": "sum", "event": "Order Completed", "property": "total"})


def audience(*keys: str, trait: str | None = None) -> Node:
    nodes: list[object] = [{"audience": key} for key in keys]
    if trait is not None:
        nodes.append({"not": {"trait": trait, "op": "exists"}})
    return parse_definition({"all": nodes or [{"event": "A"}]})


def test_an_audience_depends_on_all_that_its_leaves_name() -> None:
    definition = parse_definition(
        {
            "any": [
                {"event": "Refunded", "where": [["plan", "exists"]]},
                {
                    "funnel": {
                        "first": {"event": "Added"},
                        "then": {"event": "Bought"},
                        "within": "1h",
                        "did": False,
                    }
                },
                {"not": {"trait": "plan", "op": "exists"}},
                {"trait": "spent", "op": ">", "value": 5},
                {"audience": "vip"},
            ]
        }
    )
    events, audiences = frozenset({"Refunded", "Added", "Bought"}), frozenset({"vip"})
    assert references(definition) == References(events, frozenset({"plan", "spent"}), audiences)
    assert references(definition, computed=["spent", "other"]) == References(
        events, frozenset({"plan"}), audiences, frozenset({"spent"})
    )


def test_a_computed_trait_depends_on_its_event() -> None:
    assert references(SPENT, computed=["total"]) == References(events=frozenset({"Order Completed"}))


def test_each_definition_comes_after_those_that_it_refers_to() -> None:
    definitions: dict[str, Node | Computed] = {
        "a": audience("b", trait="spent"),
        "b": audience("c", "unknown", trait="plan"),
        "c": audience(trait="d"),
        "d": audience(),
        "spent": SPENT,
    }
    ordered = order(definitions)
    assert sorted(ordered) == sorted(definitions)
    places = {key: ordered.index(key) for key in ordered}
    assert places["c"] < places["b"] < places["a"] > places["spent"]


@pytest.mark.parametrize(
    ("definitions", "keys"),
    [
        ({"a": audience("a")}, {"a"}),
        ({"a": audience("b"), "b": audience("c"), "c": audience("a"), "d": audience("a")}, {"a", "b", "c"}),
    ],
)
def test_a_cycle_is_refused_with_its_way_around(definitions: dict[str, Node], keys: set[str]) -> None:
    with pytest.raises(CyclicDefinitionError) as caught:
        order(definitions)
    assert set(caught.value.keys) == keys
    assert caught.value.keys[0] == caught.value.keys[-1]
    for key, other in zip(caught.value.keys, caught.value.keys[1:], strict=False):
        assert references(definitions[key]).audiences == {other}
        assert f"{key} refers to {other}" in str(caught.value)


def test_a_trait_with_the_key_of_an_audience_is_no_reference() -> None:
    assert order({"a": audience(trait="b"), "b": audience(trait="a")}) == ["a", "b"]
