"""One circuit by itself: when it rests, how small its bodies become, and what it remembers."""

from typing import Any

import pytest

from jetbridge.errors import PauseError, PermanentError, TransientError
from jetbridge.integrations.mailjet.sync import account as account_
from jetbridge.integrations.mailjet.sync.account import (
    MAX_CONTACTS,
    MIN_CONTACTS,
    PROBE_MS,
    ListCircuit,
    ListCircuits,
    ListGone,
)

TROUBLE = TransientError("SERVER_ERROR", "Mailjet has an internal problem.")
SILENCE = TransientError("TIMEOUT", "Mailjet did not respond in time.")
GONE = ListGone("LIST_NOT_FOUND", "The list is gone.")


class Clock:
    ms = 1_000_000

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def all_circuits(clock: Clock) -> ListCircuits:
    return ListCircuits(clock, 3_600, lambda _: ())


@pytest.fixture
def circuit(all_circuits: ListCircuits) -> ListCircuit:
    circuit = all_circuits[7]
    circuit.backoff.uniform = lambda _, highest: highest
    return circuit


def test_it_rests_after_trouble_for_longer_and_longer_until_something_is_answered(
    circuit: ListCircuit, clock: Clock
) -> None:
    for wait in (500, 1_000, 2_000):
        circuit.record_transient_failure(TROUBLE)
        clock.ms += wait - 1
        assert circuit.is_open
        clock.ms += 1
        assert not circuit.is_open
    circuit.record_transient_failure(TROUBLE)
    circuit.record_response()
    assert (circuit.is_open, circuit.last_error, circuit.is_idle) == (False, None, False)


def test_bodies_become_small_after_some_trouble_and_grow_with_each_answer(circuit: ListCircuit) -> None:
    for expected in (MAX_CONTACTS, MAX_CONTACTS, MIN_CONTACTS, MIN_CONTACTS):
        circuit.record_transient_failure(TROUBLE)
        assert circuit.capacity == expected
    sizes = []
    while circuit.capacity < MAX_CONTACTS:
        circuit.record_response()
        sizes.append(circuit.capacity)
    assert sizes == [40, 160, 640, 2_560, 5_000]
    assert circuit.is_idle


def test_one_that_keeps_silent_again_and_again_is_asked_seldom(circuit: ListCircuit, clock: Clock) -> None:
    """Each silence costs the others half a minute."""
    circuit.record_transient_failure(SILENCE)
    clock.ms += 500
    assert not circuit.is_open
    circuit.record_transient_failure(SILENCE)
    clock.ms += PROBE_MS - 1
    assert circuit.is_open


def test_a_hold_outlasts_trouble_and_refusals_and_ends_with_something_taken(circuit: ListCircuit) -> None:
    circuit.open(GONE)
    circuit.record_transient_failure(TROUBLE)
    assert circuit.record_rejection(PermanentError("BAD_REQUEST", "No."), "what") is None
    assert circuit.last_error is GONE
    circuit.record_success()
    assert circuit.last_error is None


def test_after_the_limit_trouble_becomes_a_hold(circuit: ListCircuit, clock: Clock) -> None:
    circuit.record_transient_failure(TROUBLE)
    assert circuit.last_error is TROUBLE
    clock.ms += 3_600_000
    circuit.record_transient_failure(TROUBLE)
    assert isinstance(circuit.last_error, PauseError)
    assert circuit.last_error.code == "RETRIES_EXHAUSTED"


def test_lanes_in_trouble_are_remembered_however_many_lists_calls_name(
    all_circuits: ListCircuits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_, "MAX_CIRCUITS", 10)
    all_circuits[3].open(GONE)
    for list_id in range(100, 200):
        all_circuits[list_id].record_success()
    assert sum(1 for _ in all_circuits) <= 10
    assert [each.list_id for each in all_circuits.failing()] == [3]


def test_only_resting_lists_are_left_out(
    all_circuits: ListCircuits, circuit: ListCircuit, clock: Any
) -> None:
    all_circuits[8].record_success()
    circuit.open(GONE)
    assert all_circuits.open_lists() == {7}
    clock.ms += PROBE_MS
    assert all_circuits.open_lists() == frozenset()
    circuit.open(GONE)
    circuit.reset()
    assert (all_circuits.open_lists(), circuit.last_error) == (frozenset(), None)
