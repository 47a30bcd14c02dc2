"""Settings as data: whatever comes in has the declared type afterwards, or is refused with a sentence."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jetbridge.integrations.setting import (
    MASK,
    Boolean,
    Choice,
    Integer,
    InvalidSetting,
    Object,
    Secret,
    Setting,
    Text,
    is_empty,
)

COMMON: dict[str, Any] = {"name": "it", "label": "It", "help": "What it is."}
SETTINGS: dict[str, Setting] = {
    "text": Text(**COMMON),
    "lines": Text(**COMMON, multiline=True),
    "secret": Secret(**COMMON),
    "integer": Integer(**COMMON, minimum=-5, maximum=2**40),
    "boolean": Boolean(**COMMON),
    "choice": Choice(**COMMON, choices={"red": "Red", "blue": "Blue"}),
    "object": Object(**COMMON),
    "secret object": Object(**COMMON, secret=True),
}
TYPES = {"text": str, "secret": str, "integer": int, "boolean": bool, "choice": str, "object": dict}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
#: What people write into a form, and what programs send.
values = (
    json_values
    | json_values.map(json.dumps)
    | st.sampled_from(["yes", " red ", "٣", "1_000", "-3", "{", MASK, "[" * 9])
)


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
@given(value=values)
def test_a_value_has_its_type_or_is_refused_with_a_sentence(setting: Setting, value: Any) -> None:
    problem, parsed = "", None
    try:
        parsed = setting.parse(value)
    except InvalidSetting as error:
        problem = str(error)
    if problem:
        assert setting.problem(value) == problem
        assert problem.endswith(".")
        assert len(problem) < 200
    if is_empty(parsed):
        return
    assert type(parsed) is TYPES[setting.type]
    assert setting.parse(parsed) == parsed
    assert setting.parse(setting.text(parsed)) == parsed
    assert setting.restored(setting.shown(parsed), parsed) == parsed
    assert json.loads(json.dumps(parsed)) == parsed


@pytest.mark.parametrize(
    ("kind", "value", "parsed"),
    [
        ("text", 10234, "10234"),
        ("text", " a b\u00a0", "a b"),
        ("lines", " a \n b \n", "a \n b"),
        ("integer", "42", 42),
        ("integer", " -5 ", -5),
        ("boolean", "No", False),
        ("boolean", True, True),
        ("choice", " blue", "blue"),
        ("object", '{"a": {"b": [1]}}', {"a": {"b": [1]}}),
        *((kind, empty, None) for kind in SETTINGS for empty in (None, "")),
    ],
)
def test_what_is_meant(kind: str, value: Any, parsed: Any) -> None:
    assert SETTINGS[kind].parse(value) == parsed


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("text", 1.5),
        ("text", True),
        ("integer", "1e3"),
        ("integer", 1.0),
        ("integer", True),
        ("integer", "9" * 5_000),
        ("integer", -6),
        ("boolean", 1),
        ("boolean", "maybe"),
        ("choice", "green"),
        ("object", "[]"),
        ("object", "{" * 100_000),
        ("object", '{"a":' * 50_000 + "1" + "}" * 50_000),
        ("object", {"a": "x" * 100_000}),
        ("secret", {"a": 1}),
    ],
)
def test_what_is_refused(kind: str, value: Any) -> None:
    with pytest.raises(InvalidSetting):
        SETTINGS[kind].parse(value)


def test_of_a_secret_object_each_value_is_masked_and_kept_by_itself() -> None:
    setting, stored = SETTINGS["secret object"], {"a": "1", "b": {"c": 2}}
    assert setting.shown(stored) == {"a": MASK, "b": MASK}
    changed = {"a": MASK, "b": "new", "d": MASK}
    assert setting.restored(changed, stored) == {"a": "1", "b": "new", "d": MASK}
    assert setting.restored(json.dumps({"b": MASK}), stored) == {"b": {"c": 2}}


def test_a_secret_may_show_what_is_no_secret_in_it() -> None:
    setting = Secret(**COMMON, mask=lambda url: url.replace("pass", "•••"))
    assert setting.shown("postgresql://me:pass@db/x") == "postgresql://me:•••@db/x"
    assert (
        setting.restored("postgresql://me:•••@db/x", "postgresql://me:pass@db/x")
        == "postgresql://me:pass@db/x"
    )
    assert (
        setting.restored("postgresql://me:•••@db2/x", "postgresql://me:pass@db/x")
        == "postgresql://me:•••@db2/x"
    )
