import threading
import time
from typing import TYPE_CHECKING

import pytest

from jetbridge.delivery import ledger
from jetbridge.delivery.hold import Holds
from jetbridge.delivery.models import Reading
from jetbridge.errors import HoldError

if TYPE_CHECKING:
    from conftest import Bench

WRONG = HoldError("INVALID_AUTHENTICATION", "The key is wrong. Enter it again.")


@pytest.fixture
def reader(bench: "Bench") -> str:
    bench.begin()
    return bench.reader


def code(reader: str) -> str:
    return Reading.objects.get(reader=reader).hold_code


def test_a_hold_is_seen_and_lifted(reader: str) -> None:
    holds = Holds()
    holds.put(reader, WRONG)
    assert code(reader) == "INVALID_AUTHENTICATION"
    holds.lift(reader)
    assert (code(reader), bool(holds)) == ("", False)


def test_what_somebody_else_holds_is_not_lifted(reader: str) -> None:
    Holds().put(reader, WRONG)
    Holds().lift(reader)
    assert code(reader) == "INVALID_AUTHENTICATION"


def test_a_hold_keeps_its_time_when_only_its_words_change(reader: str) -> None:
    ledger.hold(reader, "RETRIES_EXHAUSTED", "The last trouble: one.")
    since = Reading.objects.get(reader=reader).held_at
    ledger.hold(reader, "RETRIES_EXHAUSTED", "The last trouble: another.")
    row = Reading.objects.get(reader=reader)
    assert (row.held_at, row.hold_reason) == (since, "The last trouble: another.")


def test_a_release_by_hand_ends_the_wait_within_two_seconds(reader: str) -> None:
    holds = Holds()
    holds.put(reader, WRONG)
    ledger.release_by_hand(reader)
    began = time.monotonic()
    assert holds.wait(threading.Event(), 60)
    assert time.monotonic() - began < 30
    assert not holds


def test_the_same_said_again_does_not_undo_a_release_that_was_not_noticed_yet(reader: str) -> None:
    holds = Holds()
    holds.put(reader, WRONG)
    ledger.release_by_hand(reader)
    holds.put(reader, WRONG)
    assert code(reader) == ""
    assert holds.released()


def test_a_stop_ends_the_wait_at_once(reader: str) -> None:
    holds, stop = Holds(), threading.Event()
    holds.put(reader, WRONG)
    stop.set()
    began = time.monotonic()
    assert not holds.wait(stop, 60)
    assert time.monotonic() - began < 30


def test_a_wait_without_holds_is_a_wait(reader: str) -> None:
    began = time.monotonic()
    assert not Holds().wait(threading.Event(), 0.2)
    assert time.monotonic() - began >= 0.2


def test_it_looks_once_a_second(reader: str) -> None:
    clock = [0.0]
    holds = Holds(clock=lambda: clock[0])
    holds.put(reader, WRONG)
    assert not holds.released()
    ledger.release_by_hand(reader)
    clock[0] = 0.9
    assert not holds.released()
    clock[0] = 1.0
    assert holds.released()


def test_a_release_stands_until_something_succeeds_or_it_is_held_anew(reader: str) -> None:
    assert not ledger.release_by_hand(reader)
    ledger.hold(reader, "FAILURE_RATIO", "Nearly everything is refused.")
    assert ledger.release_by_hand(reader)
    assert ledger.are_released([reader])
    ledger.end_release([reader])
    assert not ledger.are_released([reader])
    ledger.hold(reader, "FAILURE_RATIO", "Nearly everything is refused.")
    ledger.release_by_hand(reader)
    ledger.hold(reader, "INVALID_AUTHENTICATION", "The key is wrong.")
    assert not ledger.are_released([reader])
