import json
from datetime import UTC, datetime
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from jetbridge.integrations.warehouse.column_types import json_text, parse_instant

from .conftest import NOON, Warehouse, open_duckdb, track

ZONED = "2026-11-29T13:00:00+01:00"
#: A value of each kind that JSON has, and a date-time.
SAMPLES: dict[str, Any] = {
    "text": "hello",
    "integer": 7,
    "float": 1.5,
    "boolean": True,
    "timestamp": ZONED,
    "array": [1, "a"],
}
#: What a column of a type holds of a new value of a kind. What is missing is rejected.
KEPT: dict[str, dict[str, Any]] = {
    "text": {"text": "hello", "timestamp": ZONED, "array": '[1,"a"]'},
    "integer": {"integer": 7, "float": 1.5},
    "float": {"integer": 7.0, "float": 1.5},
    "boolean": {"boolean": True},
    "timestamp": {"timestamp": NOON},
    "array": {"text": "hello", "timestamp": ZONED, "array": '[1,"a"]'},
}


@pytest.mark.parametrize("existing", SAMPLES)
def test_each_value_is_kept_or_rejected_by_the_type_of_the_column(
    warehouse: Warehouse, existing: str
) -> None:
    for kind, value in SAMPLES.items():
        warehouse.load(track(kind, {"x": SAMPLES[existing]}, at=0))
        warehouse.load(track(kind, {"x": value}, at=1))
        [_, (stored,)] = warehouse.rows(kind, "x", order="timestamp")
        rejected = [row for row in warehouse.rejected() if row[0] == kind]
        if kind in KEPT[existing]:
            assert stored == KEPT[existing][kind]
            assert type(stored) is type(KEPT[existing][kind])
            assert not rejected
        else:
            assert stored is None
            type_ = "text" if existing == "array" else existing
            assert rejected == [(kind, "x", json_text(value), f"the column is of type {type_}")]


def test_an_integer_column_that_takes_a_fraction_becomes_one_of_floats(warehouse: Warehouse) -> None:
    warehouse.load(track("A", {"x": 7}, at=0), track("A", {"x": -3}, at=1))
    warehouse.load(track("A", {"x": 8}, at=2), track("A", {"x": 0.5}, at=3), track("A", {"x": 9}, at=4))
    assert warehouse.columns("a")["x"] == "float"
    assert warehouse.rows("a", "x", order="timestamp") == [(7.0,), (-3.0,), (8.0,), (0.5,), (9.0,)]


@pytest.mark.parametrize("batches", [1, 2, 3])
@pytest.mark.parametrize("large", [2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)])
def test_no_integer_loses_a_digit(warehouse: Warehouse, large: int, batches: int) -> None:
    calls = [track("A", {"x": value}, at=at) for at, value in enumerate([large, 0.5, 1])]
    for start in range(0, 3, 4 - batches):
        warehouse.load(*calls[start : start + 4 - batches])
    assert warehouse.columns("a")["x"] == "integer"
    assert warehouse.rows("a", "x", order="timestamp") == [(large,), (None,), (1,)]
    assert warehouse.rejected() == [("a", "x", "0.5", "the column is of type integer")]


def test_an_integer_that_a_float_cannot_hold_is_rejected(warehouse: Warehouse) -> None:
    warehouse.load(track("A", {"x": 0.5}, at=0))
    warehouse.load(track("A", {"x": 2**53 + 1}, at=1), track("A", {"x": 2**53}, at=2))
    assert warehouse.rows("a", "x", order="timestamp") == [(0.5,), (None,), (2.0**53,)]
    assert warehouse.rejected() == [
        ("a", "x", "9007199254740993", "a float would lose digits of the integer")
    ]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (2**63, "the integer has more than 64 bits"),
        (-(2**63) - 1, "the integer has more than 64 bits"),
        (float("inf"), "the value is no finite number"),
        ("a\0b", "the text contains a character that databases refuse"),
        ("a\ud800b", "the text contains a character that databases refuse"),
    ],
)
def test_a_value_that_no_column_can_hold_makes_none(warehouse: Warehouse, value: Any, reason: str) -> None:
    warehouse.load(track("A", {"x": value, "y": 1}))
    assert "x" not in warehouse.columns("a")
    assert warehouse.value("a", "y") == 1
    [(table, column, json_value, found)] = warehouse.rejected()
    assert (table, column, found) == ("a", "x", reason)
    assert value == float("inf") or json.loads(json_value) == value


def test_ids_are_text_whatever_they_look_like(warehouse: Warehouse) -> None:
    warehouse.load(
        track("A", {"group_id": ZONED}, message_id="5", user_id="2026-01-01T00:00:00Z", anonymous_id="7")
    )
    assert warehouse.rows("a", "id, user_id, anonymous_id, group_id") == [
        ("5", "2026-01-01T00:00:00Z", "7", ZONED)
    ]


def test_an_array_is_json_with_what_databases_refuse_escaped(warehouse: Warehouse) -> None:
    warehouse.load(track("A", {"x": ["a\0b", {"é": None}], "y": []}))
    assert warehouse.rows("a", "x, y") == [('["a\\u0000b",{"é":null}]', "[]")]


class TestInstants:
    @pytest.mark.parametrize(
        ("text", "instant"),
        [
            ("2026-11-29T12:00:00Z", NOON),
            ("2026-11-29T12:00Z", NOON),
            ("2026-11-29T13:00:00+01:00", NOON),
            ("2026-11-29T13:00:00+0100", NOON),
            ("2026-11-29T13:00:00+01", NOON),
            ("2026-11-29T12:00:00.5Z", NOON.replace(microsecond=500_000)),
            ("2026-11-29T12:00:00.123456789Z", NOON.replace(microsecond=123_456)),
            ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ],
    )
    def test_an_iso_date_time_with_a_zone_is_one(self, text: str, instant: datetime) -> None:
        assert parse_instant(text) == instant

    @pytest.mark.parametrize(
        "text",
        [
            "2026-11-29T12:00:00",
            "2026-11-29",
            "2026-11-29 12:00:00Z",
            "20261129T120000Z",
            "2026-W48-7T12:00:00Z",
            "2026-02-30T12:00:00Z",
            "2026-11-29T24:00:00Z",
            "2026-11-29T12:00:00z",
            "2026-11-29T12:00:00Z ",
            "2026-11-29T12:00:00+25:00",
            "0001-01-01T00:00:00+01:00",
            "9999-12-31T23:59:59-01:00",
            "2026-11-2٩T12:00:00Z",
            "1764417600",
            "",
        ],
    )
    def test_any_other_text_stays_text(self, text: str) -> None:
        assert parse_instant(text) is None

    @given(st.datetimes(timezones=st.timezones()))
    def test_what_python_writes_is_read(self, moment: datetime) -> None:
        offset = moment.utcoffset()
        if offset is not None and offset.total_seconds() % 60:
            return  # ISO 8601 has no offsets with seconds
        try:
            expected = moment.astimezone(UTC)
        except OverflowError:
            return
        assert parse_instant(moment.isoformat()) == expected


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters() | st.just("\0")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(_json)
def test_every_value_can_be_kept_as_json(value: Any) -> None:
    text = json_text(value)
    assert "\0" not in text
    text.encode()
    if value == value and "Infinity" not in text:  # noqa: PLR0124 - what is not finite has no JSON
        assert json.loads(text) == value or "inf" in repr(value)


_scalars = (
    st.sampled_from([0, 1, 2**53, 2**53 + 1, 2**63, 0.5, -0.0, True, "", "x", ZONED, "a\0", [], [1], None])
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
)


@settings(max_examples=10)
@given(data=st.data())
def test_nothing_is_lost_and_no_row_depends_on_where_a_batch_ended(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    values = data.draw(st.lists(_scalars, min_size=1, max_size=8))
    ends = data.draw(st.sets(st.integers(1, len(values))))
    calls = [track("A", {"x": value}, message_id=f"m{at}", at=at) for at, value in enumerate(values)]
    whole, parts = (open_duckdb(tmp_path_factory.mktemp("x") / "warehouse.duckdb") for _ in range(2))
    whole.load(*calls)
    for start, end in zip([0, *sorted(ends)], [*sorted(ends), len(values)], strict=True):
        parts.load(*calls[start:end])
    has_column = "x" in whole.columns("a")
    stored = whole.rows("a", "x", order="timestamp") if has_column else [(None,)] * len(values)
    assert parts.columns("a") == whole.columns("a")
    assert not has_column or parts.rows("a", "x", order="timestamp") == stored
    assert parts.rejected() == whole.rejected()
    rejected = (
        {row_id for (row_id,) in whole.rows("_rejected_values", "row_id")} if whole.rejected() else set()
    )
    for at, (value, (kept,)) in enumerate(zip(values, stored, strict=True)):
        assert (kept is None) == (value is None or f"m{at}" in rejected)
        if kept is not None and not isinstance(kept, datetime):
            assert kept == (json_text(value) if isinstance(value, list) else value)
