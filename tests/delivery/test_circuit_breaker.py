from typing import TYPE_CHECKING

import pytest

from jetbridge.delivery import pauses
from jetbridge.delivery.circuit_breaker import CircuitBreaker, CircuitOpen
from jetbridge.errors import PermanentError

if TYPE_CHECKING:
    from conftest import Bench

LIST = PermanentError("LIST_NOT_FOUND", "Mailjet has no contacts list 7.", status=404, response="{}")
OTHER = PermanentError("BAD_REQUEST", "Mailjet rejects the request.", status=400)


@pytest.fixture
def reader(bench: "Bench") -> str:
    bench.begin()
    return bench.reader


@pytest.fixture
def breaker(reader: str) -> CircuitBreaker:
    return CircuitBreaker(lambda: [reader])


def refuse(breaker: CircuitBreaker, total: int, error: PermanentError = LIST) -> None:
    for _ in range(total):
        breaker.record_rejection(error)


def test_nineteen_refusals_say_nothing_and_the_twentieth_trips(breaker: CircuitBreaker) -> None:
    refuse(breaker, 19)
    with pytest.raises(CircuitOpen):
        refuse(breaker, 1)


def test_it_says_how_many_why_and_what_to_do(breaker: CircuitBreaker) -> None:
    breaker.record_success()
    refuse(breaker, 3, OTHER)
    refuse(breaker, 15)
    with pytest.raises(CircuitOpen) as caught:
        refuse(breaker, 1, OTHER)
    error = caught.value
    assert (error.code, error.status, error.response) == ("CIRCUIT_OPEN", 404, "{}")
    assert str(error) == (
        "19 of the last 20 were permanently rejected, 15 of them as LIST_NOT_FOUND: Mailjet has no contacts list 7. "
        "Fix the cause, or resume it and accept such failures."
    )


def test_a_fifth_of_successes_keeps_it_from_tripping(breaker: CircuitBreaker) -> None:
    for _ in range(30):
        refuse(breaker, 3)
        breaker.record_success()


def test_only_the_last_fifty_count(breaker: CircuitBreaker) -> None:
    breaker.record_success(100_000)
    refuse(breaker, 39)
    with pytest.raises(CircuitOpen):
        refuse(breaker, 1)


def test_while_tripped_every_refusal_trips_again_and_a_success_ends_it(breaker: CircuitBreaker) -> None:
    refuse(breaker, 19)
    for _ in range(3):
        with pytest.raises(CircuitOpen):
            refuse(breaker, 1)
    breaker.record_success()
    refuse(breaker, 18)


def test_what_a_person_releases_may_fail_until_the_next_success(breaker: CircuitBreaker, reader: str) -> None:
    refuse(breaker, 19)
    with pytest.raises(CircuitOpen) as caught:
        refuse(breaker, 1)
    pauses.pause(reader, caught.value.code, str(caught.value))
    pauses.resume_by_hand(reader)
    refuse(breaker, 100)
    breaker.record_success()
    refuse(breaker, 18)
    with pytest.raises(CircuitOpen):
        refuse(breaker, 1)


def test_a_release_outlives_a_restart_but_not_a_success(reader: str) -> None:
    pauses.pause(reader, "CIRCUIT_OPEN", "Nearly everything is refused.")
    pauses.resume_by_hand(reader)
    refuse(CircuitBreaker(lambda: [reader]), 100)
    CircuitBreaker(lambda: [reader]).record_success()
    with pytest.raises(CircuitOpen):
        refuse(CircuitBreaker(lambda: [reader]), 20)


def test_the_release_of_another_hold_accepts_no_failures(breaker: CircuitBreaker, reader: str) -> None:
    breaker.record_success()
    pauses.pause(reader, "LIST_NOT_FOUND", "The list is gone.")
    pauses.resume_by_hand(reader)
    with pytest.raises(CircuitOpen):
        refuse(breaker, 20)


def test_it_names_what_was_refused_before_it_could_tell_and_names_it_once(breaker: CircuitBreaker) -> None:
    breaker.record_success()
    for number in range(18):
        breaker.record_rejection(LIST, number)
    earlier = []
    for number in (18, 19):
        with pytest.raises(CircuitOpen) as caught:
            breaker.record_rejection(LIST, number)
        earlier.append(caught.value.earlier)
    assert earlier == [list(range(18)), []]
