"""One lane by itself: when it rests, how small its bodies become, and what it remembers."""

from typing import Any

import pytest

from jetbridge.errors import PauseError, PermanentError, TransientError
from jetbridge.integrations.mailjet.sync import list_circuit
from jetbridge.integrations.mailjet.sync.list_circuit import (
    FEWEST,
    MAX_CONTACTS,
    PROBE_MS,
    Lane,
    Lanes,
    ListGone,
)

TROUBLE = TransientError("SERVER_ERROR", "Mailjet has an internal problem.")
SILENCE = TransientError("TIMEOUT", "Mailjet did not answer in time.")
GONE = ListGone("LIST_NOT_FOUND", "The list is gone.")


class Clock:
    ms = 1_000_000

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def all_lanes(clock: Clock) -> Lanes:
    return Lanes(clock, 3_600, lambda _: ())


@pytest.fixture
def lane(all_lanes: Lanes) -> Lane:
    lane = all_lanes[7]
    lane.backoff.uniform = lambda _, highest: highest
    return lane


def test_it_rests_after_trouble_for_longer_and_longer_until_something_is_answered(
    lane: Lane, clock: Clock
) -> None:
    for wait in (500, 1_000, 2_000):
        lane.stumbled(TROUBLE)
        clock.ms += wait - 1
        assert lane.rests
        clock.ms += 1
        assert not lane.rests
    lane.stumbled(TROUBLE)
    lane.answered()
    assert (lane.rests, lane.trouble, lane.is_idle) == (False, None, False)


def test_bodies_become_small_after_some_trouble_and_grow_with_each_answer(lane: Lane) -> None:
    for expected in (MAX_CONTACTS, MAX_CONTACTS, FEWEST, FEWEST):
        lane.stumbled(TROUBLE)
        assert lane.most == expected
    sizes = []
    while lane.most < MAX_CONTACTS:
        lane.answered()
        sizes.append(lane.most)
    assert sizes == [40, 160, 640, 2_560, 5_000]
    assert lane.is_idle


def test_one_that_keeps_silent_again_and_again_is_asked_seldom(lane: Lane, clock: Clock) -> None:
    """Each silence costs the others half a minute."""
    lane.stumbled(SILENCE)
    clock.ms += 500
    assert not lane.rests
    lane.stumbled(SILENCE)
    clock.ms += PROBE_MS - 1
    assert lane.rests


def test_a_hold_outlasts_trouble_and_refusals_and_ends_with_something_taken(lane: Lane) -> None:
    lane.stops(GONE)
    lane.stumbled(TROUBLE)
    assert lane.refused(PermanentError("BAD_REQUEST", "No."), "what") is None
    assert lane.trouble is GONE
    lane.took()
    assert lane.trouble is None


def test_after_the_limit_trouble_becomes_a_hold(lane: Lane, clock: Clock) -> None:
    lane.stumbled(TROUBLE)
    assert lane.trouble is TROUBLE
    clock.ms += 3_600_000
    lane.stumbled(TROUBLE)
    assert isinstance(lane.trouble, PauseError)
    assert lane.trouble.code == "RETRIES_EXHAUSTED"


def test_lanes_in_trouble_are_remembered_however_many_lists_calls_name(
    all_lanes: Lanes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_circuit, "MOST_LANES", 10)
    all_lanes[3].stops(GONE)
    for list_id in range(100, 200):
        all_lanes[list_id].took()
    assert sum(1 for _ in all_lanes) <= 10
    assert [each.list_id for each in all_lanes.in_trouble()] == [3]


def test_only_resting_lists_are_left_out(all_lanes: Lanes, lane: Lane, clock: Any) -> None:
    all_lanes[8].took()
    lane.stops(GONE)
    assert all_lanes.resting() == {7}
    clock.ms += PROBE_MS
    assert all_lanes.resting() == frozenset()
    lane.stops(GONE)
    lane.wake()
    assert (all_lanes.resting(), lane.trouble) == (frozenset(), None)
