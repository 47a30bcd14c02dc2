import threading
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest
from django.db import connections

from jetbridge.delivery import ledger, report
from jetbridge.delivery.base import FAILED, DeliveryCounts, DeliveryRecord
from jetbridge.delivery.models import DeliveryRecordRow, source_consumer
from jetbridge.eventlog.base import EMAIL_EVENT, INVALID, Counts, Entry

if TYPE_CHECKING:
    from conftest import Bench


def account(bench: "Bench", counts: DeliveryCounts, consumed: int) -> report.DestinationReport:
    end = bench.log.counts().end
    with ledger.commit(bench.row.id, end, {bench.source.id: consumed}, counts):
        pass
    return report.report(bench.log.counts)[0]


def test_received_is_delivered_filtered_failed_and_pending(bench: "Bench") -> None:
    bench.begin()
    bench.send(10)
    counts = DeliveryCounts(delivered=3, filtered=Counter(A=1, B=2), failed=Counter(C=1), in_flight=1)
    row = account(bench, counts, consumed=8)
    assert asdict(row) == {
        "id": bench.row.id,
        "name": "Recorder",
        "kind": "recorder",
        "state": "running",
        "pause_code": "",
        "pause_reason": "",
        "last_error": "",
        "received": 10,
        "delivered": 3,
        "unread": 2,
        "in_flight": 1,
        "awaiting_retry": 0,
        "replayed": 0,
        "reasons": {"filtered": {"A": 1, "B": 2}, "failed": {"C": 1}},
        "stopped_at": None,
    }
    assert (row.filtered, row.failed, row.pending, row.balanced) == (3, 1, 3, True)


def test_a_message_that_nobody_accounts_for_unbalances_the_report(bench: "Bench") -> None:
    bench.begin()
    bench.send(10)
    row = account(bench, DeliveryCounts(delivered=7), consumed=8)
    assert (row.received, row.pending, row.balanced) == (10, 2, False)


def test_a_message_that_is_counted_twice_unbalances_the_report(bench: "Bench") -> None:
    bench.begin()
    bench.send(10)
    assert account(bench, DeliveryCounts(delivered=9), consumed=8).balanced is False


def test_a_destination_that_has_not_begun_has_received_nothing(bench: "Bench") -> None:
    bench.send(5)
    (row,) = report.report(bench.log.counts)
    assert (row.received, row.pending, row.state, row.balanced) == (0, 0, "running", True)


def test_a_disabled_destination_says_so_and_lets_its_messages_wait(bench: "Bench") -> None:
    bench.begin()
    bench.row.enabled = False
    bench.row.save()
    bench.send(2)
    (row,) = report.report(bench.log.counts)
    assert (row.state, row.pending) == ("disabled", 2)


def test_beginning_twice_changes_nothing(bench: "Bench") -> None:
    bench.begin()
    bench.send(3)
    bench.begin()
    (row,) = report.report(bench.log.counts)
    assert row.received == 3
    assert ledger.position(bench.reader) == 0


def test_retention_does_not_lower_what_was_received(bench: "Bench") -> None:
    bench.begin()
    bench.send(3)
    account(bench, DeliveryCounts(delivered=3), consumed=3)
    assert bench.log.retain(received_before=10**15, max_bytes=0, upto=bench.log.counts().end) == 3
    (row,) = report.report(bench.log.counts)
    assert (row.received, row.delivered, row.balanced) == (3, 3, True)


def test_sources_are_reported_by_what_came(bench: "Bench") -> None:
    bench.send(2)
    bench.send(1, kind="track")
    bench.log.append(
        [
            Entry(bench.source.id, INVALID, 1, b"?", "code: why"),
            Entry(bench.source.id, EMAIL_EVENT, 1, b"{}"),
        ]
    )
    ledger.begin(source_consumer(bench.source.id), Counts(0, {}))
    for repeated, failed, retried in ((2, 4, 0), (3, 0, 1)):
        ledger.count_events(
            source_consumer(bench.source.id),
            repeated=repeated,
            failed=failed,
            retried=retried,
            made_upto=2,
        )
    assert report.sources(bench.log.counts()) == [
        report.SourceReport(
            bench.source.id,
            "Website",
            "http",
            True,  # noqa: FBT003
            messages=3,
            invalid=1,
            email_events=0,
            repeated=5,
            failed_events=3,
            retried=1,
        )
    ]


def test_the_report_takes_no_write_lock(bench: "Bench") -> None:
    """`status` must not wait for a delivery that is being committed, nor delay it."""
    bench.begin()
    bench.send(1)
    with ledger.commit(bench.row.id, 1, {bench.source.id: 1}, DeliveryCounts()) as counts:
        counts.delivered += 1
        seen = _in_another_connection(bench)
    assert (seen.delivered, seen.pending) == (0, 1)


def _in_another_connection(bench: "Bench") -> report.DestinationReport:
    answers: list[report.DestinationReport] = []

    def look() -> None:
        answers.extend(report.report(bench.log.counts))
        connections.close_all()

    thread = threading.Thread(target=look)
    thread.start()
    thread.join(5)
    assert not thread.is_alive()
    return answers[0]


def test_delivery_records_beyond_what_is_kept_go_and_counters_stay(
    bench: "Bench", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "DELIVERY_RECORDS_KEPT", 3)
    bench.begin()
    bench.send(5)
    counts = DeliveryCounts()
    for position in range(5):
        counts.fail(DeliveryRecord(FAILED, "REFUSED", "No.", position))
    account(bench, counts, consumed=5)
    ledger.trim_delivery_records()
    assert list(DeliveryRecordRow.objects.values_list("position", flat=True)) == [2, 3, 4]
    assert report.report(bench.log.counts)[0].failed == 5
