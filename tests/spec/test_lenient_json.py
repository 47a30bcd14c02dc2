import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import makers as mk
from tests.fuzz import PURE, fuzz
from tests.spec import made_up
from tests.spec.made_up import NO_VALUES

from jetbridge.errors import MessageRejected
from jetbridge.spec.lenient_json import MOST_NAMED, PATH_CHARACTERS, read_lenient

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("value", NO_VALUES, ids=lambda value: ascii(value[:12]))
def test_a_value_that_json_does_not_know_costs_itself_only(value: bytes) -> None:
    raw = b'{"a": 1, "b": {"c": [{"d": "x", "e":' + value + b'}]}, "f": 1.50}'
    assert read_lenient(raw, "The call") == ({"a": 1, "b": {"c": [{"d": "x"}]}, "f": 1.5}, ["b.c.0.e"])


def test_in_a_list_its_place_stays() -> None:
    assert read_lenient(b'{"a": [1, NaN, 3, 1e999]}', "The call") == (
        {"a": [1, None, 3, None]},
        ["a.1", "a.3"],
    )


def test_a_key_that_cannot_be_read_costs_its_entry() -> None:
    assert read_lenient(b'{"a": {"Gr\xf6\xdfe": 1, "b": 2}}', "The call") == (
        {"a": {"b": 2}},
        ["a.Gr\ufffd\ufffde"],
    )


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b'{"a": "x\ny\tz\x00\x1f"}', {"a": "x\ny\tz\x00\x1f"}),
        (b'{"a\n": 1}', {"a\n": 1}),
        (b'{"a": [1, 2, ], "b": 3 , }', {"a": [1, 2], "b": 3}),
        (rb'{"half": "a\ud83d", "whole": "\ud83d\ude00", "plain": "\\ud83d"}',
         {"half": "a\ufffd", "whole": "\N{GRINNING FACE}", "plain": "\\ud83d"}),
        (rb'{"\ud83d": 1}', {"\ufffd": 1}),
    ],
)  # fmt: skip
def test_what_can_be_read_is_kept(raw: bytes, value: Any) -> None:
    assert read_lenient(raw, "The call") == (value, [])


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (b'{"traits": {"plan" "pro"}}', "expected ':' near"),
        (b'{"a": 1', "Input data was truncated"),
        (b'{"a": "x}', "Input data was truncated"),
        (b"{a: 1}", "object keys must be strings near"),
        (b"NaN", "it is 'NaN'"),
        (b"", "Input data was truncated"),
        (b"[" * 100_000, "it is nested too deep"),
        (b"\x00" * 1000, "it is '"),
    ],
    ids=lambda given: ascii(given[:20]),
)
def test_what_no_reading_can_save_is_refused_and_never_by_a_byte(raw: bytes, fault: str) -> None:
    with pytest.raises(MessageRejected) as error:
        read_lenient(raw, "The call")
    assert error.value.code == "bad_json"
    assert str(error.value).startswith("The call is not JSON that can be read: ")
    assert fault in str(error.value)
    assert "byte" not in str(error.value)


def test_of_very_many_values_the_others_are_named_by_the_field_that_they_are_in() -> None:
    traits = b",".join(b'"t%d": NaN' % number for number in range(3 * MOST_NAMED))
    value, lost = read_lenient(b'{"context": {"x": inf}, "traits": {"y": 1, %s}}' % traits, "The call")
    assert value == {"context": {}, "traits": {"y": 1}}
    assert "traits" in lost
    assert len(lost) <= MOST_NAMED + 2


def test_a_path_that_is_too_long_ends_with_what_the_value_is_in() -> None:
    key = "k" * PATH_CHARACTERS
    assert read_lenient(json.dumps({"traits": {key: {"x": float("nan")}}}).encode(), "The call")[1] == [
        "traits"
    ]


@given(JSON)
def test_json_is_read_as_it_is(value: Any) -> None:
    for ascii_only in (True, False):
        assert read_lenient(json.dumps(value, ensure_ascii=ascii_only).encode(), "The call") == (value, [])


def spoiled(random: Random) -> tuple[bytes, Any, list[str]]:
    """A body, what can be read of it, and the paths of what cannot."""
    traits = {"traits": made_up.an_object(random), "list": [made_up.value(random), made_up.value(random)]}
    lost: list[str] = []
    raw, left = made_up.with_holes(random, traits, "", lost)
    return raw, left, sorted(path[1:] for path in lost)


@fuzz(PURE, body=spoiled)
def test_whatever_is_lost_is_named_and_the_rest_is_there(body: tuple[bytes, Any, list[str]]) -> None:
    raw, left, lost = body
    assert read_lenient(raw, "The call") == (left, lost)


@fuzz(
    PURE,
    raw=mk.one_of(
        mk.binary(60),
        mk.builds(
            lambda chars: chars.encode("utf-8", "surrogatepass"),
            mk.text('{}[]",:\\ aN1-.e\n\ud83d', most=40),
        ),
    ),
    examples=[{"raw": b'"\\'}, {"raw": b'"\\"'}],
)
def test_whatever_comes_is_read_or_refused(raw: bytes) -> None:
    try:
        value, lost = read_lenient(raw, "The call")
    except MessageRejected as error:
        assert error.code == "bad_json"  # noqa: PT017
    else:
        assert "\x00" not in json.dumps(lost)
        assert len(lost) <= len(raw)
        json.dumps(value)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":' + b"NaN," * 30_000 + b"1}",
        b"[" + b"NaN," * 30_000 + b"1]",
        b'"' + b'\\"' * 60_000,
        b"a" * 120_000 + b":",
        b'{"a"' + b" " * 120_000 + b"x}",
        b"{" + b"," * 120_000,
        b'{"k":[' * 20_000 + b"NaN",
        b'{"' + b"k" * 60_000 + b'":[' + b"{}," * 20_000 + b"NaN]}",
    ],
    ids=lambda raw: ascii(raw[:12]),
)
@pytest.mark.timeout(20)
def test_no_body_of_the_size_of_a_call_takes_long(raw: bytes) -> None:
    """Seconds where it should be milliseconds: a quadratic reading would take minutes."""
    try:
        read_lenient(raw, "The call")
    except MessageRejected as error:
        assert error.code == "bad_json"  # noqa: PT017
