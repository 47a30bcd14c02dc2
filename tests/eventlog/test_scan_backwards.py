from collections.abc import Iterator
from pathlib import Path

import pytest

from jetbridge.eventlog import scan_backwards as module
from jetbridge.eventlog.base import Entry, PositionRange
from jetbridge.eventlog.scan_backwards import ScanLimit, ScanResult, scan_backwards
from jetbridge.eventlog.search import containing, everything
from jetbridge.eventlog.sqlite import SqliteEventLog

STILL = ScanLimit(1_000_000, 1.0, lambda: 0.0)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteEventLog]:
    """Positions 1 to 10,000; every hundredth is of source 2."""
    log = SqliteEventLog(tmp_path / "log.db")
    log.append(Entry(2 - bool(number % 100), "track", 1, b'"%d"' % number) for number in range(1, 10_001))
    yield log
    log.close()


def positions(scan: ScanResult) -> list[int]:
    return [record.position for record in scan.records]


def test_it_goes_on_where_it_stopped_until_nothing_is_left(log: SqliteEventLog) -> None:
    seen: list[int] = []
    before = 10_001
    while before:
        scan = scan_backwards(
            log, everything([2]), [PositionRange(0, before - 1)], limit=30, scan_limit=STILL
        )
        seen += positions(scan)
        before = scan.before
    assert seen == list(range(10_000, 0, -100))


def test_it_looks_at_no_more_than_its_budget_and_says_where_to_go_on(log: SqliteEventLog) -> None:
    scan_limit = ScanLimit(4_000, 1.0, lambda: 0.0)
    scan = scan_backwards(
        log, containing([1, 2], '"77"'), [PositionRange(0, 10_000)], limit=50, scan_limit=scan_limit
    )
    assert scan == ScanResult([], 10_001 - 2 * module.STEP)
    for _ in range(2):
        scan = scan_backwards(
            log,
            containing([1, 2], '"77"'),
            [PositionRange(0, scan.before - 1)],
            limit=50,
            scan_limit=scan_limit,
        )
    assert (positions(scan), scan.before) == ([77], 0)


def test_it_stops_when_its_time_is_up(log: SqliteEventLog) -> None:
    seconds = iter(range(100))
    scan = scan_backwards(
        log,
        containing([1], "none"),
        [PositionRange(0, 10_000)],
        limit=50,
        scan_limit=ScanLimit(10**9, 2.5, lambda: next(seconds)),
    )
    assert scan == ScanResult([], 10_001 - 2 * module.STEP)


def test_stretches_bound_it_to_where_a_source_has_records(log: SqliteEventLog) -> None:
    scan_limit = ScanLimit(10, 1.0, lambda: 0.0)
    scan_ranges = [PositionRange(position - 1, position) for position in (9_900, 5_000, 100)]
    assert positions(scan_backwards(log, everything([2]), scan_ranges, limit=50, scan_limit=scan_limit)) == [
        9_900,
        5_000,
        100,
    ]
