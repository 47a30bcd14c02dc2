"""The promises of `EventLog`, one suite for every engine: a new engine is one line in ENGINES."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jetbridge.eventlog.base import Counts, Entry, EventLog, Record
from jetbridge.eventlog.sqlite import SqliteEventLog

#: Engine -> a function that opens the log which the folder stands for, new or again.
ENGINES: dict[str, Callable[[Path], EventLog]] = {
    "sqlite": lambda folder: SqliteEventLog(folder / "eventlog.db"),
}
ENORMOUS = 10**15


def entry(number: int, *, source: int = 1, kind: str = "identify", received_at: int = 1_000) -> Entry:
    return Entry(source, kind, received_at, b"body %d" % number)


@pytest.fixture(params=ENGINES)
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], EventLog]]:
    opened: list[EventLog] = []

    def open_again() -> EventLog:
        opened.append(ENGINES[request.param](tmp_path))
        return opened[-1]

    yield open_again
    for log in opened:
        log.close()


@pytest.fixture
def log(reopen: Callable[[], EventLog]) -> EventLog:
    return reopen()


class TestContract:
    def test_what_was_appended_is_read_in_order_with_every_field(self, log: EventLog) -> None:
        log.append([Entry(7, "identify", 123, b"{}"), Entry(8, "invalid", 124, b"\xff\x00", "code: why")])
        first, second = log.read(0)
        assert first == Record(first.position, 7, "identify", 123, b"{}", None)
        assert second == Record(second.position, 8, "invalid", 124, b"\xff\x00", "code: why")
        assert first.position < second.position

    def test_reading_goes_on_after_a_position(self, log: EventLog) -> None:
        log.append(entry(number) for number in range(10))
        half = log.read(0, limit=5)
        rest = log.read(half[-1].position, limit=100)
        assert [record.body for record in [*half, *rest]] == [b"body %d" % number for number in range(10)]
        assert log.read(rest[-1].position) == []

    def test_an_empty_log_reads_as_nothing(self, log: EventLog) -> None:
        assert log.read(0) == []
        assert log.counts() == Counts(0, {})

    def test_a_read_stops_at_max_bytes_but_gives_at_least_one_record(self, log: EventLog) -> None:
        log.append(Entry(1, "track", 1, b"x" * 1_000) for _ in range(5))
        assert len(log.read(0, max_bytes=2_500)) == 2
        assert len(log.read(0, max_bytes=10)) == 1

    def test_an_append_that_fails_leaves_nothing(self, log: EventLog) -> None:
        def broken() -> Iterator[Entry]:
            yield entry(1)
            raise RuntimeError("the sender went away")

        with pytest.raises(RuntimeError):
            log.append(broken())
        assert log.read(0) == []
        assert log.counts() == Counts(0, {})

    def test_records_outlive_the_log_object(self, reopen: Callable[[], EventLog]) -> None:
        first = reopen()
        first.append([entry(1)])
        before = first.read(0)
        first.close()
        assert reopen().read(0) == before

    def test_counts_are_by_source_and_type(self, log: EventLog) -> None:
        log.append([entry(1), entry(2), entry(3, source=2), entry(4, kind="track")])
        log.append([entry(5)])
        counts = log.counts()
        assert counts.by_source_and_type == {(1, "identify"): 3, (2, "identify"): 1, (1, "track"): 1}
        assert counts.end == log.read(0)[-1].position

    def test_retention_takes_only_what_is_old_and_passed_by_every_reader(self, log: EventLog) -> None:
        log.append(entry(number, received_at=number) for number in range(10))
        positions = [record.position for record in log.read(0)]
        assert log.retain(received_before=8, max_bytes=ENORMOUS, upto=positions[4]) == 5
        assert [record.position for record in log.read(0)] == positions[5:]
        assert log.retain(received_before=8, max_bytes=ENORMOUS, upto=positions[9]) == 3
        assert [record.position for record in log.read(0)] == positions[8:]

    def test_retention_by_size_takes_the_oldest_that_every_reader_passed(self, log: EventLog) -> None:
        log.append(entry(number) for number in range(10))
        positions = [record.position for record in log.read(0)]
        assert log.retain(received_before=0, max_bytes=0, upto=positions[2]) == 3
        assert [record.position for record in log.read(0)] == positions[3:]

    def test_retention_lowers_no_count_and_frees_no_position(self, reopen: Callable[[], EventLog]) -> None:
        log = reopen()
        log.append([entry(1), entry(2)])
        before = log.counts()
        log.retain(received_before=ENORMOUS, max_bytes=ENORMOUS, upto=before.end)
        assert log.read(0) == []
        assert log.counts() == before
        log.close()
        again = reopen()
        again.append([entry(3)])
        assert again.read(0)[0].position > before.end

    def test_many_threads_append_and_one_reader_misses_none_and_sees_none_twice(self, log: EventLog) -> None:
        def write(source: int) -> None:
            for number in range(50):
                log.append([entry(number, source=source), entry(number, source=source)])

        writers = [threading.Thread(target=write, args=(source,)) for source in range(4)]
        for writer in writers:
            writer.start()
        seen: list[Record] = []
        deadline = time.monotonic() + 60
        while len(seen) < 400 and time.monotonic() < deadline:
            seen += log.read(seen[-1].position if seen else 0)
        for writer in writers:
            writer.join()
        assert log.read(seen[-1].position) == []
        assert seen == log.read(0)
        assert len(seen) == 400
