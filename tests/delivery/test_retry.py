from jetbridge.delivery.retry import Backoff
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


def test_success_begins_anew() -> None:
    backoff = Backoff(base_seconds=1, uniform=lambda low, high: high)
    backoff.next_wait(ERROR)
    backoff.next_wait(ERROR)
    backoff.reset()
    assert backoff.next_wait(ERROR) == 1


def test_a_thousand_failures_do_not_overflow() -> None:
    backoff = Backoff(cap_seconds=60, uniform=lambda low, high: high)
    assert [backoff.next_wait(ERROR) for _ in range(2_000)][-1] == 60
