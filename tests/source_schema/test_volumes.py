from pathlib import Path

import pytest

from jetbridge.control.models import Source, Workspace
from jetbridge.delivery.models import ConsumerOffset
from jetbridge.eventlog.base import PositionRange
from jetbridge.source_schema import volumes
from jetbridge.source_schema.models import MetricBucket
from jetbridge.source_schema.volumes import Lately, Point


def minute(
    source: int, minute: int, messages: int = 1, *, first: int = 0, last: int = 0, invalid: int = 0
) -> None:
    MetricBucket.objects.create(
        source_id=source,
        minute=minute,
        messages=messages,
        invalid=invalid,
        first=first,
        last=last,
        last_at=minute * 60_000,
    )


@pytest.fixture
def now(home: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(volumes, "now", lambda: 1_000_000)
    return 1_000_000


def test_the_last_hour_and_day_are_counted_per_source(now: int) -> None:
    for source, ago, total in ((1, 0, 1), (1, 60, 2), (1, 61, 4), (1, 1_441, 8), (2, 100, 16)):
        minute(source, now - ago, total)
    assert volumes.lately([1, 2, 3]) == {1: Lately(3, 7), 2: Lately(0, 16)}


def test_when_a_source_was_last_heard_of(now: int) -> None:
    workspace = Workspace.objects.create(name="Shop")
    one, two, three = (Source.objects.create(workspace=workspace, name=name, kind="http") for name in "abc")
    minute(one.id, 5, first=1, last=1)
    minute(one.id, 9, first=2, last=2)
    minute(two.id, 7, first=3, last=3)
    assert volumes.last_received([one.id, two.id, three.id]) == {one.id: 9 * 60_000, two.id: 7 * 60_000}


def test_a_course_has_a_point_for_every_step_also_the_empty_ones(now: int) -> None:
    minute(1, now, 1)
    minute(1, now - 5, 2, invalid=3)
    minute(2, now, 50)
    assert volumes.time_series(1, now - 30, 10) == [
        Point(now - 30),
        Point(now - 20),
        Point(now - 10, 2, 3),
        Point(now, 1),
    ]


def test_stretches_lead_to_the_records_of_a_quiet_source_and_to_what_nobody_has_read_yet(now: int) -> None:
    ConsumerOffset.objects.create(consumer="schema", position=1_000)
    minute(1, 3, first=10, last=10)
    minute(1, 4, first=500, last=600)
    minute(1, 5, first=601, last=601)
    minute(1, 6, first=1_000, last=1_000)
    minute(2, 6, first=1, last=999)
    found = list(volumes.scan_ranges(1, 2_001, "schema"))
    assert found == [PositionRange(999, 2_000), PositionRange(499, 601), PositionRange(9, 10)]
    assert list(volumes.scan_ranges(1, 550, "schema")) == [PositionRange(499, 549), PositionRange(9, 10)]
    assert list(volumes.scan_ranges(3, 2_001, "schema")) == [PositionRange(1_000, 2_000)]


def test_stretches_of_a_busy_source_come_one_by_one(now: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volumes, "LONG", 25)
    monkeypatch.setattr(volumes, "CHUNK", 2)
    ConsumerOffset.objects.create(consumer="schema", position=100)
    for number in range(10):
        minute(1, number, first=number * 10 + 1, last=number * 10 + 10)
    found = list(volumes.scan_ranges(1, 101, "schema"))
    assert found == [
        PositionRange(70, 100),
        PositionRange(40, 70),
        PositionRange(10, 40),
        PositionRange(0, 10),
    ]


def test_a_clock_that_was_put_back_hides_no_record(now: int) -> None:
    ConsumerOffset.objects.create(consumer="schema", position=30)
    minute(1, 5, first=1, last=30)
    minute(1, 6, first=10, last=20)
    assert list(volumes.scan_ranges(1, 31, "schema")) == [PositionRange(0, 30)]
