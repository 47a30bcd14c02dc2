import threading
from typing import Any

import pytest

from jetbridge.delivery import threads as module
from jetbridge.delivery.threads import Threads


class Body:
    """A runnable that notes each start and waits for its stop."""

    def __init__(self) -> None:
        self.started = 0
        self.stopped = 0

    def __call__(self, stop: threading.Event) -> None:
        self.started += 1
        stop.wait(20)
        self.stopped += 1


@pytest.fixture
def threads() -> Any:
    kept = Threads()
    yield kept
    kept.stop()


def test_what_is_wanted_is_started_once(threads: Threads, eventually: Any) -> None:
    body = Body()
    for _ in range(3):
        threads.keep({"a": (1, body)})
    eventually(lambda: body.started == 1, "it runs")
    assert body.stopped == 0


def test_what_is_no_longer_wanted_is_stopped(threads: Threads, eventually: Any) -> None:
    first, second = Body(), Body()
    threads.keep({"a": (1, first), "b": (1, second)})
    eventually(lambda: first.started == second.started == 1, "both run")
    threads.keep({"b": (1, second)})
    assert (first.stopped, second.stopped) == (1, 0)


def test_a_changed_configuration_starts_it_anew(threads: Threads, eventually: Any) -> None:
    old, new = Body(), Body()
    threads.keep({"a": ("old", old)})
    eventually(lambda: old.started == 1, "it runs")
    threads.keep({"a": ("new", new)})
    eventually(lambda: new.started == 1, "the new one runs")
    assert old.stopped == 1


def test_what_died_is_started_again_after_a_pause(
    threads: Threads, eventually: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "RESTART_SECONDS", 3_600.0)
    starts: list[int] = []

    def dies(stop: threading.Event) -> None:
        starts.append(1)
        raise RuntimeError("nobody foresaw this")

    threads.keep({"a": (1, dies)})
    eventually(lambda: len(starts) == 1, "it died")
    threads.keep({"a": (1, dies)})
    assert len(starts) == 1
    monkeypatch.setattr(module, "RESTART_SECONDS", 0.0)
    eventually(lambda: threads.keep({"a": (1, dies)}) or len(starts) == 2, "it is started again")
    assert "a stopped unexpectedly and is started again." in caplog.text


def test_stopping_ends_all(threads: Threads, eventually: Any) -> None:
    bodies = [Body() for _ in range(5)]
    threads.keep({str(index): (1, body) for index, body in enumerate(bodies)})
    eventually(lambda: all(body.started for body in bodies), "all run")
    threads.stop()
    assert [body.stopped for body in bodies] == [1] * 5


def test_a_thread_that_dies_again_and_again_says_how_often_and_of_what(
    threads: Threads, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RESTART_SECONDS", 0.0)
    body = Body()

    def dies(stop: threading.Event) -> None:
        raise RuntimeError("nobody foresaw this")

    wanted: Any = {"dies": (1, dies), "lives": (1, body)}
    eventually(lambda: threads.keep(wanted) or threads.vitals()[0].deaths >= 3, "it has died three times")
    dead, alive = threads.vitals()
    assert dead.thread == "dies"
    assert dead.error == "RuntimeError in delivery/threads.py:" + dead.error.rpartition(":")[2]
    assert dead.failing_since is not None
    assert (alive.deaths, alive.error, alive.failing_since) == (0, "", None)


def test_a_thread_that_has_lived_long_is_well_again(threads: Threads, eventually: Any) -> None:
    deaths = iter([RuntimeError("once")])
    body = Body()

    def dies_once(stop: threading.Event) -> None:
        for error in deaths:
            raise error
        body(stop)

    running = threads._running
    eventually(
        lambda: threads.keep({"a": (1, dies_once)}) or body.started, "it was started again", seconds=30
    )
    assert threads.vitals()[0].deaths == 1
    running["a"].started_at -= module.HEALTHY_SECONDS
    assert (threads.vitals()[0].deaths, threads.vitals()[0].error) == (0, "")


def test_a_thread_that_hangs_is_silent_and_gets_no_second_one_beside_it(
    threads: Threads, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two consumers of one destination would each move its position, and count messages twice."""
    let_go = threading.Event()
    running: list[str] = []

    def hangs(stop: threading.Event) -> None:
        running.append("old")
        let_go.wait(60)

    threads.keep({"a": ("old", hangs)})
    eventually(lambda: running == ["old"], "it runs")
    heartbeat = threads._running["a"].stop
    heartbeat._expected_at -= 100
    assert threads.vitals()[0].silent_seconds >= 100
    heartbeat.set()  # as if it had been waited for already
    new = Body()
    threads.keep({"a": ("new", new)})
    assert (new.started, len(threads.vitals())) == (0, 1)
    let_go.set()
    eventually(lambda: threads.keep({"a": ("new", new)}) or new.started, "the new one follows the old one")
