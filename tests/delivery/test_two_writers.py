"""What holds when several threads or processes change the delivery state of one destination at once.

SQLite has one writer at a time, another database has not: whoever looks and then writes has to be alone meanwhile, or to notice.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection, transaction
from tests.at_once import LONGEST_WAIT_SECONDS, at_once

from jetbridge.delivery import ledger, retry_queue
from jetbridge.delivery.base import FAILED, DeliveryCounts, DeliveryRecord
from jetbridge.delivery.consumer import RetryFeed
from jetbridge.delivery.delivery_records import Choice
from jetbridge.delivery.models import DeliveryRecordRow, RetryEntry
from jetbridge.delivery.report import DestinationReport, report
from jetbridge.eventlog.base import Record

if TYPE_CHECKING:
    from conftest import Bench


def read_all(bench: "Bench", counts: DeliveryCounts, messages: int) -> None:
    """Let the destination read so many new messages, with this outcome."""
    with ledger.commit(bench.row.id, bench.log.counts().end, {bench.source.id: messages}, counts):
        pass


def report_of(bench: "Bench") -> DestinationReport:
    (row,) = report(bench.log.counts)
    return row


def fail(bench: "Bench", messages: int) -> list[int]:
    """Positions of so many new messages, which the destination has read, and which failed."""
    bench.send(messages)
    positions = [record.position for record in bench.log.read(0)]
    counts = DeliveryCounts()
    for position in positions:
        counts.fail(DeliveryRecord(FAILED, "REFUSED", "No.", position))
    read_all(bench, counts, messages)
    return positions


def test_two_retries_at_once_try_each_failure_again_once(
    bench: "Bench", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have read every failure before either of them takes one."""
    bench.begin()
    positions = fail(bench, 50)
    read, both_have_read = bench.log.read, Barrier(2, timeout=LONGEST_WAIT_SECONDS)

    def read_together(after: int, **options: Any) -> Sequence[Record]:
        if after == positions[-1] - 1:
            both_have_read.wait()
        return read(after, **options)

    monkeypatch.setattr(bench.log, "read", read_together)
    first, second = at_once(*[lambda: retry_queue.retry(bench.row.id, Choice(), bench.log)] * 2)
    assert first.messages + second.messages == 50
    assert list(RetryEntry.objects.order_by("position").values_list("position", flat=True)) == positions
    row = report_of(bench)
    assert (row.awaiting_retry, row.failed, row.pending, row.balanced) == (50, 0, 50, True)


def test_a_failure_is_retried_or_taken_back_and_never_both(bench: "Bench") -> None:
    bench.begin()
    positions = fail(bench, 50)
    ids = dict(DeliveryRecordRow.objects.values_list("position", "id"))

    def retry(position: int) -> int:
        return retry_queue.retry(bench.row.id, Choice(ids=[ids[position]]), bench.log).messages

    def revert_failure(position: int) -> int:
        with transaction.atomic():
            return int(ledger.revert_failure(bench.row.id, "REFUSED", position, 1))

    for position in positions:
        assert sum(at_once(partial(retry, position), partial(revert_failure, position))) == 1
    row = report_of(bench)
    assert (row.awaiting_retry + row.in_flight, row.failed, row.pending, row.balanced) == (50, 0, 50, True)


def test_a_report_balances_whatever_is_committed_between_its_queries(bench: "Bench") -> None:
    """After each query of the report two others commit every step that a message can take."""
    bench.begin()
    turns = 0

    def consume() -> None:
        """Some new messages are delivered, filtered, failed and in flight."""
        bench.send(5)
        counts = DeliveryCounts(delivered=1, filtered=Counter(NO_EMAIL=1), in_flight=1)
        counts.fail(DeliveryRecord(FAILED, "REFUSED", "No.", bench.log.counts().end))
        read_all(bench, counts, 4)

    def go_on() -> None:
        """What was in flight is delivered, a failure is retried, what is retried fails once more."""
        with transaction.atomic():
            ledger.add(bench.row.id, DeliveryCounts(delivered=1, in_flight=-1))
        if batch := RetryFeed(bench.row.id).next(1):
            with batch.commit() as counts:
                counts.fail(DeliveryRecord(FAILED, "AGAIN", "No.", batch.items[0].position))
        retry_queue.retry(bench.row.id, Choice(reason="REFUSED"), bench.log)

    def others_commit(execute: Callable[..., Any], *query: Any) -> Any:
        nonlocal turns
        turns += 1
        result = execute(*query)
        at_once(consume, go_on)
        return result

    consume()
    with connection.execute_wrapper(others_commit):
        rows = [report_of(bench) for _ in range(10)]
    assert turns >= 60
    assert all(row.balanced for row in rows), rows
    assert rows[0].received < rows[-1].received
    assert report_of(bench).balanced
