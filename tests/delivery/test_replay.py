"""Replays: a span once more, accounted for as it is read, beside what is new."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

from jetbridge.delivery import batch, log_reader, replay, retention
from jetbridge.delivery.base import DeliveryItem, Progress
from jetbridge.delivery.consumer import ReplayFeed
from jetbridge.delivery.log_reader import LogReader
from jetbridge.delivery.models import Replay
from jetbridge.delivery.report import DestinationReport, report
from jetbridge.errors import PauseError, TransientError
from jetbridge.eventlog.base import EMAIL_EVENT, INVALID, Entry, PositionRange
from jetbridge.routing.route import Route

if TYPE_CHECKING:
    from conftest import Bench, Recorder


def figures(bench: "Bench") -> DestinationReport:
    (row,) = report(bench.log.counts)
    assert row.balanced
    return row


def route(bench: "Bench") -> Route:
    return Route(frozenset({"identify"}), ("Recorder",), {bench.source.id: "http"})


def ask(bench: "Bench", after: int = 0, upto: int | None = None, source: int | None = None) -> Replay:
    wanted = PositionRange(after, bench.log.counts().end if upto is None else upto)
    messages = replay.count(bench.log, wanted, batch.of_source(route(bench), source)).messages
    return replay.request(bench.row.id, wanted, source, messages)


def ended(row: Replay) -> bool:
    row.refresh_from_db()
    return row.ended_at is not None


def test_a_new_destination_can_be_given_what_came_before_it(
    bench: "Bench", run: Any, recorder: "Recorder", eventually: Any
) -> None:
    before = bench.send(2_500)
    bench.begin()
    run(recorder)
    asked = ask(bench)
    eventually(lambda: ended(asked), "it is read to its end")
    assert recorder.delivered == before
    row = figures(bench)
    assert (asked.messages, asked.done, asked.position) == (2_500, 2_500, 2_500)
    assert (row.received, row.replayed, row.delivered, row.pending) == (2_500, 2_500, 2_500, 0)


def test_only_the_span_and_the_source_that_were_asked_for_are_read(
    bench: "Bench", run: Any, recorder: "Recorder", eventually: Any
) -> None:
    ids = bench.send(10)
    bench.begin()
    run(recorder)
    asked = ask(bench, 2, 7)
    other = ask(bench, source=bench.source.id + 1)
    eventually(lambda: ended(asked) and ended(other), "both are read")
    assert recorder.delivered == ids[2:7]
    assert (other.messages, other.done, figures(bench).replayed) == (0, 0, 5)


def test_a_replay_is_routed_as_usual(bench: "Bench", run: Any, recorder: "Recorder", eventually: Any) -> None:
    bench.send(2, kind="track")
    bench.send(3, integrations={"Recorder": False})
    wanted = bench.send(1)
    bench.log.append(
        [
            Entry(bench.source.id, INVALID, 1, b"?", "code: why"),
            Entry(bench.source.id, EMAIL_EVENT, 1, b"{}"),
        ]
    )
    bench.begin()
    run(recorder)
    asked = ask(bench)
    eventually(lambda: ended(asked), "it is read")
    row = figures(bench)
    assert recorder.delivered == wanted
    assert (asked.messages, asked.done, row.received, row.delivered) == (6, 6, 6, 1)
    assert row.reasons["filtered"] == {"FILTERED_BY_INTEGRATIONS_OBJECT": 3, "UNSUPPORTED_EVENT_TYPE": 2}


def test_new_messages_go_between_the_batches_of_a_replay(
    bench: "Bench", run: Any, recorder: "Recorder", eventually: Any
) -> None:
    bench.send(5_000)
    bench.begin()
    asked = ask(bench)
    new = bench.send(3_000)
    run(recorder)
    eventually(lambda: ended(asked), "the replay ends")
    eventually(lambda: figures(bench).pending == 0, "the new ones are read")
    starts = [attempt[0] for attempt in recorder.attempts if attempt]
    assert starts[:6] == ["m5000", "m0", "m6000", "m1000", "m7000", "m2000"]
    assert sorted(recorder.delivered) == sorted([f"m{n}" for n in range(5_000)] + new)


def test_replays_of_one_destination_are_read_one_after_the_other(
    bench: "Bench", run: Any, recorder: "Recorder", eventually: Any
) -> None:
    bench.send(4)
    bench.begin()
    first, second = ask(bench, 2), ask(bench, 0, 3)
    run(recorder)
    eventually(lambda: ended(first) and ended(second), "both end")
    assert recorder.delivered == ["m2", "m3", "m0", "m1", "m2"]
    assert figures(bench).delivered == 5


@pytest.mark.parametrize("error", [RuntimeError("It died."), PauseError("PAUSED", "Mend it.")])
def test_a_replay_that_broke_in_the_middle_goes_on_from_its_place(
    bench: "Bench", run: Any, recorder: "Recorder", eventually: Any, error: Exception
) -> None:
    class BreaksAtTheSecond:
        def deliver(self, items: Sequence[DeliveryItem], progress: Progress) -> None:
            if recorder.delivered:
                with progress.commit() as counts:
                    counts.delivered += len(items)
                    raise error
            recorder.deliver(items, progress)

        def close(self) -> None: ...

    ids = bench.send(1_500)
    bench.begin()
    asked = ask(bench)
    feed = ReplayFeed(bench.log, bench.row.id, route(bench))
    batch = feed.next(1_000)
    assert batch
    BreaksAtTheSecond().deliver(batch.items, batch)
    batch = feed.next(1_000)
    assert batch
    with pytest.raises(type(error)):
        BreaksAtTheSecond().deliver(batch.items, batch)
    row = figures(bench)
    assert (row.received, row.delivered, row.pending) == (1_000, 1_000, 0)
    run(recorder)
    eventually(lambda: ended(asked), "it ends")
    assert (recorder.delivered, figures(bench).delivered) == (ids, 1_500)


def test_a_log_that_is_replaced_while_it_is_read_is_not_replayed(
    bench: "Bench", monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.send(3)
    bench.begin()
    ask(bench)
    verify = LogReader(bench.log, bench.reader).verify
    verify()
    read = bench.log.read

    def replaced(after: int, **options: Any) -> Any:
        for path in bench.home.glob("eventlog.db*"):
            path.unlink()
        bench.send(3)
        return read(after, **options)

    monkeypatch.setattr(bench.log, "read", replaced)
    with pytest.raises(PauseError, match="The event log is another one"):
        ReplayFeed(bench.log, bench.row.id, route(bench), verify).next(1_000)


def test_two_consumers_at_once_account_for_each_message_once(bench: "Bench") -> None:
    bench.send(3)
    bench.begin()
    ask(bench)
    first, second = (ReplayFeed(bench.log, bench.row.id, route(bench)).next(1_000) for _ in range(2))
    assert first
    assert second
    with first.commit() as counts:
        counts.delivered += 3
    with pytest.raises(TransientError), second.commit() as counts:
        counts.delivered += 3
    assert figures(bench).delivered == 3


def test_a_cancelled_replay_ends_and_what_was_under_way_is_accounted_for(bench: "Bench") -> None:
    bench.send(1_500)
    bench.begin()
    asked = ask(bench)
    feed = ReplayFeed(bench.log, bench.row.id, route(bench))
    batch = feed.next(1_000)
    assert batch
    assert replay.cancel(asked.id)
    with batch.commit() as counts:
        counts.delivered += 1_000
    assert feed.next(1_000) is None
    assert replay.cancel(asked.id) is False
    assert (figures(bench).delivered, figures(bench).replayed, ended(asked), asked.done) == (
        1_000,
        1_000,
        True,
        1_000,
    )


def test_retention_keeps_what_an_open_replay_has_not_read(bench: "Bench") -> None:
    bench.send(4)
    bench.begin()
    asked = ask(bench, 2)
    keeps = retention.Retention(bench.log, 1, 1_000, clock=lambda: 10**9)
    keeps.step()
    assert [record.position for record in bench.log.read(0)] == [3, 4]
    replay.cancel(asked.id)
    keeps.step()
    assert list(bench.log.read(0)) == []


def test_a_span_whose_records_are_gone_ends(
    bench: "Bench", run: Any, recorder: "Recorder", eventually: Any
) -> None:
    bench.send(3)
    bench.begin()
    bench.log.retain(received_before=10**15, max_bytes=0, upto=3)
    run(recorder)
    asked = ask(bench)
    eventually(lambda: ended(asked), "it ends")
    assert (asked.messages, asked.done, asked.position, recorder.delivered) == (0, 0, 3, [])


def test_a_time_leads_to_the_position_before_it(bench: "Bench") -> None:
    for moment in (100, 200, 200, 300):
        bench.log.append([Entry(bench.source.id, "identify", moment, b"{}")])
    found = [log_reader.position_before(bench.log, moment) for moment in (0, 100, 101, 200, 201, 300, 301)]
    assert found == [0, 0, 1, 1, 3, 3, 4]


def test_a_time_is_found_in_a_log_that_retention_has_shortened(bench: "Bench") -> None:
    for moment in (100, 200, 300):
        bench.log.append([Entry(bench.source.id, "identify", moment, b"{}")])
    bench.log.retain(received_before=201, max_bytes=10**9, upto=3)
    found = [log_reader.position_before(bench.log, moment) for moment in (0, 250, 300, 301)]
    assert found == [0, 0, 0, 3]


def test_the_account_is_balanced_whenever_one_looks(
    bench: "Bench", run: Any, recorder: "Recorder", eventually: Any
) -> None:
    bench.send(8_000)
    bench.begin()
    asked = ask(bench)
    run(recorder)
    looks = 0
    while not ended(asked):
        row = figures(bench)
        assert row.received == row.replayed
        looks += 1
    assert looks > 1
    assert figures(bench).delivered == 8_000
