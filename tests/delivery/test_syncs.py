"""A destination on a schedule, on a clock that the test moves."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from jetbridge.delivery import ledger, replay, retry_queue, syncs
from jetbridge.delivery.base import BatchPolicy, DeliveryCounts, DeliveryItem
from jetbridge.delivery.models import SyncRow
from jetbridge.delivery.report import report
from jetbridge.delivery.syncs import Schedule, SyncState
from jetbridge.errors import TransientError
from jetbridge.eventlog.base import PositionRange
from jetbridge.privacy import erasure
from jetbridge.privacy.erasure import Eraser
from jetbridge.spec.message import decode
from jetbridge.spec.person import Identity

if TYPE_CHECKING:
    from conftest import Bench, Recorder

HOURLY = Schedule(60)


@dataclass
class Clock:
    #: After whatever the machine's clock says: who asks for a sync is dated by that.
    now: datetime = datetime(2126, 11, 30, 13, 40, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def at(self, hour: int, minute: int = 0) -> None:
        self.now = self.now.replace(hour=hour, minute=minute)


@dataclass
class Hourly:
    """Starts consumers of an hourly destination."""

    bench: "Bench"
    clock: Clock
    run: Callable[..., Any]

    def start(self, destination: Any, **options: Any) -> Any:
        options.setdefault("schedule", HOURLY)
        return self.run(destination, now=self.clock, **options)

    @property
    def row(self) -> SyncRow:
        return SyncRow.objects.get(destination_id=self.bench.row.id)

    @property
    def state(self) -> SyncState:
        return syncs.states({self.bench.row.id: HOURLY}, self.clock.now)[self.bench.row.id]

    def has_ended(self) -> bool:
        return self.row.ended_at is not None


@pytest.fixture
def hourly(bench: "Bench", run: Any, monkeypatch: pytest.MonkeyPatch) -> Hourly:
    monkeypatch.setattr(syncs, "LOOK_SECONDS", 0.02)
    bench.begin()
    return Hourly(bench, Clock(), run)


def begun(hourly: Hourly) -> bool:
    return SyncRow.objects.exclude(counted_from=None).exists()


def test_nothing_is_read_until_the_next_moment_and_then_all_that_waits(
    hourly: Hourly, recorder: "Recorder", eventually: Any
) -> None:
    ids = hourly.bench.send(25)
    hourly.start(recorder, policy=BatchPolicy(records=10, linger_seconds=1_000))
    eventually(lambda: begun(hourly), "its first moment is known")
    hourly.clock.at(13, 59)
    assert (hourly.state.next_at.hour, hourly.state.is_running) == (14, False)
    assert recorder.attempts == []
    hourly.clock.at(14)
    eventually(lambda: recorder.delivered == ids, "all that waits is delivered")
    assert recorder.attempts == [ids[:10], ids[10:20], ids[20:]]
    eventually(hourly.has_ended, "the sync ends")
    later = hourly.bench.send(1)
    hourly.clock.at(14, 59)
    assert (hourly.state.next_at.hour, hourly.state.is_running) == (15, False)
    assert recorder.delivered == ids
    hourly.clock.at(15)
    eventually(lambda: recorder.delivered == ids + later, "what came since comes with the next sync")


def test_what_comes_during_a_sync_waits_for_the_next(
    hourly: Hourly, recorder: "Recorder", eventually: Any
) -> None:
    class Slow:
        def deliver(self, items: Any, progress: Any) -> None:
            hourly.bench.send(1)
            recorder.deliver(items, progress)

        def close(self) -> None: ...

    first = hourly.bench.send(2)
    hourly.start(Slow(), policy=BatchPolicy(records=1))
    eventually(lambda: begun(hourly), "its first moment is known")
    hourly.clock.at(14)
    eventually(lambda: bool(hourly.row.ended_at), "the sync ends")
    assert recorder.delivered == first


def test_somebody_who_asks_for_a_sync_gets_one_at_once_and_another_one_after_that_under_way(
    hourly: Hourly, recorder: "Recorder", eventually: Any
) -> None:
    class Busy:
        """Somebody presses the button while it delivers."""

        def deliver(self, items: Any, progress: Any) -> None:
            if not recorder.attempts:
                hourly.bench.send(1)
                syncs.request(hourly.bench.row.id)
                syncs.request(hourly.bench.row.id)
            recorder.deliver(items, progress)

        def close(self) -> None: ...

    hourly.bench.send(1)
    syncs.request(hourly.bench.row.id)  # its consumer has not begun
    hourly.start(Busy())
    eventually(lambda: recorder.attempts == [["m0"], ["m1"]], "both are delivered, each by a sync")
    eventually(lambda: hourly.has_ended() and not hourly.state.is_requested, "nothing more is asked for")
    hourly.bench.send(1)
    assert hourly.state.next_at.hour == 14
    syncs.request(hourly.bench.row.id)
    eventually(lambda: recorder.delivered == ["m0", "m1", "m2"], "nor has the schedule ended")


def test_a_moment_that_passes_during_a_sync_follows_it(
    hourly: Hourly, recorder: "Recorder", eventually: Any
) -> None:
    class Slow:
        def deliver(self, items: Any, progress: Any) -> None:
            if hourly.clock.now.hour == 14:
                hourly.bench.send(1)
                hourly.clock.at(15, 10)
            recorder.deliver(items, progress)

        def close(self) -> None: ...

    hourly.bench.send(1)
    hourly.start(Slow())
    eventually(lambda: begun(hourly), "its first moment is known")
    hourly.clock.at(14)
    eventually(
        lambda: recorder.delivered == ["m0", "m1"], "the sync of 15:00 begins when that of 14:00 has ended"
    )


def test_a_restart_goes_on_with_the_sync_and_no_moment_is_lost(
    hourly: Hourly, recorder: "Recorder", eventually: Any
) -> None:
    class Dies:
        def deliver(self, items: Any, progress: Any) -> None:
            if recorder.attempts:
                stop.set()
                raise TransientError("DOWN", "It is down.", retry_after_seconds=1_000)
            recorder.deliver(items, progress)

        def close(self) -> None: ...

    ids = hourly.bench.send(3)
    stop = hourly.start(Dies(), policy=BatchPolicy(records=1))
    eventually(lambda: begun(hourly), "its first moment is known")
    hourly.clock.at(14)
    eventually(stop.is_set, "it dies in the middle")
    later = hourly.bench.send(1)
    assert (hourly.state.is_running, hourly.state.share) == (True, 33)
    hourly.start(recorder, policy=BatchPolicy(records=1))
    eventually(hourly.has_ended, "the sync goes on to its end")
    assert recorder.delivered == ids
    stop = hourly.start(recorder)
    stop.set()
    hourly.clock.at(15, 20)  # nobody was there at 15:00
    hourly.start(recorder)
    eventually(lambda: recorder.delivered == ids + later, "what was due is done")


def test_a_try_that_failed_for_now_belongs_to_the_sync(
    hourly: Hourly, recorder: "Recorder", eventually: Any
) -> None:
    ids = hourly.bench.send(2)
    recorder.raises = [TransientError("LOCKED", "Somebody has it open.")] * 20
    hourly.start(recorder, policy=BatchPolicy(retry_cap_seconds=0.01))
    eventually(lambda: begun(hourly), "its first moment is known")
    hourly.clock.at(14)
    eventually(lambda: recorder.delivered == ids, "it is tried until it gets through")
    eventually(hourly.has_ended, "then the sync ends")
    assert hourly.row.began_at == hourly.clock.now
    assert len(recorder.attempts) == 21


def test_what_is_to_be_tried_again_and_replayed_comes_with_the_next_sync(
    hourly: Hourly, recorder: "Recorder", eventually: Any
) -> None:
    bench = hourly.bench
    (id_,) = bench.send(1)
    hourly.start(recorder)
    syncs.request(bench.row.id)
    eventually(lambda: recorder.delivered == [id_], "it is delivered")
    eventually(lambda: hourly.has_ended() and not hourly.state.is_requested, "the sync ends")
    record = bench.log.read(0)[0]
    retry_queue.postpone(
        bench.row.id, [DeliveryItem(record.position, decode(record.body), source=bench.source.id)], 0
    )
    ledger.add(bench.row.id, DeliveryCounts(delivered=-1))
    replay.request(bench.row.id, PositionRange(0, record.position), None, 1)
    hourly.clock.at(13, 59)
    assert (recorder.delivered, retry_queue.waiting(bench.row.id)) == ([id_], 1)
    hourly.clock.at(14)
    eventually(lambda: recorder.delivered == [id_] * 3, "both come at 14:00")
    eventually(hourly.has_ended, "the sync ends")
    (row,) = report(bench.log.counts)
    assert (row.balanced, row.replayed) == (True, 1)


def test_an_erasure_does_not_wait_for_the_next_sync(
    hourly: Hourly, recorder: "Recorder", eventually: Any
) -> None:
    class Handler:
        readers = (hourly.bench.reader,)

        def known(self, identity: Identity) -> Identity:
            return identity

        def erase(self, identity: Identity, now: int) -> None: ...

        def erased(self, identity: Identity) -> str:
            return "Recorder: nothing."

    hourly.bench.send(1, user_id="ann")
    hourly.start(recorder)
    eventually(lambda: begun(hourly), "its first moment is known")
    row = erasure.request(hourly.bench.row.workspace_id, Identity.of_name("ann"))
    eraser = Eraser(hourly.bench.log, lambda _: [Handler()])
    assert not eraser.step(row)  # its last batch may be under way
    row.requested_at -= timedelta(minutes=1)
    row.save()
    assert eraser.step(row)
    hourly.clock.at(14)
    eventually(lambda: bool(hourly.row.ended_at), "the sync ends")
    assert recorder.delivered == []


def test_a_delete_call_begins_a_sync(hourly: Hourly, recorder: "Recorder", eventually: Any) -> None:
    hourly.bench.send(1, kind="delete")  # read while it delivered continuously
    ids = hourly.bench.send(2)
    hourly.start(recorder)
    eventually(lambda: begun(hourly), "its first moment is known")
    assert recorder.attempts == []
    hourly.bench.send(1, kind="delete")
    eventually(lambda: bool(hourly.row.ended_at), "what waits is read with it")
    assert recorder.delivered == ids
    began_at = hourly.row.began_at
    hourly.bench.send(1)
    hourly.clock.at(14)
    eventually(lambda: hourly.row.began_at != began_at, "then the schedule goes on")


def test_without_a_schedule_no_sync_is_left(hourly: Hourly, recorder: "Recorder", eventually: Any) -> None:
    syncs.request(hourly.bench.row.id)
    (id_,) = hourly.bench.send(1)
    hourly.start(recorder, schedule=None)
    eventually(lambda: recorder.delivered == [id_], "it is delivered at once")
    assert not SyncRow.objects.exists()
    assert ledger.position(hourly.bench.reader) == 1
