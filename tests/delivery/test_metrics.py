"""Outcomes and latencies by the minute, for charts."""

import time
from collections import Counter
from pathlib import Path

import pytest

from jetbridge.delivery import ledger, metrics
from jetbridge.delivery.base import RECEIVED, DeliveryCounts, DeliveryRecord
from jetbridge.delivery.models import LatencyBucket, MetricBucket


def now() -> int:
    return int(time.time() // 60)


def test_a_tally_is_added_to_its_minute(home: Path) -> None:
    for _ in range(2):
        counts = DeliveryCounts(delivered=3, in_flight=5, latencies=Counter({metrics.bucket(100): 3}))
        counts.filtered["USER_SUPPRESSED"] = 2
        counts.fail(DeliveryRecord("failed", "INVALID_EMAIL", "No address.", 1))
        ledger.add(1, counts)
    points = metrics.course(1, now() - 9, 1)
    total = sum((point.outcomes for point in points), Counter())
    assert total == {"delivered": 6, "filtered": 4, "failed": 2}
    assert 10 <= len(points) <= 11
    assert metrics.course(2, now(), 1)[0].outcomes == {}


def test_a_failure_that_is_taken_back_leaves_its_minute_as_it_was(home: Path) -> None:
    ledger.add(1, DeliveryCounts(failed=Counter({"INVALID_EMAIL": -1})))
    assert not MetricBucket.objects.exists()


@pytest.mark.parametrize("ms", [0, 1, 30, 150, 999, 60_000, 86_400_000])
def test_a_quantile_is_right_within_a_fifth(ms: float) -> None:
    point = metrics.Point(0, latencies=Counter({metrics.bucket(ms): 1}))
    found = point.quantile(0.5)
    assert found is not None
    assert ms <= found <= ms * 1.2 + 1


def test_quantiles_go_by_messages() -> None:
    point = metrics.Point(0, latencies=Counter({metrics.bucket(10): 95, metrics.bucket(5_000): 5}))
    assert (point.quantile(0.5), point.quantile(0.95)) == (metrics.milliseconds(metrics.bucket(10)),) * 2
    assert (point.quantile(0.96) or 0) >= 5_000
    assert metrics.Point(0).quantile(0.5) is None


def test_two_weeks_are_kept(home: Path) -> None:
    for minute in (now() - metrics.KEPT - 2, now() - 5):
        MetricBucket.objects.create(destination_id=1, minute=minute, outcome="delivered", total=1)
        LatencyBucket.objects.create(destination_id=1, minute=minute, bucket=1, total=1)
    metrics.trim()
    assert (MetricBucket.objects.count(), LatencyBucket.objects.count()) == (1, 1)


def test_a_course_tells_the_reasons_and_what_was_received(home: Path) -> None:
    received = Counter({now() - 1: 3, now(): 2})
    ledger.add(1, DeliveryCounts(filtered=Counter({"USER_SUPPRESSED": 2}), received=received))
    first, last = metrics.course(1, now() - 1, 1)[-2:]
    assert first.outcomes[RECEIVED] == 3
    assert last.outcomes == {RECEIVED: 2, "filtered": 2}
    assert last.reasons == {("filtered", "USER_SUPPRESSED"): 2}


def test_after_a_day_minutes_are_added_up_to_hours(home: Path) -> None:
    hour = (now() - metrics.SINGLY) // 60 * 60 - 120
    for minute, total in ((hour, 1), (hour + 7, 2), (hour + 59, 4), (hour + 60, 8), (now(), 16)):
        MetricBucket.objects.create(destination_id=1, minute=minute, outcome="delivered", total=total)
        LatencyBucket.objects.create(destination_id=1, minute=minute, bucket=5, total=total)
    for _ in range(2):
        metrics.trim()
        for table in (MetricBucket, LatencyBucket):
            rows = table.objects.order_by("minute").values_list("minute", "total")  # type: ignore[attr-defined]
            assert list(rows) == [(hour, 7), (hour + 60, 8), (now(), 16)]
    points = metrics.course(1, hour, 120)
    assert sum(point.outcomes["delivered"] for point in points) == 31
