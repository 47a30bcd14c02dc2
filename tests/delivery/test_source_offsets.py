"""A destination's sources may come and go, while it reads, lags or stands still: each message is the destination's if its
source was connected when it was acknowledged, and the account says so.
"""

import itertools
from collections import Counter
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jetbridge.control.models import Source
from jetbridge.delivery import ledger
from jetbridge.delivery.consumer import Consumer
from jetbridge.delivery.models import SourceOffset
from jetbridge.delivery.report import DestinationReport, report
from jetbridge.eventlog.base import Entry
from jetbridge.routing.route import Route

if TYPE_CHECKING:
    from conftest import Bench, Recorder


class UntilIdle(Event):
    def wait(self, timeout: float | None = None) -> bool:
        self.set()
        return True


def read(bench: "Bench", recorder: Any) -> DestinationReport:
    """Let a consumer, started anew, read to the end."""
    kinds = dict(bench.row.sources.values_list("id", "kind"))
    route = Route(frozenset({"identify"}), ("Recorder",), kinds)
    consumer = Consumer(event_log=bench.log, destination_id=bench.row.id, destination=recorder, route=route)
    consumer.run(UntilIdle())
    return account(bench)


def account(bench: "Bench") -> DestinationReport:
    (row,) = report(bench.log.counts)
    assert row.balanced
    return row


def send(bench: "Bench", source: Source, number: int = 1) -> list[str]:
    before, bench.source = bench.source, source
    ids = bench.send(number)
    bench.source = before
    return ids


def connect(bench: "Bench", source: Source) -> bool:
    return ledger.connect(source, bench.row, bench.log)


def disconnect(bench: "Bench", source: Source) -> bool:
    return ledger.disconnect(source, bench.row, bench.log)


@pytest.fixture
def other(bench: "Bench") -> Source:
    bench.begin()
    return bench.row.workspace.sources.create(name="App", kind="http")


def test_what_was_sent_before_the_connection_is_not_the_destinations(
    bench: "Bench", recorder: "Recorder", other: Source
) -> None:
    send(bench, other, 3)
    ours = bench.send(2)  # not read yet: the destination lags
    assert connect(bench, other)
    ours += send(bench, other, 2)
    assert account(bench).pending == 4
    row = read(bench, recorder)
    assert (row.received, row.delivered, row.pending) == (4, 4, 0)
    assert recorder.delivered == ours


def test_what_was_sent_before_the_disconnection_is_delivered(
    bench: "Bench", recorder: "Recorder", other: Source
) -> None:
    connect(bench, other)
    ours = send(bench, other, 5)
    assert disconnect(bench, other)
    send(bench, other, 3)
    assert (account(bench).received, account(bench).pending) == (5, 5)
    assert read(bench, recorder).delivered == 5
    assert recorder.delivered == ours


def test_it_is_delivered_even_if_the_source_is_gone(
    bench: "Bench", recorder: "Recorder", other: Source
) -> None:
    connect(bench, other)
    ours = send(bench, other, 5)
    disconnect(bench, other)
    other.delete()
    assert read(bench, recorder).delivered == 5
    assert recorder.delivered == ours


def test_to_connect_twice_is_to_connect_once(bench: "Bench", other: Source) -> None:
    assert [connect(bench, other), connect(bench, other)] == [True, False]
    send(bench, other)
    assert [disconnect(bench, other), disconnect(bench, other)] == [True, False]
    assert account(bench).received == 1


def test_a_batch_that_is_under_way_when_a_source_leaves_is_counted_as_it_ends(
    bench: "Bench", recorder: "Recorder", other: Source
) -> None:
    """The source leaves and goes on sending after the batch was looked at, and before it is committed."""
    connect(bench, other)
    ours = send(bench, other, 2)
    deliver = recorder.deliver

    def leave_and_deliver(items: Any, progress: Any) -> None:
        if disconnect(bench, other):
            send(bench, other, 2)
        deliver(items, progress)

    recorder.deliver = leave_and_deliver  # type: ignore[method-assign]
    read(bench, recorder)
    row = read(bench, recorder)
    assert (row.received, row.delivered, row.pending) == (2, 2, 0)
    assert recorder.delivered == ours


def test_a_connection_that_something_else_made_begins_with_the_consumer(
    bench: "Bench", recorder: "Recorder", other: Source
) -> None:
    bench.row.sources.add(other)
    read(bench, recorder)
    ours = send(bench, other, 2)
    assert read(bench, recorder).delivered == 2
    assert recorder.delivered == ours


@pytest.mark.usefixtures("other")
def test_of_connections_long_ago_only_some_are_remembered(
    bench: "Bench", recorder: "Recorder", other: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jetbridge.delivery.ledger.READ_RANGES_KEPT", 2)
    for _ in range(5):
        connect(bench, other)
        send(bench, other)
        disconnect(bench, other)
    assert len(SourceOffset.objects.get(source_id=other.id).ranges) == 5  # nothing is read: all are needed
    assert read(bench, recorder).delivered == 5
    connect(bench, other)
    assert len(SourceOffset.objects.get(source_id=other.id).ranges) == 3


STEPS = st.lists(
    st.sampled_from(["connect", "disconnect", "send", "send to the first", "read", "invalid"]), max_size=25
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_each_message_follows_the_connection_at_its_time(bench: "Bench", steps: list[str]) -> None:
    """The model: a message is expected if its source was connected when it was sent. Whenever it is read."""
    row = bench.row
    bench.row = row.workspace.destinations.create(name=f"Recorder {next(NUMBERS)}", kind="recorder")
    row.delete()
    bench.row.sources.add(bench.source)
    bench.begin()
    other = bench.row.workspace.sources.create(name=f"App {next(NUMBERS)}", kind="http")
    recorder, expected, connected = Kept(), Counter[str](), False
    for step in steps:
        if step == "connect":
            connect(bench, other)
            connected = True
        elif step == "disconnect":
            disconnect(bench, other)
            connected = False
        elif step == "send":
            ids = send(bench, other)
            expected.update(ids if connected else [])
        elif step == "send to the first":
            expected.update(bench.send())
        elif step == "invalid":
            bench.log.append([Entry(other.id, "invalid", 1, b"{", "bad_request: no call")])
        else:
            read(bench, recorder)
        assert account(bench).received == expected.total()
    row = read(bench, recorder)
    assert (row.delivered, row.pending) == (expected.total(), 0)
    assert Counter(recorder.delivered) == expected


NUMBERS = itertools.count()


class Kept:
    def __init__(self) -> None:
        self.delivered: list[str] = []

    def deliver(self, items: Any, progress: Any) -> None:
        with progress.commit() as counts:
            counts.delivered += len(items)
        self.delivered += [item.message.message_id for item in items]

    def close(self) -> None: ...


def test_the_rows_of_an_earlier_version_mean_what_they_meant(
    bench: "Bench", recorder: "Recorder", other: Source
) -> None:
    """As the migration writes them: connected since a position; or closed where the consumer stood."""
    connect(bench, other)
    send(bench, other, 2)
    read(bench, recorder)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE delivery_sourceoffset SET ended_total = baseline + consumed, ranges = '[[0, 2]]' WHERE source_id = %s",
            [other.id],
        )
    bench.row.sources.remove(other)
    send(bench, other, 3)
    assert account(bench).received == 2
    connect(bench, other)
    ours = send(bench, other, 1)
    assert read(bench, recorder).received == 3
    assert recorder.delivered[2:] == ours
