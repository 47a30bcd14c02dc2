"""Failures that are tried again: never lost, never twice in the account, never in the way of new messages."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jetbridge.delivery import ledger, retry_queue
from jetbridge.delivery.base import FAILED, DeliveryCounts, DeliveryItem, DeliveryRecord, Progress
from jetbridge.delivery.consumer import RetryFeed
from jetbridge.delivery.delivery_records import Choice, no_longer_kept
from jetbridge.delivery.models import DeliveryRecordRow, RetryEntry
from jetbridge.delivery.report import DestinationReport, report
from jetbridge.delivery.retry_queue import Failures, Retried
from jetbridge.errors import PauseError, TransientError

if TYPE_CHECKING:
    from conftest import Bench, Recorder


def figures(bench: "Bench") -> DestinationReport:
    (row,) = report(bench.log.counts)
    assert row.balanced
    return row


def fail(bench: "Bench", *reasons: str, total: int = 1) -> None:
    """Messages that the destination has read; each stands for `total` that merged, and they failed together."""
    counts = DeliveryCounts()
    for reason in reasons:
        bench.send(total)
        counts.fail(DeliveryRecord(FAILED, reason, "No.", bench.log.counts().end, total))
    with ledger.commit(bench.row.id, bench.log.counts().end, {bench.source.id: total * len(reasons)}, counts):
        pass


class Refuses:
    """Fails every item, keeping its message or not."""

    def __init__(self, body: bytes | None = None) -> None:
        self.totals: list[int] = []
        self.body = body

    def deliver(self, items: Sequence[DeliveryItem], progress: Progress) -> None:
        with progress.commit() as counts:
            for item in items:
                self.totals.append(item.total)
                counts.fail(
                    DeliveryRecord(FAILED, "AGAIN", "No.", item.position, total=item.total, body=self.body)
                )

    def close(self) -> None: ...


def test_a_failure_that_is_tried_again_is_delivered(
    bench: "Bench", run: Any, recorder: "Recorder", eventually: Any
) -> None:
    bench.begin()
    fail(bench, "A", "B")
    assert retry_queue.retry(bench.row.id, Choice(), bench.log) == Retried(messages=2, lost=0)
    row = figures(bench)
    assert (row.failed, row.awaiting_retry, row.pending, row.reasons["failed"]) == (0, 2, 2, {})
    run(recorder)
    eventually(lambda: figures(bench).pending == 0, "they are tried again")
    assert (sorted(recorder.delivered), figures(bench).delivered) == (["m0", "m1"], 2)
    assert (RetryEntry.objects.count(), DeliveryRecordRow.objects.count()) == (0, 0)


def test_messages_that_merged_and_failed_together_keep_their_number(
    bench: "Bench", run: Any, eventually: Any
) -> None:
    bench.begin()
    fail(bench, "A", "A", total=7)
    retry_queue.retry(bench.row.id, Choice(), bench.log)
    destination = Refuses()
    run(destination)
    eventually(lambda: figures(bench).reasons["failed"] == {"AGAIN": 14}, "all of them fail again")
    assert (destination.totals, figures(bench).pending) == ([7, 7], 0)


def test_failures_are_chosen_by_id_reason_time_and_person(bench: "Bench") -> None:
    bench.begin()
    fail(bench, "A", "A", "B")
    DeliveryRecordRow.objects.filter(reason="B").update(at=datetime(2026, 1, 2, tzinfo=UTC), person="u1")
    first = DeliveryRecordRow.objects.order_by("id")[0].id
    choices = [
        Choice(),
        Choice(ids=[first]),
        Choice(reason="A"),
        Choice(reason="C"),
        Choice(since=datetime(2026, 1, 3, tzinfo=UTC)),
        Choice(until=datetime(2026, 1, 3, tzinfo=UTC)),
        Choice(until=datetime(2026, 1, 2, tzinfo=UTC)),
        Choice(person="u1"),
        Choice(ids=[first], reason="B"),
    ]
    a, b = Failures("A", 2, 2), Failures("B", 1, 1)
    assert [retry_queue.failures(bench.row.id, choice) for choice in choices] == [
        [a, b],
        [Failures("A", 1, 1)],
        [a],
        [],
        [a],
        [b],
        [],
        [b],
        [],
    ]
    retry_queue.retry(bench.row.id, Choice(reason="A"), bench.log)
    assert figures(bench).reasons["failed"] == {"B": 1}


def test_what_neither_the_log_nor_its_record_has_any_more_stays_failed(bench: "Bench") -> None:
    bench.begin()
    fail(bench, "A", "B", total=3)
    body = bytes(bench.log.read(0)[-1].body)
    DeliveryRecordRow.objects.filter(reason="B").update(body=body)
    bench.log.retain(received_before=10**15, max_bytes=0, upto=bench.log.counts().end)
    assert retry_queue.retry(bench.row.id, Choice(), bench.log) == Retried(messages=3, lost=3)
    assert figures(bench).reasons["failed"] == {"A": 3}
    (row,) = RetryEntry.objects.all()
    assert (bytes(row.body), row.source_id) == (body, 0)


def test_failures_whose_records_are_gone_are_known_in_number(
    bench: "Bench", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "DELIVERY_RECORDS_KEPT", 2)
    bench.begin()
    fail(bench, "A", "A", "A", "B")
    ledger.trim_delivery_records()
    kept = [no_longer_kept(bench.row.id, FAILED, reason) for reason in ("A", "B", None)]
    assert kept == [1, 0, 1]
    assert retry_queue.retry(bench.row.id, Choice(reason="A"), bench.log).messages == 2
    assert figures(bench).reasons["failed"] == {"A": 1, "B": 1}


@pytest.mark.parametrize(
    "error",
    [
        TransientError("SERVER_ERROR", "Not now.", retry_after_seconds=0.01),
        RuntimeError("It died before the end of the transaction."),
    ],
)
def test_whatever_goes_wrong_before_the_commit_they_stay(bench: "Bench", error: Exception) -> None:
    bench.begin()
    fail(bench, "A", "A")
    retry_queue.retry(bench.row.id, Choice(), bench.log)
    batch = RetryFeed(bench.row.id).next(500)
    assert batch
    with pytest.raises(type(error)), batch.commit() as counts:
        counts.delivered += 2
        raise error
    row = figures(bench)
    assert (row.awaiting_retry, row.delivered) == (2, 0)


def test_new_messages_go_on_while_old_ones_hold(
    bench: "Bench", run: Any, recorder: "Recorder", eventually: Any
) -> None:
    class HoldsOld:
        def deliver(self, items: Sequence[DeliveryItem], progress: Progress) -> None:
            if items and items[0].position == 1:
                raise PauseError("REFUSED", "Not that one.")
            recorder.deliver(items, progress)

        def close(self) -> None: ...

    bench.begin()
    fail(bench, "A")
    retry_queue.retry(bench.row.id, Choice(), bench.log)
    run(HoldsOld())
    eventually(lambda: figures(bench).pause_code == "REFUSED", "it is held")
    new = bench.send(3)
    eventually(lambda: recorder.delivered == new, "new messages arrive")
    row = figures(bench)
    assert (row.state, row.awaiting_retry, row.delivered) == ("running", 1, 3)


def test_two_consumers_at_once_account_for_each_once(bench: "Bench") -> None:
    """The old thread of a destination may still be at work when the new one starts."""
    bench.begin()
    fail(bench, "A", "A")
    retry_queue.retry(bench.row.id, Choice(), bench.log)
    first, second = RetryFeed(bench.row.id).next(500), RetryFeed(bench.row.id).next(500)
    assert first
    assert second
    with first.commit() as counts:
        counts.delivered += 2
    with pytest.raises(TransientError), second.commit() as counts:
        counts.delivered += 2
    assert figures(bench).delivered == 2


def test_a_batch_is_bounded(bench: "Bench") -> None:
    bench.begin()
    fail(bench, *["A"] * 5)
    retry_queue.retry(bench.row.id, Choice(), bench.log)
    batch = RetryFeed(bench.row.id, rows=3).next(500)
    assert batch
    assert [item.position for item in batch.items] == [1, 2, 3]


def test_what_a_destination_postpones_is_pending_and_comes_again(
    bench: "Bench", run: Any, recorder: "Recorder", eventually: Any
) -> None:
    class Postpones:
        waits: ClassVar[list[float]] = [0.05, 0.05, 1_000]

        def deliver(self, items: Sequence[DeliveryItem], progress: Progress) -> None:
            with progress.commit() as counts:
                counts.delivered += len(items[1:])
                retry_queue.postpone(bench.row.id, items[:1], self.waits.pop(0))
            recorder.attempts.append([item.message.message_id for item in items])
            sources.update(item.source for item in items)

        def close(self) -> None: ...

    sources: set[int] = set()
    bench.begin()
    ids = bench.send(3)
    run(Postpones())
    eventually(lambda: recorder.attempts == [ids, ids[:1], ids[:1]], "the first one comes again twice")
    eventually(lambda: not Postpones.waits, "it is postponed for long")
    time.sleep(0.2)
    row = figures(bench)
    assert (row.received, row.delivered, row.awaiting_retry, row.pending) == (3, 2, 1, 1)
    assert len(recorder.attempts) == 3
    assert sources == {bench.source.id}


def test_what_is_not_due_is_not_looked_through_again_and_again(bench: "Bench", eventually: Any) -> None:
    bench.begin()
    fail(bench, "A", "B")
    retry_queue.retry(bench.row.id, Choice(), bench.log)
    later = datetime.now(UTC) + timedelta(hours=1)
    RetryEntry.objects.update(not_before=later)
    feed = RetryFeed(bench.row.id)
    assert feed.next(100) is None
    with CaptureQueriesContext(connection) as queries:
        assert feed.next(100) is None
    [query] = queries.captured_queries
    assert query["sql"].endswith("LIMIT 1")
    fail(bench, "C")
    retry_queue.retry(bench.row.id, Choice(), bench.log)  # a person wants it at once
    batch = feed.next(100)
    assert batch
    assert len(batch.items) == 1
    with batch.commit() as counts:
        counts.delivered += 1
    assert feed.next(100) is None
    RetryEntry.objects.update(not_before=datetime.now(UTC) + timedelta(seconds=0.2))
    feed = RetryFeed(bench.row.id)
    eventually(lambda: feed.next(100), "they are due")
