"""Outcomes and latencies by the minute: what the ledger counts for ever, kept for two weeks as a course of time.

The ledger writes them in the transaction of its counts; a few rows per destination and minute, whatever the traffic.
"""

import math
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from jetbridge.delivery.base import DeliveryCounts
from jetbridge.delivery.models import LatencyBucket, MetricBucket

#: Minutes that are kept, and those that are kept one by one; the older ones are added up to hours.
KEPT = 14 * 24 * 60
SINGLY = 25 * 60


#: Minutes that have become old are added up to their hours; then they go.
MINUTES_TO_HOURS = """
INSERT INTO delivery_metricbucket (destination_id, minute, outcome, reason, total)
SELECT destination_id, minute / 60 * 60, outcome, reason, SUM(total) FROM delivery_metricbucket
WHERE minute < %s AND minute %% 60 <> 0 GROUP BY destination_id, minute / 60, outcome, reason
ON CONFLICT (destination_id, minute, outcome, reason)
DO UPDATE SET total = delivery_metricbucket.total + excluded.total
"""
LATENCIES_TO_HOURS = """
INSERT INTO delivery_latencybucket (destination_id, minute, bucket, total)
SELECT destination_id, minute / 60 * 60, bucket, SUM(total) FROM delivery_latencybucket
WHERE minute < %s AND minute %% 60 <> 0 GROUP BY destination_id, minute / 60, bucket
ON CONFLICT (destination_id, minute, bucket) DO UPDATE SET total = delivery_latencybucket.total + excluded.total
"""
DROP_MINUTES = "DELETE FROM delivery_metricbucket WHERE minute < %s AND minute %% 60 <> 0"
DROP_LATENCIES = "DELETE FROM delivery_latencybucket WHERE minute < %s AND minute %% 60 <> 0"

#: A course, `step` minutes to a point.
OUTCOMES = """
SELECT minute / %s * %s AS start, outcome, reason, SUM(total) FROM delivery_metricbucket
WHERE destination_id = %s AND minute >= %s GROUP BY 1, 2, 3
"""
LATENCIES = """
SELECT minute / %s * %s AS start, bucket, SUM(total) FROM delivery_latencybucket
WHERE destination_id = %s AND minute >= %s GROUP BY 1, 2
"""


def now() -> int:
    """The current minute, since 1970."""
    return int(time.time() // 60)


def count_latency(counts: DeliveryCounts, received_at: datetime, now: float) -> None:
    """One message that was received then is delivered at `now` (seconds since 1970)."""
    counts.latencies[bucket((now - received_at.timestamp()) * 1000)] += 1


def bucket(ms: float) -> int:
    """The histogram's bucket: four to a doubling, so a quantile is right within a fifth."""
    return int(4 * math.log2(max(ms, 0) + 1))


def milliseconds(bucket_: int) -> float:
    """The upper end of a bucket."""
    return float(2 ** ((bucket_ + 1) / 4) - 1)


def trim() -> None:
    """Let go what is older than KEPT, and add up to hours what is older than SINGLY: two weeks stay quick to read."""
    oldest = now() - KEPT
    MetricBucket.objects.filter(minute__lt=oldest).delete()
    LatencyBucket.objects.filter(minute__lt=oldest).delete()
    before = (now() - SINGLY) // 60 * 60
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in (MINUTES_TO_HOURS, DROP_MINUTES, LATENCIES_TO_HOURS, DROP_LATENCIES):
            cursor.execute(statement, [before])


@dataclass
class Point:
    """What was received and what came to an end in `step` minutes from `minute` (since 1970) on."""

    minute: int
    outcomes: Counter[str] = field(default_factory=Counter)
    #: Messages by (outcome, reason), of outcomes with a reason.
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    latencies: Counter[int] = field(default_factory=Counter)

    def quantile(self, share: float) -> float | None:
        """Ms within which this share was delivered; None if nothing was."""
        return quantile(self.latencies, share)


def quantile(latencies: Counter[int], share: float) -> float | None:
    rank, seen = math.ceil(latencies.total() * share), 0
    for bucket_ in sorted(latencies):
        seen += latencies[bucket_]
        if seen >= rank:
            return milliseconds(bucket_)
    return None


def course(destination: int, since: int, step: int) -> list[Point]:
    """Points from minute `since` to now, one per `step` minutes, empty ones included. Two queries.

    Beyond SINGLY, whole hours only: `step` is 60 or a multiple of it there.
    """
    points: defaultdict[int, Point] = defaultdict(lambda: Point(0))
    for start in range(since // step * step, now() + 1, step):
        points[start] = Point(start)
    for start, outcome, reason, total in _rows(OUTCOMES, destination, since, step):
        points[start].outcomes[outcome] += total
        if reason:
            points[start].reasons[outcome, reason] += total
    for start, bucket_, total in _rows(LATENCIES, destination, since, step):
        points[start].latencies[bucket_] += total
    return [points[start] for start in sorted(points)]


def _rows(statement: str, destination: int, since: int, step: int) -> Iterator[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, [step, step, destination, since])
        yield from cursor.fetchall()
