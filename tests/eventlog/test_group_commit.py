import queue
import threading
from collections.abc import Iterable
from pathlib import Path

import pytest

from jetbridge.errors import Backpressure
from jetbridge.eventlog.base import Entry, LogUnavailable
from jetbridge.eventlog.group_commit import GROUP_ENTRIES, GroupCommit
from jetbridge.eventlog.sqlite import SqliteEventLog


class GatedLog(SqliteEventLog):
    """A log whose appends wait at a gate, and say when one has come to it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.gate = threading.Event()
        self.arrived = threading.Semaphore(0)
        self.groups: list[int] = []

    def append(self, entries: Iterable[Entry]) -> None:
        rows = list(entries)
        self.arrived.release()
        assert self.gate.wait(20)
        super().append(rows)
        self.groups.append(len(rows))


def entry(number: int = 0) -> Entry:
    return Entry(1, "track", number, b"x" * 100)


@pytest.fixture
def log(tmp_path: Path) -> GatedLog:
    return GatedLog(tmp_path / "log.db")


def test_done_is_called_when_the_entries_can_be_read(tmp_path: Path) -> None:
    log = SqliteEventLog(tmp_path / "log.db")
    answers: queue.Queue[tuple[Exception | None, int]] = queue.Queue()
    commit = GroupCommit(log)
    commit.submit([entry(1), entry(2)], lambda error: answers.put((error, len(log.read(0)))))
    assert answers.get(timeout=20) == (None, 2)
    commit.close()
    log.close()


def test_what_arrives_during_one_sync_shares_the_next(log: GatedLog) -> None:
    commit = GroupCommit(log)
    commit.submit([entry()], lambda _: None)
    assert log.arrived.acquire(timeout=20)
    for number in range(9):
        commit.submit([entry(number)], lambda _: None)
    log.gate.set()
    commit.close()
    assert log.groups == [1, 9]
    log.close()


def test_a_single_call_waits_for_one_large_submission_and_none_waits_for_ever(log: GatedLog) -> None:
    """They keep the order in which they came within a transaction, and the oldest always goes."""
    commit = GroupCommit(log)
    commit.submit([entry()], lambda _: None)
    assert log.arrived.acquire(timeout=20)
    order: list[str] = []

    def submit(name: str, size: int) -> None:
        commit.submit([entry()] * size, lambda _: order.append(name))

    for name in ("A", "B", "C"):
        submit(name, GROUP_ENTRIES)
    for name in ("one", "two"):
        submit(name, 1)
    log.gate.set()
    commit.close()
    assert log.groups == [1, GROUP_ENTRIES + 2, 2 * GROUP_ENTRIES]
    assert order == ["A", "one", "two", "B", "C"]
    log.close()


def test_too_much_waiting_is_backpressure_and_nothing_of_it_is_kept(log: GatedLog) -> None:
    commit = GroupCommit(log, max_waiting_bytes=250)
    commit.submit([entry(1)], lambda _: None)
    assert log.arrived.acquire(timeout=20)
    commit.submit([entry(2), entry(3)], lambda _: None)
    with pytest.raises(Backpressure, match="busy"):
        commit.submit([entry(4)], lambda _: None)
    log.gate.set()
    commit.close()
    assert [record.received_at for record in log.read(0)] == [1, 2, 3]
    log.close()


def test_closing_commits_what_was_submitted_and_refuses_what_comes_after(log: GatedLog) -> None:
    answers: list[Exception | None] = []
    log.gate.set()
    commit = GroupCommit(log)
    for number in range(100):
        commit.submit([entry(number)], answers.append)
    commit.close()
    assert answers == [None] * 100
    assert len(log.read(0)) == 100
    with pytest.raises(Backpressure, match="stopping"):
        commit.submit([entry()], answers.append)
    log.close()


def test_a_full_disk_is_told_to_every_sender_of_the_group(tmp_path: Path) -> None:
    log = SqliteEventLog(tmp_path / "log.db", max_disk_bytes=100_000)
    answers: list[Exception | None] = []
    commit = GroupCommit(log)
    commit.submit([Entry(1, "track", 1, b"x" * 200_000)], answers.append)
    commit.close()
    assert [type(answer) for answer in answers] == [LogUnavailable]
    assert log.read(0) == []
    log.close()
