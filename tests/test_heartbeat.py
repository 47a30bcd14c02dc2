import threading
import time
from collections.abc import Callable

from jetbridge.heartbeat import Heartbeat, beat


def silent_after(act: Callable[[Heartbeat], object]) -> float:
    heartbeat = Heartbeat()
    heartbeat._expected_at -= 100
    act(heartbeat)
    return heartbeat.silent_seconds


def test_who_does_nothing_is_silent() -> None:
    assert silent_after(lambda _: None) >= 100


def test_every_look_at_the_stop_event_is_a_heartbeat() -> None:
    assert silent_after(lambda heartbeat: heartbeat.is_set()) < 50
    assert silent_after(lambda heartbeat: heartbeat.wait(0)) < 50
    assert silent_after(lambda heartbeat: heartbeat.beat()) < 50


def test_others_that_stop_the_thread_are_no_heartbeat_of_it() -> None:
    assert silent_after(lambda heartbeat: heartbeat.set()) >= 100
    assert silent_after(threading.Event.is_set) >= 100


def test_who_waits_is_not_silent_until_the_wait_should_be_over() -> None:
    heartbeat = Heartbeat()
    waiting = threading.Thread(target=heartbeat.wait)
    waiting.start()
    deadline = time.monotonic() + 20
    while heartbeat._expected_at < time.monotonic() + 100:
        assert time.monotonic() < deadline
    assert heartbeat.silent_seconds == 0
    heartbeat.set()
    waiting.join(20)
    heartbeat.beat(waits_seconds=-100)
    assert heartbeat.silent_seconds >= 100


def test_beat_means_the_thread_that_calls_it() -> None:
    mine, other = Heartbeat(), Heartbeat()
    thread = threading.Thread(target=lambda: (other.adopt(), setattr(other, "_expected_at", 0), beat()))
    mine._expected_at = 0
    thread.start()
    thread.join(20)
    assert other.silent_seconds < 50
    beat()  # of a thread without one
    assert mine.silent_seconds > 50
