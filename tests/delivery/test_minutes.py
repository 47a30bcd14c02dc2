"""Outcomes and latencies by the minute, for charts."""

import time
from collections import Counter
from pathlib import Path

import pytest

from jetbridge.delivery import ledger, minutes
from jetbridge.delivery.models import LatencyRow, MinuteRow
from jetbridge.delivery.tally import Exhibit, Tally


def now() -> int:
    return int(time.time() // 60)


def test_a_tally_is_added_to_its_minute(home: Path) -> None:
    for _ in range(2):
        tally = Tally(delivered=3, held=5, latencies=Counter({minutes.bucket(100): 3}))
        tally.filtered["USER_SUPPRESSED"] = 2
        tally.fail(Exhibit("failed", "INVALID_EMAIL", "No address.", 1))
        ledger.add(1, tally)
    points = minutes.course(1, now() - 9, 1)
    total = sum((point.outcomes for point in points), Counter())
    assert total == {"delivered": 6, "filtered": 4, "failed": 2}
    assert 10 <= len(points) <= 11
    assert minutes.course(2, now(), 1)[0].outcomes == {}


def test_a_failure_that_is_taken_back_leaves_its_minute_as_it_was(home: Path) -> None:
    ledger.add(1, Tally(failed=Counter({"INVALID_EMAIL": -1})))
    assert not MinuteRow.objects.exists()


@pytest.mark.parametrize("ms", [0, 1, 30, 150, 999, 60_000, 86_400_000])
def test_a_quantile_is_right_within_a_fifth(ms: float) -> None:
    point = minutes.Point(0, latencies=Counter({minutes.bucket(ms): 1}))
    found = point.quantile(0.5)
    assert found is not None
    assert ms <= found <= ms * 1.2 + 1


def test_quantiles_go_by_messages() -> None:
    point = minutes.Point(0, latencies=Counter({minutes.bucket(10): 95, minutes.bucket(5_000): 5}))
    assert (point.quantile(0.5), point.quantile(0.95)) == (minutes.milliseconds(minutes.bucket(10)),) * 2
    assert (point.quantile(0.96) or 0) >= 5_000
    assert minutes.Point(0).quantile(0.5) is None


def test_two_weeks_are_kept(home: Path) -> None:
    for minute in (now() - minutes.KEPT - 2, now() - 5):
        MinuteRow.objects.create(destination_id=1, minute=minute, outcome="delivered", total=1)
        LatencyRow.objects.create(destination_id=1, minute=minute, bucket=1, total=1)
    minutes.trim()
    assert (MinuteRow.objects.count(), LatencyRow.objects.count()) == (1, 1)
