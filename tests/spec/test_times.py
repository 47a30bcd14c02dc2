from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jetbridge.spec.times import corrected, parse_time

MOMENTS = st.timedeltas(timedelta(0), timedelta(days=40_000)).map(
    lambda age: datetime(1971, 1, 1, tzinfo=UTC) + age
)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-23T09:00:00.123Z", datetime(2026, 11, 23, 9, 0, 0, 123000, UTC)),
        ("2026-11-23T09:00:00.123+02:00", datetime(2026, 11, 23, 7, 0, 0, 123000, UTC)),
        ("2026-11-23T09:00:00.123456789Z", datetime(2026, 11, 23, 9, 0, 0, 123456, UTC)),
        ("2026-11-23T09:00:00+0000", datetime(2026, 11, 23, 9, tzinfo=UTC)),
        ("2026-11-23 09:00:00", datetime(2026, 11, 23, 9, tzinfo=UTC)),
        ("2026-11-23", datetime(2026, 11, 23, tzinfo=UTC)),
        ("2026-11-23t09:00:00z", datetime(2026, 11, 23, 9, tzinfo=UTC)),
        (
            "2020-05-09 23:54:49.209808489 +0000 UTC m=+70366.29",
            datetime(2020, 5, 9, 23, 54, 49, 209808, UTC),
        ),
        ("2020-05-09 23:54:49 +0200 CEST", datetime(2020, 5, 9, 21, 54, 49, tzinfo=UTC)),
    ],
)
def test_every_way_to_write_a_time_is_read(text: str, moment: datetime) -> None:
    assert parse_time(text) == moment


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "1700000000", "0001-01-01T00:00:00+14:00"])
def test_what_names_no_time_is_none(text: str) -> None:
    assert parse_time(text) is None


@given(st.text() | st.none() | st.integers())
def test_no_value_makes_reading_a_time_fail(value: object) -> None:
    assert parse_time(value) is None or isinstance(parse_time(value), datetime)


@given(original=MOMENTS, sent=MOMENTS, received=MOMENTS)
def test_the_corrected_time_is_as_long_before_arrival_as_the_call_was_before_sending(
    original: datetime, sent: datetime, received: datetime
) -> None:
    try:
        expected = received - (sent - original)
    except OverflowError:
        expected = received
    assert corrected(original, sent, received) == expected


@given(
    original=MOMENTS,
    waited=st.timedeltas(timedelta(0), timedelta(days=30)),
    received=MOMENTS,
    skew=st.timedeltas(timedelta(days=-300), timedelta(days=300)),
)
def test_a_wrong_clock_changes_nothing(
    original: datetime, waited: timedelta, received: datetime, skew: timedelta
) -> None:
    right = corrected(original, original + waited, received)
    assert corrected(original + skew, original + skew + waited, received) == right


def test_a_difference_that_leads_out_of_the_calendar_gives_the_arrival() -> None:
    received = datetime(2026, 1, 1, tzinfo=UTC)
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    assert corrected(first, last, received) == received
