"""Schedules: when a destination syncs that does not deliver continuously.

Moments are on the wall clock of a time zone, so what is daily at 03:00 stays at 03:00 when clocks change. A moment that clocks
skip comes by as much later as they skip. Of one that they repeat only the first counts, but syncs that are an hour apart or
less go on through the repeated hour.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

DAY_MINUTES = 24 * 60


@dataclass(frozen=True)
class Schedule:
    """Every `minutes` (a part of a day without remainder); one of the moments is `at` minutes after midnight in `zone`."""

    minutes: int
    at: int = 0
    zone: str = "UTC"

    def __str__(self) -> str:
        hours, minutes = divmod(self.at, 60)
        if self.minutes == DAY_MINUTES:
            return f"daily at {hours:02}:{minutes:02} ({self.zone})"
        if self.minutes % 60:
            return f"every {self.minutes} min"
        return "every hour" if self.minutes == 60 else f"every {self.minutes // 60} h"

    def next_after(self, moment: datetime) -> datetime:
        """The first moment of the schedule after this one, in UTC."""
        day = moment.astimezone(ZoneInfo(self.zone)).date()
        # A moment that clocks skip may lie on the day after its own.
        days = (day + timedelta(days=number) for number in (-1, 0, 1, 2))
        return min(each for day in days for each in _moments(self, day) if each > moment)

    def local(self, moment: datetime) -> datetime:
        """The moment on the clock of the time zone."""
        return moment.astimezone(ZoneInfo(self.zone))


@lru_cache(maxsize=256)
def _moments(schedule: Schedule, day: date) -> frozenset[datetime]:
    return frozenset(_moments_of(schedule, day))


def _moments_of(schedule: Schedule, day: date) -> Iterator[datetime]:
    folds = (0, 1) if schedule.minutes <= 60 else (0,)
    for minute in range(schedule.at % schedule.minutes, DAY_MINUTES, schedule.minutes):
        wall = datetime.combine(day, time(*divmod(minute, 60)), ZoneInfo(schedule.zone))
        for fold in folds:
            yield wall.replace(fold=fold).astimezone(UTC)
