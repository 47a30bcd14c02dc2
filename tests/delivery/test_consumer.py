import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from jetbridge.delivery import ledger, pauses, retry_queue
from jetbridge.delivery.base import BatchPolicy, DeliveryItem, Progress
from jetbridge.delivery.models import ConsumerOffset
from jetbridge.delivery.pauses import PROBE_SECONDS
from jetbridge.delivery.report import PAUSED, DestinationReport, report
from jetbridge.delivery.retry import RetryDeadline
from jetbridge.errors import PauseError, TransientError
from jetbridge.eventlog.base import EMAIL_EVENT, INVALID, Entry
from jetbridge.spec.message import decode

if TYPE_CHECKING:
    from conftest import Bench, Recorder


def figures(bench: "Bench") -> DestinationReport:
    (row,) = report(bench.log.counts)
    assert row.balanced
    return row


def test_every_message_is_delivered_once_and_in_order(
    bench: "Bench", run: Any, recorder: "Recorder", eventually: Any
) -> None:
    bench.begin()
    first = bench.send(3)
    run(recorder)
    eventually(lambda: recorder.delivered == first, "the first messages arrive")
    second = bench.send(5_000)
    eventually(lambda: recorder.delivered == first + second, "the rest follows")
    assert figures(bench).delivered == 5_003


def test_a_new_destination_begins_at_the_end_of_the_log(
    bench: "Bench", run: Any, recorder: "Recorder", eventually: Any
) -> None:
    bench.send(10)
    bench.begin()
    new = bench.send(2)
    run(recorder)
    eventually(lambda: recorder.delivered == new, "only what came after the beginning")
    row = figures(bench)
    assert (row.received, row.delivered, row.pending) == (2, 2, 0)


def test_what_routing_keeps_back_is_counted_with_its_reason(
    bench: "Bench", run: Any, recorder: "Recorder", eventually: Any
) -> None:
    bench.begin()
    bench.send(2, kind="track")
    bench.send(3, integrations={"Recorder": False})
    wanted = bench.send(1)
    run(recorder)
    eventually(lambda: recorder.delivered == wanted, "the one that is meant for it")
    row = figures(bench)
    assert (row.received, row.delivered, row.failed, row.pending) == (6, 1, 0, 0)
    assert row.reasons["filtered"] == {"FILTERED_BY_INTEGRATIONS_OBJECT": 3, "UNSUPPORTED_EVENT_TYPE": 2}


def test_records_that_are_no_messages_are_not_received(
    bench: "Bench", run: Any, recorder: "Recorder", eventually: Any
) -> None:
    bench.begin()
    bench.log.append(
        [
            Entry(bench.source.id, INVALID, 1, b"?", "code: sentence"),
            Entry(bench.source.id, EMAIL_EVENT, 1, b"{}"),
            Entry(bench.source.id + 1, "identify", 1, b"another source's"),
        ]
    )
    run(recorder)
    eventually(lambda: ledger.position(bench.reader) == bench.log.counts().end, "the log is read")
    assert (figures(bench).received, recorder.delivered) == (0, [])


def test_a_transient_error_brings_the_same_messages_again(
    bench: "Bench", run: Any, recorder: "Recorder", eventually: Any
) -> None:
    bench.begin()
    ids = bench.send(2)
    recorder.raises = [TransientError("SERVER_ERROR", "Not now.", retry_after_seconds=0.01)] * 3
    run(recorder)
    eventually(lambda: recorder.delivered == ids, "they arrive at last")
    assert recorder.attempts == [ids] * 4
    assert figures(bench).delivered == 2


def test_trouble_does_not_end_between_two_tries(
    bench: "Bench", run: Any, recorder: "Recorder", eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Was: where a pause ended while the other feeds were asked, so that it began anew with the next try."""
    ends: list[object] = []
    clear_error = pauses.clear_error
    monkeypatch.setattr(pauses, "clear_error", lambda readers: ends.append(readers) or clear_error(readers))
    bench.begin()
    ids = bench.send(2)
    recorder.raises = [TransientError("SERVER_ERROR", "Not now.", retry_after_seconds=5.0)] * 50
    run(recorder, clock=count().__next__)  # a second passes with every look at the clock
    eventually(lambda: len(recorder.attempts) >= 30, "it tries")
    assert not ends
    eventually(lambda: recorder.delivered == ids, "they arrive at last")
    eventually(lambda: len(ends) == 1, "it is over")


def test_trouble_is_said_from_its_first_word_until_something_gets_through(
    bench: "Bench", run: Any, recorder: "Recorder", eventually: Any
) -> None:
    bench.begin()
    ids = bench.send(2)
    trouble = TransientError("SERVER_ERROR", "Not now.", retry_after_seconds=0.01)
    recorder.raises = [trouble] * 1_000
    run(recorder)
    eventually(lambda: figures(bench).last_error == "Not now.", "the trouble is seen")
    since = ConsumerOffset.objects.get(consumer=bench.reader).retrying_since
    recorder.raises = [TransientError("TIMEOUT", "No answer.", retry_after_seconds=0.01)] * 1_000
    eventually(lambda: figures(bench).last_error == "No answer.", "so is the next")
    assert ConsumerOffset.objects.get(consumer=bench.reader).retrying_since == since
    recorder.raises = []
    eventually(lambda: recorder.delivered == ids, "they arrive at last")
    eventually(lambda: figures(bench).last_error == "", "it is over")
    assert ConsumerOffset.objects.get(consumer=bench.reader).retrying_since is None


def test_a_hold_keeps_the_place_and_says_why(
    bench: "Bench", run: Any, recorder: "Recorder", eventually: Any
) -> None:
    bench.begin()
    bench.send(2)
    recorder.raises = [PauseError("INVALID_AUTHENTICATION", "The key is wrong. Enter it again.")]
    stop = run(recorder)
    eventually(lambda: figures(bench).state == PAUSED, "the destination is held")
    row = figures(bench)
    assert (row.pause_code, row.pause_reason) == (
        "INVALID_AUTHENTICATION",
        "The key is wrong. Enter it again.",
    )
    assert (row.received, row.delivered, row.pending) == (2, 0, 2)
    stop.set()
    eventually(lambda: recorder.closed, "the consumer ends")
    run(recorder)
    eventually(lambda: recorder.delivered == ["m0", "m1"], "started again, it goes on from its place")
    assert figures(bench).state == "running"


def test_a_consumer_that_died_between_delivery_and_commit_delivers_again_and_counts_once(
    bench: "Bench", run: Any, recorder: "Recorder", eventually: Any
) -> None:
    class DiesInCommit:
        def deliver(self, items: Any, progress: Any) -> None:
            with progress.commit() as counts:
                counts.delivered += len(items)
                raise PauseError("CRASH", "Something broke before the end of the transaction.")

        def close(self) -> None: ...

    bench.begin()
    ids = bench.send(4)
    stop = run(DiesInCommit())
    eventually(lambda: ConsumerOffset.objects.get().pause_code == "CRASH", "it breaks")
    assert (figures(bench).delivered, figures(bench).pending) == (0, 4)
    stop.set()
    run(recorder)
    eventually(lambda: recorder.delivered == ids, "all of them come again")
    assert figures(bench).delivered == 4


def test_a_slow_destination_does_not_delay_another(
    bench: "Bench", run: Any, recorder: "Recorder", eventually: Any
) -> None:
    gate = threading.Event()

    class Hangs:
        def deliver(self, items: Any, progress: Any) -> None:
            assert gate.wait(20)

        def close(self) -> None: ...

    other = replace(bench, row=bench.row.workspace.destinations.create(name="Other", kind="recorder"))
    bench.begin()
    other.begin()
    ids = bench.send(3)
    run(Hangs())
    run(recorder, other)
    eventually(lambda: recorder.delivered == ids, "the other goes on")
    gate.set()


def test_a_released_destination_tries_at_once(
    bench: "Bench", run: Any, recorder: "Recorder", eventually: Any
) -> None:
    bench.begin()
    ids = bench.send(2)
    recorder.raises = [PauseError("CIRCUIT_OPEN", "Nearly everything is refused.")]
    run(recorder)
    eventually(lambda: figures(bench).state == PAUSED, "the destination is held")
    assert pauses.resume_by_hand(bench.reader)
    eventually(lambda: recorder.delivered == ids, "it tries again at once", seconds=PROBE_SECONDS - 5)


def test_a_destination_that_answers_nothing_for_the_limit_is_paused_and_goes_on_trying(
    bench: "Bench", run: Any, recorder: "Recorder", eventually: Any
) -> None:
    clock = [1_793_534_400.0]
    bench.begin()
    ids = bench.send(2)
    trouble = TransientError("SERVER_ERROR", "Not now.")
    recorder.raises = [trouble] * 1_000
    run(recorder, retry_deadline=RetryDeadline(60, clock=lambda: clock[0]))
    eventually(lambda: len(recorder.attempts) >= 2, "it tries")
    assert figures(bench).state == "running"
    clock[0] += 60
    eventually(lambda: figures(bench).state == PAUSED, "it is held after the limit")
    row = figures(bench)
    assert (row.pause_code, row.pending, row.failed) == ("RETRIES_EXHAUSTED", 2, 0)
    assert row.pause_reason == (
        "Nothing has gone through since 2026-11-01 12:00 UTC; it goes on trying. The last error: Not now."
    )
    recorder.raises = []
    pauses.resume_by_hand(bench.reader)
    eventually(lambda: recorder.delivered == ids, "it goes on from its place")
    assert figures(bench).state == "running"


def test_a_stop_is_heard_while_it_waits_for_an_hour(bench: "Bench", run: Any, recorder: "Recorder") -> None:
    bench.begin()
    bench.send(1)
    recorder.raises = [TransientError("TOO_MANY_REQUESTS", "Fewer.", retry_after_seconds=3_600)]
    stop = run(recorder)
    while not recorder.attempts:
        threading.Event().wait(0.01)
    began = time.monotonic()
    stop.set()
    while not recorder.closed:
        threading.Event().wait(0.01)
    assert time.monotonic() - began < 60


def test_a_destination_that_lingers_gets_what_came_meanwhile_at_once(
    bench: "Bench", run: Any, recorder: "Recorder", eventually: Any
) -> None:
    bench.begin()
    first = bench.send(1)
    begun = time.monotonic()
    run(recorder, policy=BatchPolicy(records=10, linger_seconds=0.5))
    time.sleep(0.2)
    second = bench.send(2)
    eventually(lambda: recorder.delivered == first + second, "all three arrive")
    assert time.monotonic() - begun >= 0.5
    assert recorder.attempts == [first + second]


def test_a_full_batch_does_not_linger(
    bench: "Bench", run: Any, recorder: "Recorder", eventually: Any
) -> None:
    bench.begin()
    ids = bench.send(25)
    run(recorder, policy=BatchPolicy(records=10, linger_seconds=1_000))
    eventually(lambda: recorder.delivered == ids[:20], "two full batches arrive")
    assert recorder.attempts == [ids[:10], ids[10:20]]
    bench.send(5)
    eventually(lambda: len(recorder.attempts) == 3, "so does the third, once it is full")


def test_what_did_not_get_through_does_not_linger_again(
    bench: "Bench", run: Any, recorder: "Recorder", eventually: Any
) -> None:
    bench.begin()
    ids = bench.send(1)
    recorder.raises = [TransientError("SERVER_ERROR", "Not now.", retry_after_seconds=0.01)] * 5
    clock = iter(range(0, 1_000_000, 10))
    run(
        recorder,
        policy=BatchPolicy(linger_seconds=1_000, retry_cap_seconds=0.01),
        clock=lambda: float(next(clock)),
    )
    eventually(lambda: recorder.delivered == ids, "it arrives at last")
    assert recorder.attempts == [ids] * 6


def test_the_longest_pause_is_what_the_destination_says(
    bench: "Bench", run: Any, recorder: "Recorder", eventually: Any
) -> None:
    bench.begin()
    ids = bench.send(1)
    recorder.raises = [TransientError("WAREHOUSE_LOCKED", "Somebody has it open.")] * 30
    run(recorder, policy=BatchPolicy(retry_cap_seconds=0.02))
    eventually(lambda: recorder.delivered == ids, "thirty tries take less than a minute", seconds=20)


def test_an_item_names_its_source(bench: "Bench", run: Any, eventually: Any) -> None:
    class Sink:
        items: ClassVar[list[DeliveryItem]] = []

        def deliver(self, items: Sequence[DeliveryItem], progress: Progress) -> None:
            with progress.commit() as counts:
                counts.delivered += len(items)
            self.items.extend(items)

        def close(self) -> None: ...

    bench.begin()
    bench.send(1)
    run(Sink())
    eventually(lambda: Sink.items, "it arrives")
    assert Sink.items[0].source == bench.source.id


def test_a_destination_that_wants_one_at_a_time_gets_retries_too(
    bench: "Bench", run: Any, recorder: "Recorder", eventually: Any
) -> None:
    bench.begin()
    (id_,) = bench.send(1)
    record = bench.log.read(0)[0]
    item = DeliveryItem(record.position, decode(record.body), source=bench.source.id)
    retry_queue.postpone(bench.row.id, [item], 0)
    run(recorder, policy=BatchPolicy(records=1))
    eventually(lambda: recorder.delivered == [id_, id_], "the new one arrives, and the one that comes again")
