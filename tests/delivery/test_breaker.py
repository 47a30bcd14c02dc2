from typing import TYPE_CHECKING

import pytest

from jetbridge.delivery import ledger
from jetbridge.delivery.breaker import Breaker, Tripped
from jetbridge.errors import PermanentError

if TYPE_CHECKING:
    from conftest import Bench

LIST = PermanentError("LIST_NOT_FOUND", "Mailjet has no contacts list 7.", status=404, answer="{}")
OTHER = PermanentError("BAD_REQUEST", "Mailjet refuses the request.", status=400)


@pytest.fixture
def reader(bench: "Bench") -> str:
    bench.begin()
    return bench.reader


@pytest.fixture
def breaker(reader: str) -> Breaker:
    return Breaker(lambda: [reader])


def refuse(breaker: Breaker, total: int, error: PermanentError = LIST) -> None:
    for _ in range(total):
        breaker.refused(error)


def test_nineteen_refusals_say_nothing_and_the_twentieth_trips(breaker: Breaker) -> None:
    refuse(breaker, 19)
    with pytest.raises(Tripped):
        refuse(breaker, 1)


def test_it_says_how_many_why_and_what_to_do(breaker: Breaker) -> None:
    breaker.took()
    refuse(breaker, 3, OTHER)
    refuse(breaker, 15)
    with pytest.raises(Tripped) as caught:
        refuse(breaker, 1, OTHER)
    error = caught.value
    assert (error.code, error.status, error.answer) == ("FAILURE_RATIO", 404, "{}")
    assert str(error) == (
        "19 of the last 20 were permanently rejected, 15 of them as LIST_NOT_FOUND: Mailjet has no contacts list 7. "
        "Fix the cause, or resume it and accept such failures."
    )


def test_a_fifth_of_successes_keeps_it_from_tripping(breaker: Breaker) -> None:
    for _ in range(30):
        refuse(breaker, 3)
        breaker.took()


def test_only_the_last_fifty_count(breaker: Breaker) -> None:
    breaker.took(100_000)
    refuse(breaker, 39)
    with pytest.raises(Tripped):
        refuse(breaker, 1)


def test_while_tripped_every_refusal_trips_again_and_a_success_ends_it(breaker: Breaker) -> None:
    refuse(breaker, 19)
    for _ in range(3):
        with pytest.raises(Tripped):
            refuse(breaker, 1)
    breaker.took()
    refuse(breaker, 18)


def test_what_a_person_releases_may_fail_until_the_next_success(breaker: Breaker, reader: str) -> None:
    refuse(breaker, 19)
    with pytest.raises(Tripped) as caught:
        refuse(breaker, 1)
    ledger.pause(reader, caught.value.code, str(caught.value))
    ledger.resume_by_hand(reader)
    refuse(breaker, 100)
    breaker.took()
    refuse(breaker, 18)
    with pytest.raises(Tripped):
        refuse(breaker, 1)


def test_a_release_outlives_a_restart_but_not_a_success(reader: str) -> None:
    ledger.pause(reader, "FAILURE_RATIO", "Nearly everything is refused.")
    ledger.resume_by_hand(reader)
    refuse(Breaker(lambda: [reader]), 100)
    Breaker(lambda: [reader]).took()
    with pytest.raises(Tripped):
        refuse(Breaker(lambda: [reader]), 20)


def test_the_release_of_another_hold_accepts_no_failures(breaker: Breaker, reader: str) -> None:
    breaker.took()
    ledger.pause(reader, "LIST_NOT_FOUND", "The list is gone.")
    ledger.resume_by_hand(reader)
    with pytest.raises(Tripped):
        refuse(breaker, 20)


def test_it_names_what_was_refused_before_it_could_tell_and_names_it_once(breaker: Breaker) -> None:
    breaker.took()
    for number in range(18):
        breaker.refused(LIST, number)
    earlier = []
    for number in (18, 19):
        with pytest.raises(Tripped) as caught:
            breaker.refused(LIST, number)
        earlier.append(caught.value.earlier)
    assert earlier == [list(range(18)), []]
