"""Syncs: a destination on a schedule reads nothing until the next moment, then all that waits, then nothing again.

What waits is what the log holds when a sync begins, what is to be tried again and what is to be replayed. A sync ends when
nothing of that is left; tries that failed for now belong to it, so it may take long. It stands in the database: a restart goes
on with the sync that was under way. A moment that passes meanwhile, and a sync that somebody asks for, follow at its end.
Nobody who is to be forgotten waits for a schedule: a `delete` call begins a sync, too.

Moments are on the wall clock of a time zone, so what is daily at 03:00 stays at 03:00 when clocks change. A moment that clocks
skip comes by as much later as they skip. Of one that they repeat only the first counts, but syncs that are an hour apart or
less go on through the repeated hour.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from django.db import transaction

from jetbridge.delivery import isolation
from jetbridge.delivery.models import ConsumerOffset, SyncRow, destination_consumer
from jetbridge.eventlog.base import Counts, EventLog

#: How often a destination that waits for its next sync looks whether that is due.
LOOK_SECONDS = 1.0
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
        return min(at for day in days for at in _moments(self, day) if at > moment)

    def local(self, moment: datetime) -> datetime:
        """The moment on the clock of the time zone."""
        return moment.astimezone(ZoneInfo(self.zone))


@lru_cache(maxsize=256)
def _moments(schedule: Schedule, day: date) -> frozenset[datetime]:
    minutes = range(schedule.at % schedule.minutes, DAY_MINUTES, schedule.minutes)
    walls = [datetime.combine(day, time(*divmod(minute, 60)), ZoneInfo(schedule.zone)) for minute in minutes]
    if schedule.minutes <= 60:  # also the second time of an hour that clocks repeat
        walls += [wall.replace(fold=1) for wall in walls]
    return frozenset(wall.astimezone(UTC) for wall in walls)


@dataclass(frozen=True)
class SyncState:
    """The syncs of one destination. `next_at` is in the past if the next one is overdue, or follows the one under way.

    `began_at` and `ended_at` are of the latest; `ended_at` None: it is under way, and `share` percent of its log are read.
    """

    schedule: Schedule
    next_at: datetime
    is_requested: bool = False
    began_at: datetime | None = None
    ended_at: datetime | None = None
    share: int | None = None

    @property
    def is_running(self) -> bool:
        return self.began_at is not None and self.ended_at is None


def states(schedules: Mapping[int, Schedule], now: datetime) -> dict[int, SyncState]:
    """By destination, of those that have a schedule. Two queries."""
    if not schedules:
        return {}
    rows = {row.destination_id: row for row in SyncRow.objects.filter(destination_id__in=schedules)}
    offsets = ConsumerOffset.objects.filter(consumer__in=map(destination_consumer, schedules))
    positions = dict(offsets.values_list("consumer", "position"))
    sync_states = {}
    for id_, schedule in schedules.items():
        row, share = rows.get(id_), None
        if row is None:
            sync_states[id_] = SyncState(schedule, schedule.next_after(now))
            continue
        if row.began_at and not row.ended_at and row.upto > row.after:
            position = positions.get(destination_consumer(id_), 0)
            share = max(0, min(100, 100 * (position - row.after) // (row.upto - row.after)))
        due_at = _due_at(schedule, row) or schedule.next_after(now)
        is_requested = row.requested_at is not None
        sync_states[id_] = SyncState(schedule, due_at, is_requested, row.began_at, row.ended_at, share)
    return sync_states


def _due_at(schedule: Schedule, row: SyncRow) -> datetime | None:
    """None while its consumer has not begun."""
    scheduled_at = schedule.next_after(row.counted_from) if row.counted_from else None
    return min((at for at in (scheduled_at, row.requested_at) if at), default=None)


def request(destination: int) -> None:
    """Have a sync begin at once, or when the one under way has ended."""
    SyncRow.objects.get_or_create(destination_id=destination)
    SyncRow.objects.filter(destination_id=destination, requested_at=None).update(
        requested_at=datetime.now(UTC)
    )


def under_way(destination: int) -> datetime | None:
    """When the sync began that is under way; None if none is."""
    rows = SyncRow.objects.filter(destination_id=destination, ended_at=None).exclude(began_at=None)
    return rows.values_list("began_at", flat=True).first()


def end_all(destination: int) -> None:
    """It delivers continuously from now on, or is removed."""
    SyncRow.objects.filter(destination_id=destination).delete()


def waiting() -> set[int]:
    """Destinations that read nothing now: they have a schedule, and no sync is under way."""
    rows = SyncRow.objects.exclude(counted_from=None)
    return {row.destination_id for row in rows if row.began_at is None or row.ended_at is not None}


class Syncs:
    """Those of one destination, for the thread of its consumer."""

    def __init__(
        self,
        destination: int,
        schedule: Schedule,
        event_log: EventLog,
        sources: Collection[int],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._destination, self._schedule, self._log, self._now = destination, schedule, event_log, now
        self._sources = frozenset(sources)
        #: The end of the log when the sync began that is under way; None if none is.
        self.upto: int | None = None

    def start(self) -> None:
        """Go on with the sync that was under way; else the next moment counts from now, if none ever did."""
        row, _ = SyncRow.objects.get_or_create(destination_id=self._destination)
        if row.counted_from is None:
            SyncRow.objects.filter(destination_id=self._destination).update(
                counted_from=self._now(), deletes=self._deletes(self._log.counts())
            )
        if row.began_at and not row.ended_at:
            self.upto = row.upto

    def is_due(self) -> bool:
        """Whether a sync is under way; begins one that is due."""
        if self.upto is None:
            try:
                self.upto = self._begin()
            except Exception as error:
                if not isolation.is_environmental(error):
                    raise
        return self.upto is not None

    @transaction.atomic
    def _begin(self) -> int | None:
        now = self._now()
        row = SyncRow.objects.get(destination_id=self._destination)
        due_at = _due_at(self._schedule, row)
        # What is asked for is due whatever the clock says: it may have been set back since.
        is_due = row.requested_at is not None or (due_at is not None and due_at <= now)
        counts = self._log.counts()
        deletes = self._deletes(counts)
        position = ConsumerOffset.objects.get(consumer=destination_consumer(self._destination)).position
        if not is_due and deletes <= row.deletes:
            return None
        SyncRow.objects.filter(destination_id=self._destination).update(
            counted_from=now,
            requested_at=None,
            began_at=now,
            ended_at=None,
            after=position,
            upto=counts.end,
            deletes=deletes,
        )
        return counts.end

    def _deletes(self, counts: Counts) -> int:
        """How many of Segment's `delete` calls its sources have sent."""
        totals = counts.by_source_and_type
        return sum(totals.get((source, "delete"), 0) for source in self._sources)

    def end(self) -> None:
        """Nothing of it is left. It goes on if that cannot be written now."""
        try:
            SyncRow.objects.filter(destination_id=self._destination).update(ended_at=self._now())
        except Exception as error:
            if not isolation.is_environmental(error):
                raise
        else:
            self.upto = None
