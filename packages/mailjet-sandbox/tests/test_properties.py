from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailjet_sandbox.clock import format_moment, parse_rfc3339
from mailjet_sandbox.model import Property
from mailjet_sandbox.properties import NOT_DEFINED, WRONG_TYPE, assign, check

DEFINITIONS = {name: Property(1, name, name) for name in ("str", "int", "float", "bool", "datetime")}


@pytest.mark.parametrize(
    ("datatype", "given", "stored"),
    [
        ("str", "", ""),
        ("str", "é😀", "é😀"),
        ("int", 0, 0),
        ("int", -(2**63), -(2**63)),
        ("float", 3, 3.0),
        ("float", 0.1, 0.1),
        ("bool", False, False),
        ("datetime", 1514764800, "2018-01-01T00:00:00Z"),
        ("datetime", "2018-01-01T00:00:00", "2018-01-01T00:00:00Z"),
        ("datetime", "2018-01-01T01:00:00.250+01:00", "2018-01-01T00:00:00Z"),
        ("datetime", "2018-01-01T00:00:00Z", "2018-01-01T00:00:00Z"),
    ],
)
def test_value_is_stored_in_its_type(datatype: str, given: Any, stored: Any) -> None:
    values, problems = check(DEFINITIONS, {datatype: given})

    assert problems == []
    assert values == {datatype: stored}
    assert type(values[datatype]) is type(stored)


@pytest.mark.parametrize(
    ("datatype", "given"),
    [
        ("str", 1),
        ("str", True),
        ("str", ["a"]),
        ("str", {"a": 1}),
        ("int", "30"),
        ("int", 3.0),
        ("int", True),
        ("int", 2**63),
        ("float", "0.1"),
        ("float", False),
        ("bool", "true"),
        ("bool", 1),
        ("datetime", "2018-01-01"),
        ("datetime", "tomorrow"),
        ("datetime", "2018-13-01T00:00:00Z"),
        ("datetime", 1514764800000),
        ("datetime", 1.5),
        ("datetime", True),
    ],
)
def test_value_of_another_type_is_refused(datatype: str, given: Any) -> None:
    assert check(DEFINITIONS, {datatype: given}) == ({}, [{datatype: WRONG_TYPE}])


def test_problem_names_the_property_as_given() -> None:
    assert check(DEFINITIONS, {"Nope": 1, "INT": "x"}) == ({}, [{"Nope": NOT_DEFINED}, {"INT": WRONG_TYPE}])


def test_assign_tells_whether_anything_changed() -> None:
    data = {}

    assert assign(data, {"a": 1, "b": None}) is True
    assert assign(data, {"a": 1}) is False
    assert assign(data, {"a": True}) is True
    assert assign(data, {"a": None}) is True
    assert data == {}


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)))  # noqa: DTZ001 - bounds are naive
def test_moment_survives_writing_and_reading(moment: datetime) -> None:
    seconds = parse_rfc3339(moment.isoformat())

    assert parse_rfc3339(format_moment(seconds)) == seconds
    assert format_moment(seconds) == moment.replace(microsecond=0).isoformat().replace("+00:00", "Z")


@given(st.text())
def test_no_text_breaks_the_datetime_reader(text: str) -> None:
    values, problems = check(DEFINITIONS, {"datetime": text})

    assert len(values) + len(problems) == 1
