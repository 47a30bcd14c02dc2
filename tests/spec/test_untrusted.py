"""JSON that somebody else wrote: what is read of it can be walked and written again, and nothing else is raised."""

import json
import re
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from tests import makers as mk
from tests.fuzz import PURE, fuzz
from tests.spec import made_up

import jetbridge
from jetbridge.spec.untrusted import JSON_ERRORS, NESTING, depth, read_untrusted


class Named(msgspec.Struct):
    name: str


def nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


@pytest.mark.parametrize("levels", [NESTING + 1, *range(900, 1_001, 20), 100_000])
def test_what_is_nested_deeper_than_can_be_walked_is_refused_wherever_it_is(levels: int) -> None:
    """Also in a field that nobody reads: a decoder goes through it, too."""
    with pytest.raises(JSON_ERRORS):
        read_untrusted(nested(levels))
    with pytest.raises(JSON_ERRORS):
        read_untrusted(b'{"other": ' + nested(levels) + b', "name": "x"}', Named)


def test_what_is_nested_a_little_is_read() -> None:
    assert depth(read_untrusted(nested(NESTING))) == NESTING
    assert read_untrusted(b'{"other": ' + nested(NESTING - 1) + b', "name": "x"}', Named) == Named("x")
    assert len(read_untrusted(json.dumps([{}] * 1_000).encode())) == 1_000


def bodies(random: Random) -> bytes:
    body = json.dumps(made_up.an_object(random)).encode()
    return made_up.damaged(random, body) if random.random() < 0.7 else body


@fuzz(PURE, body=mk.one_of(bodies, mk.binary(60)), shape=mk.sampled_from([Any, dict[str, Any], Named]))
def test_whatever_comes_is_read_or_raises_what_is_named(body: bytes, shape: Any) -> None:
    try:
        value = read_untrusted(body, shape)
    except JSON_ERRORS:
        return
    msgspec.json.encode(value)


def test_nobody_forgets_that_nesting_raises_another_error_than_syntax() -> None:
    """Was: an answer of a thousand brackets raised RecursionError, which no caller expects, in seven places."""
    source = Path(jetbridge.__file__).parent
    forgetful = [
        f"{path.relative_to(source)}: {handler}"
        for path in source.rglob("*.py")
        for handler in re.findall(r"except\b[^:]*\bmsgspec\.[^:]*Error[^:]*:", path.read_text())
        if "RecursionError" not in handler and "ValidationError" not in handler
    ]
    assert forgetful == [], "catch JSON_ERRORS"
