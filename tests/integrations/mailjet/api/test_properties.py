from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import makers as mk
from tests.fuzz import PURE, fuzz

from jetbridge.integrations.mailjet.api.properties import DATATYPES, ValueRejected, clears, datatype_of, fit

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)


@pytest.mark.parametrize(
    ("value", "datatype"),
    [
        (True, "bool"),
        (0, "int"),
        (2**63, "str"),
        (1.5, "float"),
        ("", "str"),
        ("42", "str"),
        ("2024-01-31", "datetime"),
        ("2024-01-31T10:00:00.123Z", "datetime"),
        ("2024-13-31", "str"),
        ("2024", "str"),
    ],
)
def test_a_property_gets_the_type_of_its_first_value(value: Any, datatype: str) -> None:
    assert datatype_of(value) == datatype


@pytest.mark.parametrize(
    ("value", "datatype", "fitted"),
    [
        (True, "str", "true"),
        (42, "str", "42"),
        (1.5, "str", "1.5"),
        ("42", "int", 42),
        (" -7 ", "int", -7),
        (42.0, "int", 42),
        (42, "float", 42.0),
        ("1.5", "float", 1.5),
        ("-1e3", "float", -1000.0),
        (2**53, "float", 2.0**53),
        ("True", "bool", True),
        ("false", "bool", False),
        ("2024-01-31", "datetime", "2024-01-31T00:00:00Z"),
        ("2024-01-31T10:00:00+02:00", "datetime", "2024-01-31T08:00:00Z"),
        ("2024-01-31T10:00:00.999Z", "datetime", "2024-01-31T10:00:00Z"),
        (1514764800, "datetime", "2018-01-01T00:00:00Z"),
        (1514764800123, "datetime", "2018-01-01T00:00:00Z"),
        (1514764800123456, "datetime", "2018-01-01T00:00:00Z"),
        (1514764800123456789, "datetime", "2018-01-01T00:00:00Z"),
        (1514764800.75, "datetime", "2018-01-01T00:00:00Z"),
        (1.514764800123e12, "datetime", "2018-01-01T00:00:00Z"),
        ("1514764800", "datetime", "2018-01-01T00:00:00Z"),
        (" 1514764800123 ", "datetime", "2018-01-01T00:00:00Z"),
        ("20180101", "datetime", "2018-01-01T00:00:00Z"),
        ("2018-W01-1", "datetime", "2018-01-01T00:00:00Z"),
        ("20180101T100000+0200", "datetime", "2018-01-01T08:00:00Z"),
        (0, "datetime", "1970-01-01T00:00:00Z"),
        (-1, "datetime", "1969-12-31T23:59:59Z"),
        (-1577923200, "datetime", "1920-01-01T00:00:00Z"),
        (-1577923200000, "datetime", "1920-01-01T00:00:00Z"),
        ("-1577923200", "datetime", "1920-01-01T00:00:00Z"),
        (45792000000, "datetime", "1971-06-15T00:00:00Z"),
        (7258118400, "datetime", "2200-01-01T00:00:00Z"),
        (7258118400000, "datetime", "2200-01-01T00:00:00Z"),
        (False, "bool", False),
        (0, "int", 0),
        ("", "str", ""),
        (" ", "str", " "),
        (None, "int", None),
        (1, "bool", True),
        (0, "bool", False),
        (0.0, "bool", False),
        ("1", "bool", True),
        ("0", "bool", False),
        ("no", "bool", False),
        ("Oui", "bool", True),
        ("", "int", None),
        ("", "float", None),
        ("", "bool", None),
        (" ", "bool", None),
        ("", "datetime", None),
    ],
)
def test_values_are_coerced_where_that_is_exact(value: Any, datatype: str, fitted: Any) -> None:
    result = fit(value, datatype)
    assert (result, type(result)) == (fitted, type(fitted))


@pytest.mark.parametrize(
    ("value", "datatype"),
    [
        ("old", "int"),
        (1.5, "int"),
        (True, "int"),
        (2**63, "int"),
        ("nan", "float"),
        (10**400, "float"),
        (True, "float"),
        ("1,5", "float"),
        (2, "bool"),
        ("x", "bool"),
        ("2024-01-31", "bool"),
        ("soon", "datetime"),
        ("171201151", "datetime"),
        ("0612345678", "datetime"),
        ("1_514_764_800", "datetime"),
        ("2018-02-30", "datetime"),
        (float("nan"), "datetime"),
        (float("inf"), "datetime"),
        (10**18 * 9000, "datetime"),
        ([2018], "datetime"),
        (True, "datetime"),
        (10**30, "datetime"),
    ],
)
def test_values_that_do_not_fit_are_refused(value: Any, datatype: str) -> None:
    with pytest.raises(ValueRejected):
        fit(value, datatype)


@pytest.mark.parametrize("text", ["007", "+7", "+33612345678", "1_000", "٤٢", "0x1f", "1e3", "4.0"])
def test_a_text_that_a_whole_number_would_not_give_back_is_no_int(text: str) -> None:
    with pytest.raises(ValueRejected):
        fit(text, "int")


@pytest.mark.parametrize("value", [2**53 + 1, str(2**53 + 1), "1_000", "01.5", ".5", "٤.٢", "1e999"])
def test_a_number_that_a_fraction_cannot_hold_is_no_float(value: Any) -> None:
    with pytest.raises(ValueRejected):
        fit(value, "float")


def test_the_refusal_names_kind_and_type_but_not_the_value() -> None:
    with pytest.raises(ValueRejected, match=r"^text where Mailjet has int$"):
        fit("top secret", "int")


@given(SCALARS)
def test_a_value_always_fits_the_type_made_for_it(value: Any) -> None:
    fit(value, datatype_of(value))


@fuzz(
    PURE,
    seconds=mk.integers(-2_208_988_800, 7_258_031_999),  # of 1900 to 2199
    per_second=mk.sampled_from([1, 1_000, 1_000_000, 1_000_000_000]),
)
def test_a_date_is_understood_in_whatever_unit_it_comes(seconds: int, per_second: int) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    if per_second == 1 or abs(seconds) >= 10**7:  # in the first months of 1970, other units are seconds
        assert fit(seconds * per_second, "datetime") == f"{moment:%Y-%m-%dT%H:%M:%SZ}"


@given(SCALARS, st.sampled_from(DATATYPES))
def test_any_value_fits_or_is_refused(value: Any, datatype: str) -> None:
    try:
        fitted = fit(value, datatype)
    except ValueRejected:
        return
    assert clears(value, datatype) == (fitted is None)


def test_a_datatype_that_no_trait_is_meant_for_refuses() -> None:
    with pytest.raises(ValueRejected, match="text where Mailjet has collection"):
        fit("a", "collection")


def test_a_number_beyond_every_float_is_no_date() -> None:
    with pytest.raises(ValueRejected):
        fit(10**400, "datetime")
