"""The names in a message, compared with what Python's own JSON reader finds there."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from jetbridge.source_schema.names import NAME_LENGTH, Kind, event_of, kind_names, names_of

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
PARTS = st.none() | st.dictionaries(st.text(max_size=4) | st.just("x" * 300), VALUES, max_size=5)


def kind_of(value: Any) -> Kind:
    """The reference."""
    if value is None:
        return Kind.NULL
    if isinstance(value, bool):
        return Kind.BOOLEAN
    kinds = {str: Kind.TEXT, int: Kind.NUMBER, float: Kind.NUMBER, dict: Kind.OBJECT, list: Kind.LIST}
    return kinds[type(value)]


def expected_of(*parts: dict[str, Any] | None) -> list[tuple[str, int]]:
    return [(name[:NAME_LENGTH], kind_of(value)) for part in parts for name, value in (part or {}).items()]


@given(PARTS, PARTS, PARTS, st.sampled_from(["identify", "track", "page"]), st.sampled_from([None, 1]))
def test_names_and_kinds_are_those_of_the_json(
    traits: dict[str, Any] | None,
    properties: dict[str, Any] | None,
    context: dict[str, Any] | None,
    call_type: str,
    indent: int | None,
) -> None:
    call = {"context": {"traits": context, "ip": "1"}, "traits": traits, "properties": properties}
    found = list(names_of(json.dumps(call, indent=indent).encode(), call_type))
    if call_type == "identify" and not traits:
        assert found == expected_of(context, properties)
    else:
        assert found == expected_of(traits, properties)


@given(st.none() | st.text() | st.just("x" * 300))
def test_the_event_is_that_of_the_json(event: str | None) -> None:
    assert event_of(json.dumps({"event": event, "type": "track"}).encode()) == (event or "")[:NAME_LENGTH]
    assert event_of(b'{"type": "track"}') == ""


@given(st.sets(st.sampled_from(list(Kind))))
def test_kinds_are_named_as_they_were_added(kinds: set[Kind]) -> None:
    assert kind_names(sum(kinds)) == [(kind.name or "").lower() for kind in Kind if kind in kinds]
