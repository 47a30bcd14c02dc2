from jetbridge.delivery.retry import Backoff, RetryDeadline
from jetbridge.errors import TransientError

ERROR = TransientError("SERVER_ERROR", "Not now.")


def test_waits_double_up_to_the_cap() -> None:
    backoff = Backoff(base_seconds=1, cap_seconds=10, uniform=lambda low, high: high)
    assert [backoff.next_wait(ERROR) for _ in range(6)] == [1, 2, 4, 8, 10, 10]


def test_waits_are_spread_from_zero() -> None:
    backoff = Backoff(base_seconds=1, uniform=lambda low, high: low)
    assert backoff.next_wait(ERROR) == 0


def test_a_retry_after_is_honoured_as_it_stands() -> None:
    error = TransientError("TOO_MANY_REQUESTS", "Fewer.", retry_after_seconds=77)
    assert Backoff(cap_seconds=10).next_wait(error) == 77


def test_a_retry_after_of_nothing_does_not_end_backing_off() -> None:
    error = TransientError("SERVER_ERROR", "Not now.", retry_after_seconds=0)
    backoff = Backoff(base_seconds=1, uniform=lambda low, high: high)
    assert [backoff.next_wait(error) for _ in range(3)] == [1, 2, 4]


def test_success_begins_anew() -> None:
    backoff = Backoff(base_seconds=1, uniform=lambda low, high: high)
    backoff.next_wait(ERROR)
    backoff.next_wait(ERROR)
    backoff.reset()
    assert backoff.next_wait(ERROR) == 1


def test_a_thousand_failures_do_not_overflow() -> None:
    backoff = Backoff(cap_seconds=60, uniform=lambda low, high: high)
    assert [backoff.next_wait(ERROR) for _ in range(2_000)][-1] == 60


def retry_deadline(clock: list[float]) -> RetryDeadline:
    return RetryDeadline(100, clock=lambda: clock[0])


def test_patience_ends_when_nothing_succeeded_for_the_limit() -> None:
    clock = [0.0]
    subject = retry_deadline(clock)
    assert not subject.failed()
    clock[0] = 99
    assert not subject.failed()
    clock[0] = 100
    assert subject.failed()


def test_one_success_makes_patience_begin_anew() -> None:
    clock = [0.0]
    subject = retry_deadline(clock)
    subject.failed()
    clock[0] = 99
    subject.record_success()
    clock[0] = 150
    assert not subject.failed()
    assert subject.failing_since == 150


def test_a_service_is_answering_for_five_minutes_after_a_success() -> None:
    clock = [0.0]
    subject = retry_deadline(clock)
    assert not subject.is_answering
    subject.record_success()
    clock[0] = 299
    assert subject.is_answering
    clock[0] = 300
    assert not subject.is_answering


def test_the_end_of_patience_is_told_in_one_sentence_each() -> None:
    subject = RetryDeadline(clock=lambda: 1_793_534_400.0)
    subject.failed()
    pause, given_up = subject.pause_error(ERROR), subject.exhausted_error(ERROR)
    assert (pause.code, given_up.code) == ("RETRIES_EXHAUSTED", "RETRIES_EXHAUSTED")
    assert str(pause) == (
        "Nothing has gone through since 2026-11-01 12:00 UTC; it goes on trying. The last error: Not now."
    )
    assert str(given_up) == (
        "Tried for 4 h without success, while others went through. The last error: Not now."
    )
