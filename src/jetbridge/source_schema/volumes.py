"""How many messages a source sent when, and where in the log they are.

The second makes it cheap to read a quiet source backwards in a log that busy ones fill.
"""

import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from django.db.models import OuterRef, Q, Subquery, Sum

from jetbridge.control.models import Source
from jetbridge.delivery.models import ConsumerOffset
from jetbridge.eventlog.base import EventLog, PositionRange
from jetbridge.source_schema.models import READER, MetricBucket

HOUR, DAY = 60, 24 * 60
#: Rows that are fetched at once while looking back.
CHUNK = 500
#: Positions of a range that is not joined with another any more.
LONG = 5_000


@dataclass(frozen=True)
class Lately:
    """Messages of a source in the last hour and in the last day."""

    hour: int = 0
    day: int = 0


@dataclass
class Point:
    """Messages of `step` minutes from `minute` (since 1970) on, and items that failed on ingest."""

    minute: int
    messages: int = 0
    invalid: int = 0


def now() -> int:
    return int(time.time() // 60)


def lately(sources: Collection[int]) -> dict[int, Lately]:
    """One query. The minute that began an hour ago counts in full."""
    minute = now()
    rows = MetricBucket.objects.filter(source_id__in=sources, minute__gte=minute - DAY)
    sums = rows.values_list("source_id").annotate(
        hour=Sum("messages", filter=Q(minute__gte=minute - HOUR)), day=Sum("messages")
    )
    return {source: Lately(hour or 0, day or 0) for source, hour, day in sums}


def last_received(sources: Collection[int]) -> dict[int, int]:
    """When the newest record of each source was received (ms), as far as minutes are kept. One query."""
    newest = (
        MetricBucket.objects.filter(source_id=OuterRef("pk"))
        .order_by("-last", "-minute")
        .values("last_at")[:1]
    )
    rows = Source.objects.filter(id__in=sources).annotate(at=Subquery(newest)).exclude(at=None)
    return dict(rows.values_list("id", "at"))


class LastSeen:
    """When a source last sent something, known only when it is certain: our own lag must not raise an alert of silence.

    Called now and then: it knows when all has been read that was in the log at the call before.
    """

    def __init__(self, event_log: EventLog) -> None:
        self._event_log = event_log
        self._end_before: int | None = None

    def __call__(self, sources: Collection[int]) -> dict[int, int] | None:
        """Source id -> time (ms), without sources that never sent anything; None if it is not known."""
        end_before, self._end_before = self._end_before, self._event_log.counts().end
        position = ConsumerOffset.objects.filter(consumer=READER).values_list("position", flat=True).first()
        if end_before is None or position is None or position < end_before:
            return None
        return last_received(sources)


def time_series(source: int, since: int, step: int) -> list[Point]:
    """Points from minute `since` to now, one per `step` minutes, empty ones included. One query."""
    points = {start: Point(start) for start in range(since // step * step, now() + 1, step)}
    rows = MetricBucket.objects.filter(source_id=source, minute__gte=since // step * step)
    for minute, messages, invalid in rows.values_list("minute", "messages", "invalid"):
        if point := points.get(minute // step * step):  # what came from a clock that was ahead is left out
            point.messages += messages
            point.invalid += invalid
    return [points[start] for start in sorted(points)]


def scan_ranges(source: int, before: int, reader: str) -> Iterator[PositionRange]:
    """Where in the log records of a source are, before a position, the newest first.

    What the reader has not seen yet may hold some anywhere.
    """
    seen = ConsumerOffset.objects.filter(consumer=reader).values_list("position", flat=True).first() or 0
    yield from _joined(PositionRange(min(seen, before - 1), before - 1), _rows(source, before))


def _rows(source: int, before: int) -> Iterator[tuple[int, int]]:
    """First and last positions of minutes, from the end."""
    rows = MetricBucket.objects.filter(source_id=source).order_by("-last").values_list("first", "last")
    chunk = list(rows.filter(first__lt=before)[:CHUNK])
    while chunk:
        yield from chunk
        chunk = list(rows.filter(last__lt=chunk[-1][1])[:CHUNK])


def _joined(newest: PositionRange, rows: Iterator[tuple[int, int]]) -> Iterator[PositionRange]:
    """Ranges that touch become one, up to a length; none of them overlap."""
    current = newest
    for first, last in rows:
        if last >= current.after and current.upto + 1 - current.after > LONG:
            yield current
            current = PositionRange(min(current.after, first - 1), current.after)
        elif last >= current.after:
            current = PositionRange(min(current.after, first - 1), current.upto)
        else:
            yield current
            current = PositionRange(first - 1, last)
    yield current
