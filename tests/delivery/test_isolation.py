"""One message must not stop the others: who raises alone fails, and what fails together with others does not stay."""

import errno
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from django import db
from tests import makers as mk
from tests.fuzz import PURE, fuzz

from jetbridge.delivery import isolation, pauses, replay, retry_queue
from jetbridge.delivery.base import DeliveryItem, Progress
from jetbridge.delivery.consumer import BatchLimit
from jetbridge.delivery.delivery_records import Choice
from jetbridge.delivery.isolation import INTERNAL_ERROR, STORAGE_UNAVAILABLE
from jetbridge.delivery.models import ConsumerOffset, DeliveryRecordRow, Outcome, RetryEntry
from jetbridge.delivery.report import PAUSED, DestinationReport, report
from jetbridge.errors import TransientError
from jetbridge.eventlog.base import Entry, LogUnavailable
from jetbridge.routing.route import Decision, Route
from jetbridge.spec.message import Message

if TYPE_CHECKING:
    from conftest import Bench


@dataclass
class Touchy:
    """Raises for messages with these ids, in the middle of its transaction; delivers all others.

    `breaks` is raised for any batch of more than `most` items.
    """

    bad: set[str] = field(default_factory=set)
    error: Exception = field(default_factory=lambda: ValueError("secret-in-the-text"))
    breaks: Exception | None = None
    most: int = 10**9
    delivered: list[str] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)

    def deliver(self, items: Sequence[DeliveryItem], progress: Progress) -> None:
        self.batches.append(len(items))
        with progress.commit() as counts:
            for item in items:
                if item.message.message_id in self.bad:
                    raise self.error
                counts.delivered += item.total
            if self.breaks and len(items) > self.most:
                raise self.breaks
        self.delivered += [item.message.message_id for item in items]

    def close(self) -> None: ...


def figures(bench: "Bench") -> DestinationReport:
    (row,) = report(bench.log.counts)
    assert row.balanced
    return row


def failed() -> list[str]:
    return list(DeliveryRecordRow.objects.order_by("position").values_list("message_id", flat=True))


def test_a_message_that_raises_alone_fails_and_its_neighbours_arrive_once(
    bench: "Bench", run: Any, eventually: Any, caplog: pytest.LogCaptureFixture
) -> None:
    bench.begin()
    ids = bench.send(2_500, user_id="ada")
    touchy = Touchy({"m0", "m700", "m701", "m2499"})
    run(touchy)
    eventually(lambda: figures(bench).pending == 0, "nothing stands still")
    row = figures(bench)
    assert touchy.delivered == [id_ for id_ in ids if id_ not in touchy.bad]
    assert (row.delivered, row.reasons["failed"]) == (2_496, {INTERNAL_ERROR: 4})
    assert (row.state, row.last_error) == ("running", "")
    assert failed() == ["m0", "m700", "m701", "m2499"]
    delivery_record = DeliveryRecordRow.objects.first()
    assert delivery_record is not None
    assert delivery_record.person == "ada"
    assert delivery_record.detail.startswith("Jetbridge has a bug that this message meets (ValueError")
    assert "retry" in delivery_record.detail
    assert "secret-in-the-text" not in delivery_record.detail
    assert caplog.text.count("Traceback") <= 1
    assert len(touchy.batches) < 150


def test_all_that_raise_fail_without_trying_each_many_times(
    bench: "Bench", run: Any, eventually: Any
) -> None:
    bench.begin()
    touchy = Touchy(set(bench.send(300)))
    run(touchy)
    eventually(lambda: figures(bench).failed == 300, "all have failed")
    good = bench.send(50)
    eventually(lambda: touchy.delivered == good, "those that follow arrive")
    assert sum(touchy.batches) < 2_000


def test_what_failed_so_can_be_retried(bench: "Bench", run: Any, eventually: Any) -> None:
    bench.begin()
    ids = bench.send(20)
    touchy = Touchy({"m3", "m4"})
    run(touchy)
    eventually(lambda: figures(bench).failed == 2, "they have failed")
    retry_queue.retry(bench.row.id, Choice(reason=INTERNAL_ERROR), bench.log)
    eventually(lambda: figures(bench).failed == 2, "the bug is still there, and they fail again")
    assert not RetryEntry.objects.exists()
    touchy.bad.clear()
    retry_queue.retry(bench.row.id, Choice(), bench.log)
    eventually(lambda: figures(bench).delivered == 20, "now they arrive")
    assert sorted(touchy.delivered) == sorted(ids)
    assert (figures(bench).failed, ConsumerOffset.objects.get().pause_code) == (0, "")


def test_one_that_raises_does_not_stop_a_retry_or_a_replay(bench: "Bench", run: Any, eventually: Any) -> None:
    bench.begin()
    bench.send(40)
    touchy = Touchy({f"m{number}" for number in range(40)})
    run(touchy)
    eventually(lambda: figures(bench).failed == 40, "all have failed")
    touchy.bad = {"m7"}
    retry_queue.retry(bench.row.id, Choice(), bench.log)
    eventually(lambda: figures(bench).delivered == 39, "all but one arrive")
    span = replay.replayable(bench.log, bench.row.id)
    replay.request(bench.row.id, span, None, 40)
    eventually(lambda: figures(bench).delivered == 78, "the replay goes on to its end")
    row = figures(bench)
    assert (row.received, row.failed, row.pending) == (80, 2, 0)


def test_records_that_nobody_can_read_fail_and_can_be_seen(bench: "Bench", run: Any, eventually: Any) -> None:
    bench.begin()
    first = bench.send(2)
    bodies = [b"{", b"[]", b'"\xff"', b"[" * 5_000 + b"]" * 5_000, b'{"type":"identify"}']
    bench.log.append(Entry(bench.source.id, "identify", 1_000, body) for body in bodies)
    last = bench.send(2)
    touchy = Touchy()
    run(touchy)
    eventually(lambda: touchy.delivered == first + last, "the others arrive")
    eventually(lambda: figures(bench).failed == len(bodies), "those have failed")
    assert [bytes(row.body or b"") for row in DeliveryRecordRow.objects.order_by("position")] == bodies
    retry_queue.retry(bench.row.id, Choice(), bench.log)
    eventually(lambda: not RetryEntry.objects.exists(), "they are tried again")
    assert figures(bench).failed == len(bodies)


def test_routing_that_raises_for_one_message_stops_no_other(
    bench: "Bench", monkeypatch: pytest.MonkeyPatch, run: Any, eventually: Any
) -> None:
    class Jealous(Route):
        def decide(self, message: Message, source: int) -> Decision:
            if message.message_id == "m1":
                raise RecursionError("too deep")
            return super().decide(message, source)

    monkeypatch.setitem(run.__globals__, "Route", Jealous)
    bench.begin()
    bench.send(3)
    touchy = Touchy()
    run(touchy)
    eventually(lambda: touchy.delivered == ["m0", "m2"], "the others arrive")
    eventually(lambda: figures(bench).reasons["failed"] == {INTERNAL_ERROR: 1}, "that one has failed")


def test_a_batch_that_fails_where_no_message_does_goes_through_in_parts(
    bench: "Bench", run: Any, eventually: Any
) -> None:
    bench.begin()
    ids = bench.send(1_000)
    touchy = Touchy(breaks=KeyError("only in company"), most=70)
    run(touchy)
    eventually(lambda: figures(bench).delivered == 1_000, "all arrive")
    assert (touchy.delivered, figures(bench).failed) == (ids, 0)


def test_an_exception_that_is_no_messages_fault_holds_and_says_so(
    bench: "Bench", run: Any, eventually: Any
) -> None:
    bench.begin()
    bench.send(3, kind="track")  # filtered: nothing comes to the destination, which raises all the same
    touchy = Touchy(breaks=KeyError("always"), most=-1)
    run(touchy)
    eventually(lambda: figures(bench).state == PAUSED, "it is held")
    row = figures(bench)
    assert (row.pause_code, row.pending, row.failed) == (INTERNAL_ERROR, 3, 0)
    assert "no single message is at fault" in row.pause_reason
    tries = len(touchy.batches)
    touchy.breaks = None
    pauses.resume_by_hand(bench.reader)
    eventually(lambda: figures(bench).pending == 0, "it goes on")
    assert tries < 10


ENVIRONMENTAL = [
    OSError(errno.ENOSPC, "No space left on device"),
    MemoryError(),
    sqlite3.OperationalError("database or disk is full"),
    sqlite3.DatabaseError("database disk image is malformed"),
    db.OperationalError("database is locked"),
    db.DatabaseError("file is not a database"),
    db.InterfaceError("connection already closed"),
    LogUnavailable("The event log takes no records."),
    TimeoutError(),
]


@pytest.mark.parametrize("error", ENVIRONMENTAL, ids=lambda error: type(error).__name__)
def test_errors_of_disk_database_and_memory_pause_and_fail_nothing(
    bench: "Bench", run: Any, eventually: Any, error: Exception
) -> None:
    bench.begin()
    ids = bench.send(5)
    touchy = Touchy({"m0"}, error=error)
    run(touchy)
    eventually(
        lambda: figures(bench).last_error.startswith("Jetbridge cannot work with its files"), "it says so"
    )
    assert set(touchy.batches) == {5}
    assert not Outcome.objects.exclude(total=0).exists()
    touchy.bad.clear()
    eventually(lambda: touchy.delivered == ids, "it goes on by itself")
    eventually(lambda: figures(bench).last_error == "", "that is over")
    assert figures(bench).failed == 0


@pytest.mark.parametrize(
    "error",
    [
        ValueError(),
        OverflowError("Python int too large to convert to SQLite INTEGER"),
        UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
        RecursionError(),
        AssertionError(),
        db.DataError("value out of range"),
        OSError(errno.EOVERFLOW, "Value too large for defined data type"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_all_other_errors_are_a_records_own(error: Exception) -> None:
    assert not isolation.is_environmental(error)


def test_an_environmental_error_is_said_in_words() -> None:
    said = isolation.as_transient(sqlite3.OperationalError("database or disk is full"))
    assert isinstance(said, TransientError)
    assert said.code == STORAGE_UNAVAILABLE
    assert "database or disk is full" in str(said)


@fuzz(
    PURE,
    bad=mk.builds(set, mk.lists(mk.integers(0, 59), most=12)),
    most=mk.integers(1, 40),
    company=mk.integers(0, 90),
)
def test_a_batch_limit_finds_every_record_that_raises_alone(bad: set[int], most: int, company: int) -> None:
    """`company` is a number of records that raises whichever they are."""
    limit, at, found, tries = BatchLimit(most), 0, set(), 0
    while at < 60:
        taken = min(limit.size, 60 - at)
        tries += 1
        assert tries < 500
        if any(at <= each < at + taken for each in bad) or (taken > 1 and taken >= company):
            if limit.raised(taken):
                continue
            found.add(at)  # it was alone
        else:
            limit.succeeded()
        at += taken
    assert found == bad
