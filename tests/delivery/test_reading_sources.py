"""A destination's sources may come and go; the account stays balanced, and nobody's messages are lost."""

from threading import Event
from typing import TYPE_CHECKING, Any

from jetbridge.control.models import Source
from jetbridge.delivery.consumer import Consumer
from jetbridge.delivery.report import DestinationReport, report
from jetbridge.eventlog.base import Entry
from jetbridge.routing.route import Route

if TYPE_CHECKING:
    from conftest import Bench, Recorder


class UntilIdle(Event):
    def wait(self, timeout: float | None = None) -> bool:
        self.set()
        return True


def read(bench: "Bench", recorder: "Recorder", *sources: Source) -> DestinationReport:
    """Let a consumer with these sources, started anew, read to the end."""
    route = Route(frozenset({"identify"}), ("Recorder",), {source.id: "http" for source in sources})
    Consumer(event_log=bench.log, destination_id=bench.row.id, destination=recorder, route=route).run(
        UntilIdle()
    )
    return account(bench)


def account(bench: "Bench") -> DestinationReport:
    (row,) = report(bench.log.counts)
    assert row.balanced
    return row


def send(bench: "Bench", source: Source, number: int) -> list[str]:
    before, bench.source = bench.source, source
    ids = bench.send(number)
    bench.source = before
    return ids


def test_a_source_that_is_added_is_read_from_the_place_where_the_destination_stands(
    bench: "Bench", recorder: "Recorder"
) -> None:
    other = bench.row.workspace.sources.create(name="App", kind="http")
    bench.begin()
    send(bench, other, 3)
    first = bench.send(2)
    assert read(bench, recorder, bench.source).received == 2
    second = send(bench, other, 2)
    row = read(bench, recorder, bench.source, other)
    assert (row.received, row.delivered, row.pending) == (4, 4, 0)
    assert recorder.delivered == first + second


def test_what_an_added_source_sent_and_nobody_has_read_yet_is_not_passed_over(
    bench: "Bench", recorder: "Recorder"
) -> None:
    other = bench.row.workspace.sources.create(name="App", kind="http")
    bench.begin()
    ids = send(bench, other, 2) + bench.send(1)
    bench.log.append([Entry(other.id, "invalid", 1, b"{", "bad_request: no call")])
    assert read(bench, recorder, bench.source, other).received == 3
    assert recorder.delivered == ids


def test_a_source_that_is_taken_away_and_comes_back_leaves_the_account_balanced(
    bench: "Bench", recorder: "Recorder"
) -> None:
    other = bench.row.workspace.sources.create(name="App", kind="http")
    bench.begin()
    send(bench, other, 2)
    assert read(bench, recorder, bench.source, other).received == 2
    assert read(bench, recorder, bench.source).received == 2
    missed = send(bench, other, 5)
    assert account(bench).received == 2
    assert read(bench, recorder, bench.source).received == 2
    again = send(bench, other, 1)
    row = read(bench, recorder, bench.source, other)
    assert (row.received, row.delivered, row.pending) == (3, 3, 0)
    assert recorder.delivered[2:] == again
    assert not set(missed) & set(recorder.delivered)


def test_nothing_is_counted_anew_when_nothing_changed(bench: "Bench", recorder: "Recorder") -> None:
    bench.begin()
    bench.send(2)
    before: Any = read(bench, recorder, bench.source)
    assert read(bench, recorder, bench.source) == before
