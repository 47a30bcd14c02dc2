from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import makers as mk
from tests.fuzz import PURE, fuzz

from jetbridge.spec.times import corrected, parse_time, unix_moment

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)

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


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("20240401", datetime(2024, 4, 1, tzinfo=UTC)),
        ("17120115", datetime(1712, 1, 15, tzinfo=UTC)),
        ("20240401T224512Z", datetime(2024, 4, 1, 22, 45, 12, tzinfo=UTC)),
        ("20240401T22", datetime(2024, 4, 1, 22, tzinfo=UTC)),
        ("2020-W01", datetime(2019, 12, 30, tzinfo=UTC)),
        ("2020W013", datetime(2020, 1, 1, tzinfo=UTC)),
        ("2020-W01-3T10:00Z", datetime(2020, 1, 1, 10, tzinfo=UTC)),
        ("2020-060", datetime(2020, 2, 29, tzinfo=UTC)),
        ("2024-04-01T10:00:00,5+02", datetime(2024, 4, 1, 8, 0, 0, 500_000, UTC)),
        ("2024-04-01T24:00:00Z", datetime(2024, 4, 2, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        (" 2024-04-01T10:00:00Z\n", datetime(2024, 4, 1, 10, tzinfo=UTC)),
    ],
)
def test_every_form_of_iso_8601_is_read(text: str, moment: datetime) -> None:
    assert parse_time(text) == moment


@pytest.mark.parametrize(
    "value",
    [
        1712011512,
        1712011512.0,
        1712011512000,
        1712011512000000,
        1712011512000000000,
        1.712011512e12,
        "1712011512",
        "1712011512000",
        "1712011512000000",
        "1712011512000000000",
    ],
)
def test_a_unix_time_is_read_in_whatever_unit(value: object) -> None:
    assert parse_time(value, NOW) == datetime(2024, 4, 1, 22, 45, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "yesterday",
        "2026-13-01",
        "2024-02-30",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T24:00:00Z",
        "2024-04-01x10:00:00",
        "2024-04-01T10:00:00Z junk",
        "20240401101112",  # no ISO 8601: there is no T
        "171201151200",  # twelve digits
        "171201151",
        "1712",
        "2024-04",
        "-1712011512000",
        "1712011512.5",
        "٢٠٢٤-٠٤-٠١",  # noqa: RUF001 - Arabic digits
        "²²²²²²²²²²",
        "0000000000",
        "0946684799",  # a second before 2000
        "9999999999999",
        0,
        1,
        -1712011512,
        946684799,
        10**19,
        10**4000,
        float("inf"),
        float("nan"),
        True,
        None,
        {},
        ["2024-04-01"],
    ],
)
def test_what_names_no_time_is_none(value: object) -> None:
    assert parse_time(value, NOW) is None


def test_a_unix_time_may_lie_between_2000_and_tomorrow() -> None:
    first, last = 946684800, int((NOW + timedelta(days=1)).timestamp())
    assert parse_time(first, NOW) == datetime(2000, 1, 1, tzinfo=UTC)
    assert parse_time(last, NOW) == NOW + timedelta(days=1)
    assert parse_time(last + 1, NOW) is None
    assert parse_time(str(last + 1), NOW) is None


@fuzz(
    PURE,
    seconds=mk.integers(946_684_800, int(NOW.timestamp())),
    per_second=mk.sampled_from([1, 1_000, 1_000_000, 1_000_000_000]),
    as_text=mk.booleans(),
)
def test_whoever_counts_since_1970_is_understood(seconds: int, per_second: int, *, as_text: bool) -> None:
    number = seconds * per_second
    if as_text and len(str(number)) not in {10, 13, 16, 19}:
        return  # a text of nine digits may be anything
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    assert parse_time(str(number) if as_text else number, NOW) == moment


@fuzz(
    PURE,
    value=mk.one_of(
        mk.text("0123456789-:TWZ+., ", most=30),
        mk.text("0123456789", least=1, most=25),
        mk.text(),
        mk.integers(),
        mk.floats(),
        mk.just(None),
    ),
)
def test_no_value_makes_reading_a_time_fail_and_digits_are_a_date_or_a_recent_time(value: object) -> None:
    moment = parse_time(value, NOW)
    assert moment is None or moment.tzinfo is UTC
    if moment and (isinstance(value, int | float) or str(value).strip().isdecimal()):
        is_date = len(str(value).strip()) == 8
        assert is_date or datetime(2000, 1, 1, tzinfo=UTC) <= moment <= NOW + timedelta(days=1)


@pytest.mark.parametrize(
    ("number", "moment"),
    [
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (-86_400, datetime(1969, 12, 31, tzinfo=UTC)),
        (-2_208_988_800, datetime(1900, 1, 1, tzinfo=UTC)),
        (-2_208_988_800_000, datetime(1900, 1, 1, tzinfo=UTC)),
        (4_102_444_800, datetime(2100, 1, 1, tzinfo=UTC)),
        (4_102_444_800_000_000_000, datetime(2100, 1, 1, tzinfo=UTC)),
        (45_792_000_000, datetime(1971, 6, 15, tzinfo=UTC)),
        (1712011512.25, datetime(2024, 4, 1, 22, 45, 12, 250_000, UTC)),
        (10**30, None),
        (float("-inf"), None),
    ],
)
def test_the_size_of_a_unix_time_gives_its_unit(number: float, moment: datetime | None) -> None:
    assert unix_moment(number) == moment


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
