from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jetbridge.mailjet.properties import DATATYPES, Refused, datatype_of, fit

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
        (False, "bool", False),
        (0, "int", 0),
        ("", "str", ""),
        (None, "int", None),
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
        ("", "float"),
        ("nan", "float"),
        (10**400, "float"),
        (True, "float"),
        ("1,5", "float"),
        (1, "bool"),
        ("yes", "bool"),
        ("soon", "datetime"),
        (True, "datetime"),
        (10**30, "datetime"),
    ],
)
def test_values_that_do_not_fit_are_refused(value: Any, datatype: str) -> None:
    with pytest.raises(Refused):
        fit(value, datatype)


@pytest.mark.parametrize("text", ["007", "+7", "+33612345678", "1_000", "٤٢", "0x1f", "1e3", "4.0"])
def test_a_text_that_a_whole_number_would_not_give_back_is_no_int(text: str) -> None:
    with pytest.raises(Refused):
        fit(text, "int")


@pytest.mark.parametrize("value", [2**53 + 1, str(2**53 + 1), "1_000", "01.5", ".5", "٤.٢", "1e999"])
def test_a_number_that_a_fraction_cannot_hold_is_no_float(value: Any) -> None:
    with pytest.raises(Refused):
        fit(value, "float")


def test_the_refusal_names_kind_and_type_but_not_the_value() -> None:
    with pytest.raises(Refused, match=r"^text where Mailjet has int$"):
        fit("top secret", "int")


@given(SCALARS)
def test_a_value_always_fits_the_type_made_for_it(value: Any) -> None:
    fit(value, datatype_of(value))


@given(SCALARS, st.sampled_from(DATATYPES))
def test_any_value_fits_or_is_refused(value: Any, datatype: str) -> None:
    try:
        fitted = fit(value, datatype)
    except Refused:
        return
    assert value is None or fitted is not None


def test_a_datatype_that_no_trait_is_meant_for_refuses() -> None:
    with pytest.raises(Refused, match="text where Mailjet has collection"):
        fit("a", "collection")
