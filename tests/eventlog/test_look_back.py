from collections.abc import Iterator
from pathlib import Path

import pytest

from jetbridge.eventlog import look_back as module
from jetbridge.eventlog.base import Entry
from jetbridge.eventlog.look_back import Budget, Looked, Stretch, look_back
from jetbridge.eventlog.search import everything, holding
from jetbridge.eventlog.sqlite import SqliteEventLog

STILL = Budget(1_000_000, 1.0, lambda: 0.0)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteEventLog]:
    """Positions 1 to 10,000; every hundredth is of source 2."""
    log = SqliteEventLog(tmp_path / "log.db")
    log.append(Entry(2 - bool(number % 100), "track", 1, b'"%d"' % number) for number in range(1, 10_001))
    yield log
    log.close()


def positions(looked: Looked) -> list[int]:
    return [record.position for record in looked.records]


def test_it_goes_on_where_it_stopped_until_nothing_is_left(log: SqliteEventLog) -> None:
    seen: list[int] = []
    before = 10_001
    while before:
        looked = look_back(log, everything([2]), [Stretch(0, before)], limit=30, budget=STILL)
        seen += positions(looked)
        before = looked.before
    assert seen == list(range(10_000, 0, -100))


def test_it_looks_at_no_more_than_its_budget_and_says_where_to_go_on(log: SqliteEventLog) -> None:
    budget = Budget(4_000, 1.0, lambda: 0.0)
    looked = look_back(log, holding([1, 2], '"77"'), [Stretch(0, 10_001)], limit=50, budget=budget)
    assert looked == Looked([], 10_001 - 2 * module.STEP)
    for _ in range(2):
        looked = look_back(log, holding([1, 2], '"77"'), [Stretch(0, looked.before)], limit=50, budget=budget)
    assert (positions(looked), looked.before) == ([77], 0)


def test_it_stops_when_its_time_is_up(log: SqliteEventLog) -> None:
    seconds = iter(range(100))
    looked = look_back(
        log,
        holding([1], "none"),
        [Stretch(0, 10_001)],
        limit=50,
        budget=Budget(10**9, 2.5, lambda: next(seconds)),
    )
    assert looked == Looked([], 10_001 - 2 * module.STEP)


def test_stretches_bound_it_to_where_a_source_has_records(log: SqliteEventLog) -> None:
    budget = Budget(10, 1.0, lambda: 0.0)
    stretches = [Stretch(position - 1, position + 1) for position in (9_900, 5_000, 100)]
    assert positions(look_back(log, everything([2]), stretches, limit=50, budget=budget)) == [
        9_900,
        5_000,
        100,
    ]
