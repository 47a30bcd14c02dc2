import json
from typing import Any

import pytest
from tests import makers as mk
from tests.fuzz import PURE, fuzz
from tests.spec import made_up

from jetbridge.spec.lenient_json import Elements


def parts(body: bytes) -> list[bytes]:
    return [part for part in Elements(body) if part is not None]


@fuzz(
    PURE, values=mk.lists(made_up.value, most=3), value=made_up.an_object, indent=mk.sampled_from([None, 1])
)
def test_the_parts_are_the_bytes_that_came(
    values: list[Any], value: dict[str, Any], indent: int | None
) -> None:
    elements = Elements(json.dumps(values, indent=indent).encode() + b" rest ")
    found = [json.loads(part) for part in elements if part is not None]
    assert (found, elements.rest, elements.is_cut_off) == (values, b"rest", False)
    members = b",".join(parts(json.dumps(value).encode()))
    assert json.loads(b"{" + members + b"}") == value


@fuzz(PURE, rest=mk.text('{}[]",:\\ 1a', most=60))
def test_whatever_comes_is_cut_and_nothing_is_lost(rest: str) -> None:
    body = b"[" + rest.encode()
    elements = Elements(body)
    found = [part for part in elements if part is not None]
    kept = b"".join(found) + (b"" if elements.is_cut_off else elements.rest)
    lost = body[1:]
    for part in found:
        lost = lost[lost.index(part) + len(part) :]
    assert len(kept.translate(None, b" ,]")) == len(body[1:].translate(None, b" ,]")), (found, lost)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'[{"a":[1,2},{"b":1}]', [b'{"a":[1,2}', b'{"b":1}']),
        (b'[{"a":1,{"b":2}]', [b'{"a":1', b'{"b":2}']),
        (b'[{"t":{"a":1},{"b":2},{"c":3}]', [b'{"t":{"a":1}', b'{"b":2}', b'{"c":3}']),
        (b'[{"a":1}},{"b":1}]', [b'{"a":1}}', b'{"b":1}']),
        (b'[{"p":[{"a":1,{"b":1}]},3]', [b'{"p":[{"a":1,{"b":1}]}', b"3"]),
        (b'[{"a":NaN},{"a":"\xff"},]', [b'{"a":NaN}', b'{"a":"\xff"}']),
        (b"[,1,,2]", [b"1", b"2"]),
        (b"[1," + b"[" * 5_000 + b"]" * 5_000 + b",2]", [b"1", b"[" * 5_000 + b"]" * 5_000, b"2"]),
        (b"[" + b"{}" * 50_000 + b",2]", [b"{}" * 50_000, b"2"]),
    ],
)
def test_a_bracket_that_is_missing_or_too_many_costs_its_neighbours_nothing(
    body: bytes, found: list[bytes]
) -> None:
    elements = Elements(body)
    assert [part for part in elements if part is not None] == found
    assert not elements.is_cut_off


@pytest.mark.parametrize("body", [b"[", b'["', b'["\\', b'[{"a":1},', b'[{"a":"x},{"b":1}]', b"[" * 100_000])
def test_an_end_that_is_missing_is_told(body: bytes) -> None:
    elements = Elements(body)
    list(elements)
    assert elements.is_cut_off


@pytest.mark.parametrize(
    "body",
    [
        b'["' + b"x" * 2_000_000 + b'"]',
        b'["' + b"\\\\" * 1_000_000 + b'"]',
        b'["' + b'\\"' * 1_000_000 + b'"]',
        b"[" + b'"a" ' * 500_000 + b"]",
        b"[" + b"[]" * 100_000 + b"]",
        b"[" + b"," * 200_000 + b"]",
        b"[" + b'{"a":[1,{"b":"c"}]},' * 50_000 + b"1]",
    ],
    ids=lambda body: ascii(body[:12]),
)
def test_there_are_moments_to_do_something_else(body: bytes) -> None:
    assert sum(part is None for part in Elements(body)) >= 10
