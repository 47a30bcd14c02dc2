import threading
import time
from typing import TYPE_CHECKING

import pytest

from jetbridge.delivery import pauses
from jetbridge.delivery.models import ConsumerOffset
from jetbridge.delivery.pauses import PauseRegistry, resume_by_hand
from jetbridge.errors import PauseError

if TYPE_CHECKING:
    from conftest import Bench

WRONG = PauseError("INVALID_AUTHENTICATION", "The key is wrong. Enter it again.")


@pytest.fixture
def reader(bench: "Bench") -> str:
    bench.begin()
    return bench.reader


def code(reader: str) -> str:
    return ConsumerOffset.objects.get(consumer=reader).pause_code


def test_a_hold_is_seen_and_lifted(reader: str) -> None:
    pauses = PauseRegistry()
    pauses.pause(reader, WRONG)
    assert code(reader) == "INVALID_AUTHENTICATION"
    pauses.resume(reader)
    assert (code(reader), bool(pauses)) == ("", False)


def test_what_somebody_else_holds_is_not_lifted(reader: str) -> None:
    PauseRegistry().pause(reader, WRONG)
    PauseRegistry().resume(reader)
    assert code(reader) == "INVALID_AUTHENTICATION"


def test_a_hold_keeps_its_time_when_only_its_words_change(reader: str) -> None:
    pauses.pause(reader, "RETRIES_EXHAUSTED", "The last error: one.")
    since = ConsumerOffset.objects.get(consumer=reader).paused_at
    pauses.pause(reader, "RETRIES_EXHAUSTED", "The last error: another.")
    row = ConsumerOffset.objects.get(consumer=reader)
    assert (row.paused_at, row.pause_reason) == (since, "The last error: another.")


def test_a_release_by_hand_ends_the_wait_within_two_seconds(reader: str) -> None:
    pauses = PauseRegistry()
    pauses.pause(reader, WRONG)
    resume_by_hand(reader)
    began = time.monotonic()
    assert pauses.wait(threading.Event(), 60)
    assert time.monotonic() - began < 30
    assert not pauses


def test_the_same_said_again_does_not_undo_a_release_that_was_not_noticed_yet(reader: str) -> None:
    pauses = PauseRegistry()
    pauses.pause(reader, WRONG)
    resume_by_hand(reader)
    pauses.pause(reader, WRONG)
    assert code(reader) == ""
    assert pauses.resumed()


def test_a_stop_ends_the_wait_at_once(reader: str) -> None:
    pauses, stop = PauseRegistry(), threading.Event()
    pauses.pause(reader, WRONG)
    stop.set()
    began = time.monotonic()
    assert not pauses.wait(stop, 60)
    assert time.monotonic() - began < 30


def test_a_wait_without_holds_is_a_wait(reader: str) -> None:
    began = time.monotonic()
    assert not PauseRegistry().wait(threading.Event(), 0.2)
    assert time.monotonic() - began >= 0.2


def test_it_looks_once_a_second(reader: str) -> None:
    clock = [0.0]
    pauses = PauseRegistry(clock=lambda: clock[0])
    pauses.pause(reader, WRONG)
    assert not pauses.resumed()
    resume_by_hand(reader)
    clock[0] = 0.9
    assert not pauses.resumed()
    clock[0] = 1.0
    assert pauses.resumed()


def test_a_release_stands_until_something_succeeds_or_it_is_paused_anew(reader: str) -> None:
    assert not resume_by_hand(reader)
    pauses.pause(reader, "CIRCUIT_OPEN", "Nearly everything is refused.")
    assert resume_by_hand(reader)
    assert pauses.are_resumed([reader])
    pauses.forget_resume([reader])
    assert not pauses.are_resumed([reader])
    pauses.pause(reader, "CIRCUIT_OPEN", "Nearly everything is refused.")
    resume_by_hand(reader)
    pauses.pause(reader, "INVALID_AUTHENTICATION", "The key is wrong.")
    assert not pauses.are_resumed([reader])
