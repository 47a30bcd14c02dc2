from typing import TYPE_CHECKING

from jetbridge.delivery import ledger
from jetbridge.delivery.retention import DAY_MS, Retention
from jetbridge.eventlog.base import Counts, Entry

if TYPE_CHECKING:
    from conftest import Bench

NOW_MS = 100 * DAY_MS


def retention(bench: "Bench", *, days: int = 14, megabytes: int = 1_000) -> Retention:
    return Retention(bench.log, days, megabytes, clock=lambda: NOW_MS / 1000)


def append(bench: "Bench", *ages_in_days: float) -> None:
    bench.log.append(
        Entry(bench.source.id, "identify", int(NOW_MS - age * DAY_MS), b"{}") for age in ages_in_days
    )


def ages(bench: "Bench") -> list[float]:
    return [(NOW_MS - record.received_at) / DAY_MS for record in bench.log.read(0)]


def test_old_records_leave_once_every_reader_has_passed_them(bench: "Bench") -> None:
    append(bench, 30, 20, 10)
    bench.begin()
    ledger.begin("source:9", Counts(1, {}))
    assert retention(bench).step() == 1
    assert ages(bench) == [20, 10]
    ledger.move("source:9", 3)
    assert retention(bench).step() == 1
    assert ages(bench) == [10]


def test_without_readers_old_records_leave_all_the_same(bench: "Bench") -> None:
    append(bench, 30, 10)
    assert retention(bench).step() == 1
    assert ages(bench) == [10]


def test_a_log_that_is_too_large_gives_up_what_was_read_however_young(bench: "Bench") -> None:
    bench.begin()
    append(bench, 2, 1)
    assert retention(bench, megabytes=0).step() == 0
    ledger.move(bench.reader, bench.log.counts().end)
    assert retention(bench, megabytes=0).step() == 2
