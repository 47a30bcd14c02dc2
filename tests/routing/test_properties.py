"""Taking properties away from messages: a small reference says what stays, for any message and any fields."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.routing.test_filters import message

from jetbridge.routing import properties
from jetbridge.routing.fql.nodes import read_path, split_path, write_path

#: Few, so that fields and messages meet; some of them have to be escaped in a path.
NAMES = st.sampled_from(["a", "b", "product 1", "x.y", "back\\slash", "ü", ""])
ROOTS = st.sampled_from(properties.ROOTS)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=4)
PARTS_OF_MESSAGES = st.fixed_dictionaries(
    {"properties": OBJECTS, "context": OBJECTS}, optional={"traits": OBJECTS | st.none()}
)
#: An empty name cannot be written in a path.
PATHS = st.lists(NAMES.filter(bool), max_size=2)
FIELDS = st.dictionaries(
    st.builds(lambda root, rest: (root, *rest), ROOTS, PATHS),
    st.lists(NAMES.filter(bool), min_size=1, max_size=3, unique=True),
    max_size=3,
)


Fields = dict[tuple[str, ...], list[str]]


def places(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """The paths of all objects, with each name in them."""
    for member in value if isinstance(value, list) else []:
        yield from places(member, path)
    for name, inner in value.items() if isinstance(value, dict) else []:
        if name and path:
            yield path, name
        if name:
            yield from places(inner, (*path, name))


@st.composite
def messages_and_fields(draw: st.DrawFn) -> tuple[dict[str, Any], Fields]:
    """Fields of which most are there."""
    parts = draw(PARTS_OF_MESSAGES)
    fields = draw(FIELDS)
    there = sorted(set(places(parts)))
    for path, name in draw(st.lists(st.sampled_from(there), max_size=4, unique=True)) if there else []:
        fields[path] = list(dict.fromkeys([*fields.get(path, []), name]))
    return parts, fields


def objects_at(value: Any, parts: tuple[str, ...]) -> list[dict[str, Any]]:
    """The reference: what stands at a path; each member of a list on the way."""
    if isinstance(value, list):
        return [found for member in value for found in objects_at(member, parts)]
    if not isinstance(value, dict):
        return []
    if not parts:
        return [value]
    return objects_at(value[parts[0]], parts[1:]) if parts[0] in value else []


def without(parts: dict[str, Any], fields: Fields, *, allowed: bool) -> dict[str, Any]:
    changed = deepcopy(parts)
    for path, names in fields.items():
        for found in objects_at(changed, path):
            for name in [name for name in found if (name in names) != allowed]:
                del found[name]
    return changed


def written(fields: Fields) -> dict[str, list[str]]:
    return {write_path(path): names for path, names in fields.items()}


@given(both=messages_and_fields(), allowed=st.booleans())
def test_what_is_named_goes_or_stays_and_nothing_else(
    *, both: tuple[dict[str, Any], Fields], allowed: bool
) -> None:
    parts, fields = both
    arriving = message(**deepcopy(parts))
    left = (properties.allow if allowed else properties.drop)(arriving, written(fields))
    expected = without(parts, fields, allowed=allowed)
    assert {name: getattr(left, name) for name in parts} == expected
    assert {name: getattr(arriving, name) for name in parts} == parts  # other destinations get it as it came
    assert (left.message_id, left.type) == (arriving.message_id, arriving.type)
    if expected == parts:
        assert properties.taken(arriving, left) == []
    else:
        assert properties.taken(arriving, left)


@given(FIELDS)
def test_fields_are_read_from_what_they_write(fields: Fields) -> None:
    assert properties.read(properties.write(written(fields))) == written(fields)
    assert bool(properties.problem(written(fields))) == (not fields)


@given(st.lists(NAMES.filter(bool), min_size=1), ROOTS)
def test_a_path_is_read_as_it_was_joined(names: list[str], root: str) -> None:
    parts = (root, *names)
    assert split_path(write_path(parts)) == read_path(write_path(parts)) == parts


def test_the_paths_of_what_was_taken_are_named_once() -> None:
    before = message(
        traits={"plan": "pro", "a b": 1},
        properties={"products": [{"id": 1, "price": 2}, {"id": 3, "price": 4}]},
    )
    after = properties.drop(before, {"traits": ["a b", "other"], "properties.products": ["price"]})
    assert after.properties == {"products": [{"id": 1}, {"id": 3}]}
    assert properties.taken(before, after) == [r"traits.a\ b", "properties.products.price"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "Name the properties that are meant."),
        ({"traits": []}, "Name the properties that are meant."),
        ({"": ["a"]}, ": a field is needed"),
        ({"traits.a b": ["a"]}, "traits.a b: this is no field."),
        ({"nothing": ["a"]}, "nothing: nothing is no field of a message."),
        ({"event": ["a"]}, "event: properties can be taken from traits, properties, context."),
        ({"integrations.All": ["a"]}, "integrations.All: properties can be taken from"),
        ({"x" * 90: ["a"]}, f"{'x' * 40}: "),
    ],
)
def test_what_is_wrong_with_fields_is_said(fields: dict[str, list[str]], expected: str) -> None:
    assert properties.problem(fields).startswith(expected)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("traits", "traits: name a property in it, such as traits.email."),
        ("", ": a field is needed"),
        ("traits.a b", "traits.a b: this is no field."),
    ],
)
def test_a_line_that_names_no_property_is_refused(line: str, expected: str) -> None:
    with pytest.raises(ValueError) as caught:
        properties.read(["traits.plan", line])
    assert str(caught.value).startswith(expected)
