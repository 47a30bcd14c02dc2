"""Definitions as rows of a form: what is shown comes back as the same definition, and errors name their place."""

from random import Random
from typing import Any

import pytest
from django.template.loader import render_to_string
from hypothesis import given
from hypothesis import strategies as st
from tests.engage.worlds import cases

from jetbridge.console.engage import draft as drafts
from jetbridge.console.engage.draft import Draft, Row
from jetbridge.engage.definition import (
    TRAIT_OPS,
    WHERE_OPS,
    All,
    DefinitionError,
    Node,
    Not,
    definition_json,
    parse_definition,
)
from jetbridge.engage.definition import Any as AnyOf
from jetbridge.engage.wording import OPERATORS

from .engage import Fields

VIEWED = {"event": "Product Viewed", "count": [">=", 3], "within": "7d"}
ORDERED = {"event": "Order Completed", "where": [["total", ">=", 100]], "between": ["30d", "90d"]}
CARTED = {
    "funnel": {
        "first": {"event": "Product Added", "within": "7d"},
        "then": {"event": "Order Completed", "where": [["coupon", "exists"]]},
        "within": "90m",
        "did": False,
    }
}


def shown(draft: Draft) -> dict[str, str]:
    """The fields of the builder."""
    operators = {"where_operators": WHERE_OPS, "trait_operators": TRAIT_OPS}
    context = {
        "typed": {"draft": draft},
        "kinds": drafts.KINDS,
        "units": drafts.UNITS,
        "preview_url": "/",
        "offers": {"audiences": [(row.audience, "") for row in draft.root.all_rows if row.audience]},
        **{name: [(op, OPERATORS[op]) for op in ops] for name, ops in operators.items()},
    }
    html = render_to_string("console/engage/_conditions.html", context)
    return Fields(html.partition('<div id="offers"')[0]).sent


def plain(node: Node) -> Node:
    """Two negations are none, and one condition alone stands by itself."""

    def without_double(node: Node) -> Node:
        match node:
            case Not(Not(inner)):
                return without_double(inner)
            case Not(inner):
                return Not(without_double(inner))
            case All(nodes) | AnyOf(nodes):
                return type(node)(tuple(without_double(child) for child in nodes))
        return node

    node = without_double(node)
    return node.nodes[0] if isinstance(node, All | AnyOf) and len(node.nodes) == 1 else node


@given(st.integers())
def test_json_to_form_to_json(seed: int) -> None:
    node = parse_definition(cases(profiles=0, moments=0)(Random(seed)).definition)
    draft = Draft.typed(shown(Draft.of(node)))
    assert definition_json(parse_definition(draft.json())) == definition_json(plain(node))


SCALARS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n"), max_size=20),
    st.integers(-(2**63) + 1, 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.sampled_from(["5", "true", '"', '"a"', "a,b", " a ", "", "-0", "1e5", '"a", b']),
)


@given(SCALARS)
def test_a_value_comes_back_as_it_was(value: Any) -> None:
    found = drafts.read_scalar(drafts.show_scalar(value))
    assert (found, type(found)) == (value, type(value))
    if isinstance(value, str):
        assert drafts.read_text(drafts.show_text(value)) == value


@given(st.lists(SCALARS, min_size=1, max_size=5))
def test_a_list_comes_back_as_it_was(listed: list[Any]) -> None:
    found = drafts.read_items(drafts.show_items(tuple(listed)))
    assert [(value, type(value)) for value in found] == [(value, type(value)) for value in listed]


def test_typed_values_are_what_they_look_like() -> None:
    assert drafts.read_items('DE, "5", 5, true , "a, b",') == ["DE", "5", 5, True, "a, b"]
    assert drafts.read_items(" ") == []
    assert drafts.read_scalar("05") == "05"


def test_a_form_that_was_never_sent_has_one_empty_event() -> None:
    draft = Draft.typed({})
    assert [(row.id, row.number, row.kind) for row in draft.root.rows] == [("c-0", "1", "event")]
    assert draft.is_new


def test_rows_are_added_and_removed_where_a_button_says() -> None:
    draft = Draft.of(parse_definition({"all": [VIEWED, {"any": [ORDERED]}]}))
    for action in ("add-trait:c-1", "add-where:c-0.first", "add-funnel:c", "remove:c-1-0", "add-audience:c"):
        draft.change(action)
    assert [(row.id, row.kind) for row in draft.root.all_rows] == [
        ("c", "group"),
        ("c-0", "event"),
        ("c-1", "group"),
        ("c-1-0", "trait"),
        ("c-2", "funnel"),
        ("c-3", "audience"),
    ]
    assert [condition.id for condition in draft.root.rows[0].first.where] == ["c-0.first.w0"]
    draft.change("remove-where:c-0.first.0")
    assert draft.root.rows[0].first.where == []


@pytest.mark.parametrize(
    "action",
    [
        "",
        "remove:c",
        "remove:c-9",
        "add-event:c-0",
        "add-nothing:c",
        "remove-where:c-0.first.7",
        "add-where:c-0.x",
    ],
)
def test_a_button_that_names_nothing_changes_nothing(action: str) -> None:
    draft = Draft.of(parse_definition(VIEWED))
    before = draft.json()
    draft.change(action)
    assert draft.json() == before


@pytest.mark.parametrize(
    ("definition", "number", "words"),
    [
        ({"event": ""}, "1", "The event is still empty."),
        ({"all": [VIEWED, {"not": {"event": "A", "where": [["p", ">", "x"]]}}]}, "2", "The value of the property condition 1: 'x' is no number"),
        ({"any": [VIEWED, {"all": [ORDERED, {"trait": "t", "op": "before", "value": "soon"}]}]}, "2.2", "The value: 'soon' is no date"),
        ({"event": "A", "within": "xd"}, "1", "The window: 'xd' is no duration"),
        ({"all": [VIEWED, {"event": "A", "count": [">=", 0]}]}, "2", "The count: 0 is no count"),
        ({"all": [VIEWED, {"funnel": {**CARTED["funnel"], "then": {"event": ""}}}]}, "2", "The second event is still empty."),
        ({"all": [VIEWED, {"funnel": {**CARTED["funnel"], "within": "9d"}}]}, "2", "The time in between: "),
        ({"audience": ""}, "1", "The audience is still empty."),
        ({"all": []}, "", "The list has 0 items"),
    ],
)  # fmt: skip
def test_an_error_names_its_condition_and_the_part_of_the_sentence(
    definition: Any, number: str, words: str
) -> None:
    draft = Draft.typed(shown(Draft(typed_row(definition))))
    with pytest.raises(DefinitionError) as error:
        parse_definition(draft.json())
    row, found = drafts.error_words(draft, error.value)
    assert row.number == number
    assert found.startswith(words)


def typed_row(definition: Any) -> Row:
    """A row of JSON that may be wrong."""
    match definition:
        case {"not": inner}:
            row = typed_row(inner)
            row.negated = True
            return row
        case {"all": rows} | {"any": rows}:
            return Row("group", match=next(iter(definition)), rows=[typed_row(row) for row in rows])
        case {"funnel": funnel}:
            row = Row("funnel", first=step(funnel["first"]), then=step(funnel["then"]), did=funnel["did"])
            row.gap = drafts.Duration(funnel["within"][:-1], funnel["within"][-1])
            return row
        case {"trait": path, "op": op, "value": value}:
            return Row("trait", condition=drafts.Condition(path, op, value))
        case {"audience": key}:
            return Row("audience", audience=key)
    row = Row("event", first=step(definition), window="ever")
    if "within" in definition:
        row.window, row.within = (
            "within",
            drafts.Duration(definition["within"][:-1], definition["within"][-1]),
        )
    if "count" in definition:
        row.comparator, row.count = definition["count"][0], str(definition["count"][1])
    return row


def step(definition: Any) -> drafts.Step:
    where = [drafts.Condition(path, op, *value) for path, op, *value in definition.get("where", [])]
    return drafts.Step(definition["event"], where)
