"""Moments of schedules, on the clock of a time zone."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jetbridge.delivery.syncs import DAY_MINUTES, Schedule

PARTS = (5, 15, 30, 60, 120, 180, 360, 720, DAY_MINUTES)
ZONES = ("UTC", "Europe/Paris", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def moments(schedule: Schedule, since: str, number: int) -> list[str]:
    """The next moments on the wall clock, with the offset of each."""
    found, moment = [], utc(since)
    for _ in range(number):
        moment = schedule.next_after(moment)
        found.append(f"{schedule.local(moment):%d %H:%M %z}")
    return found


def test_moments_are_counted_from_the_time_of_day() -> None:
    assert moments(Schedule(15), "2026-11-30T08:00:00", 3) == [
        "30 08:15 +0000",
        "30 08:30 +0000",
        "30 08:45 +0000",
    ]
    assert moments(Schedule(360, 3 * 60, "Europe/Paris"), "2026-11-30T08:00:00", 4) == [
        "30 15:00 +0100",
        "30 21:00 +0100",
        "01 03:00 +0100",
        "01 09:00 +0100",
    ]
    assert moments(Schedule(DAY_MINUTES, 3 * 60, "Asia/Kathmandu"), "2026-11-30T08:00:00", 2) == [
        "01 03:00 +0545",
        "02 03:00 +0545",
    ]


def test_a_moment_itself_is_not_after_it() -> None:
    assert Schedule(60).next_after(utc("2026-11-30T08:00:00")) == utc("2026-11-30T09:00:00")


def test_daily_stays_at_its_time_when_clocks_change() -> None:
    paris = Schedule(DAY_MINUTES, 12 * 60, "Europe/Paris")
    assert moments(paris, "2026-03-28T00:00:00", 2) == ["28 12:00 +0100", "29 12:00 +0200"]
    assert moments(paris, "2026-10-24T00:00:00", 2) == ["24 12:00 +0200", "25 12:00 +0100"]


def test_a_time_that_clocks_skip_comes_later_and_one_that_they_repeat_once() -> None:
    paris = Schedule(DAY_MINUTES, 150, "Europe/Paris")
    assert moments(paris, "2026-03-28T12:00:00", 2) == ["29 03:30 +0200", "30 02:30 +0200"]
    assert moments(paris, "2026-10-24T12:00:00", 2) == ["25 02:30 +0200", "26 02:30 +0100"]


def test_short_schedules_go_on_through_a_repeated_hour_and_skip_none() -> None:
    paris = Schedule(30, 0, "Europe/Paris")
    assert moments(paris, "2026-10-25T00:10:00", 5) == [
        "25 02:30 +0200",
        "25 02:00 +0100",
        "25 02:30 +0100",
        "25 03:00 +0100",
        "25 03:30 +0100",
    ]
    assert moments(paris, "2026-03-29T00:10:00", 3) == ["29 01:30 +0100", "29 03:00 +0200", "29 03:30 +0200"]


@given(
    st.sampled_from(PARTS),
    st.integers(0, DAY_MINUTES - 1),
    st.sampled_from(ZONES),
    st.integers(1_262_300_000, 1_893_452_000),
)
def test_the_next_moment_is_near_and_on_the_grid(minutes: int, at: int, zone: str, second: int) -> None:
    """Whatever clocks do: it comes within the interval, and what they may add (Samoa once lost a day)."""
    schedule, moment = Schedule(minutes, at, zone), datetime.fromtimestamp(second, UTC)
    following = schedule.next_after(moment)
    changes = timedelta(days=1, hours=1) if zone == "Pacific/Apia" else timedelta(hours=1)
    assert timedelta(0) < following - moment <= timedelta(minutes=minutes) + changes
    if zone in {"UTC", "Asia/Kathmandu"}:
        local = schedule.local(following)
        assert (60 * local.hour + local.minute - at) % minutes == 0
        assert following - moment <= timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("schedule", "text"),
    [
        (Schedule(5), "every 5 min"),
        (Schedule(60), "every hour"),
        (Schedule(120), "every 2 h"),
        (Schedule(DAY_MINUTES, 180, "Europe/Paris"), "daily at 03:00 (Europe/Paris)"),
    ],
)
def test_a_schedule_in_words(schedule: Schedule, text: str) -> None:
    assert str(schedule) == text
