"""Outcomes and latencies by the minute: what the ledger counts for ever, kept for two weeks as a course of time.

Written with the ledger, in the same transaction; a few rows per destination and minute, whatever the traffic.
"""

import math
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from django.db import connection

from jetbridge.delivery.models import LatencyRow, MinuteRow
from jetbridge.delivery.tally import Tally

#: Minutes that are kept.
KEPT = 14 * 24 * 60

ADD_MINUTE = """
INSERT INTO delivery_minute (destination_id, minute, outcome, total) VALUES (%s, %s, %s, %s)
ON CONFLICT (destination_id, minute, outcome) DO UPDATE SET total = delivery_minute.total + excluded.total
"""

ADD_LATENCY = """
INSERT INTO delivery_latency (destination_id, minute, bucket, total) VALUES (%s, %s, %s, %s)
ON CONFLICT (destination_id, minute, bucket) DO UPDATE SET total = delivery_latency.total + excluded.total
"""


def bucket(ms: float) -> int:
    """The histogram's bucket: four to a doubling, so a quantile is right within a fifth."""
    return int(4 * math.log2(max(ms, 0) + 1))


def milliseconds(bucket_: int) -> float:
    """The upper end of a bucket."""
    return float(2 ** ((bucket_ + 1) / 4) - 1)


def add(destination: int, tally: Tally) -> None:
    """Inside the caller's transaction. A retry takes a failure back from the ledger, not from its minute."""
    minute = int(time.time() // 60)
    outcomes = {
        "delivered": tally.delivered,
        "filtered": tally.filtered.total(),
        "failed": tally.failed.total(),
    }
    rows = [(destination, minute, outcome, total) for outcome, total in outcomes.items() if total > 0]
    with connection.cursor() as cursor:
        if rows:
            cursor.executemany(ADD_MINUTE, rows)
        if tally.latencies:
            cursor.executemany(
                ADD_LATENCY, [(destination, minute, each, total) for each, total in tally.latencies.items()]
            )


def trim() -> None:
    oldest = int(time.time() // 60) - KEPT
    MinuteRow.objects.filter(minute__lt=oldest).delete()
    LatencyRow.objects.filter(minute__lt=oldest).delete()


@dataclass
class Point:
    """What came to an end in `step` minutes from `minute` (since 1970) on."""

    minute: int
    outcomes: Counter[str] = field(default_factory=Counter)
    latencies: Counter[int] = field(default_factory=Counter)

    def quantile(self, share: float) -> float | None:
        """Ms within which this share was delivered; None if nothing was."""
        return quantile(self.latencies, share)


def quantile(latencies: Counter[int], share: float) -> float | None:
    wanted = math.ceil(latencies.total() * share)
    seen = 0
    for each in sorted(latencies):
        seen += latencies[each]
        if seen >= wanted:
            return milliseconds(each)
    return None


def course(destination: int, since: int, step: int) -> list[Point]:
    """Points from minute `since` to now, one per `step` minutes, empty ones included. Two queries."""
    points: defaultdict[int, Point] = defaultdict(lambda: Point(0))
    for start in range(since // step * step, int(time.time() // 60) + 1, step):
        points[start] = Point(start)
    outcomes = MinuteRow.objects.filter(destination_id=destination, minute__gte=since)
    for minute, outcome, total in outcomes.values_list("minute", "outcome", "total"):
        points[minute // step * step].outcomes[outcome] += total
    latencies = LatencyRow.objects.filter(destination_id=destination, minute__gte=since)
    for minute, each, total in latencies.values_list("minute", "bucket", "total"):
        points[minute // step * step].latencies[each] += total
    return [points[start] for start in sorted(points)]
