import gc
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from jetbridge.errors import TransientError
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.api.rate_limiter import RateLimiter, rate_limiter_of

LIMITED = TransientError("TOO_MANY_REQUESTS", "Fewer.", status=429)
HTML = b"<html><body>Rate limit exceeded</body></html>"


@dataclass
class Time:
    """A clock that only sleeping moves."""

    now: float = 1_000.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def time_() -> Time:
    return Time()


@pytest.fixture
def limiter(time_: Time) -> RateLimiter:
    return RateLimiter(time_.clock, time_.sleep)


def calls(limiter: RateLimiter, total: int) -> None:
    for _ in range(total):
        limiter.wait()
        limiter.record_success()


def test_without_a_429_nothing_ever_waits(limiter: RateLimiter, time_: Time) -> None:
    calls(limiter, 1_000)
    assert time_.slept == []


def test_after_a_429_calls_are_a_tenth_of_a_second_apart(limiter: RateLimiter, time_: Time) -> None:
    limiter.record_failure(limiter.wait(), LIMITED)
    for _ in range(3):
        limiter.wait()
    assert time_.slept == [pytest.approx(0.1)] * 3


def test_every_further_429_halves_the_rate_down_to_one_a_second(limiter: RateLimiter, time_: Time) -> None:
    for _ in range(8):
        limiter.record_failure(limiter.wait(), LIMITED)
    assert time_.slept == [pytest.approx(each) for each in (0.1, 0.2, 0.4, 0.8, 1, 1, 1)]


def test_calls_that_were_under_way_slow_down_only_once(limiter: RateLimiter, time_: Time) -> None:
    under_way = [limiter.wait() for _ in range(5)]
    time_.now += 0.05
    for started_at in under_way:
        limiter.record_failure(started_at, LIMITED)
    limiter.wait()
    limiter.wait()
    assert time_.slept[-1] == pytest.approx(0.1)


def test_success_raises_the_rate_until_there_is_no_limit(limiter: RateLimiter, time_: Time) -> None:
    limiter.record_failure(limiter.wait(), LIMITED)
    began = time_.now
    calls(limiter, 2_000)
    assert time_.slept == sorted(time_.slept, reverse=True)
    assert time_.now - began == pytest.approx(40, abs=1)  # from 10 to 50 a second, one more each second
    assert len(time_.slept) < 1_300


def test_a_retry_after_stops_every_call_of_the_key_and_says_how_long(
    limiter: RateLimiter, time_: Time
) -> None:
    error = TransientError("TOO_MANY_REQUESTS", "Fewer.", status=429, retry_after_seconds=30)
    limiter.record_failure(limiter.wait(), error)
    with pytest.raises(TransientError) as caught:
        limiter.wait()
    assert (caught.value.code, caught.value.retry_after_seconds, time_.slept) == ("TOO_MANY_REQUESTS", 30, [])
    assert str(caught.value) == "Mailjet has asked for fewer calls; the next may start in 30 s."
    time_.now += 30
    limiter.wait()
    assert time_.slept == []


def test_a_503_with_retry_after_pauses_without_slowing_down(limiter: RateLimiter, time_: Time) -> None:
    limiter.record_failure(
        limiter.wait(), TransientError("SERVER_ERROR", "No.", status=503, retry_after_seconds=1)
    )
    calls(limiter, 50)
    assert time_.slept == [1]


def test_nobody_sleeps_longer_than_a_stopping_worker_can_wait(limiter: RateLimiter, time_: Time) -> None:
    for _ in range(8):
        limiter.record_failure(limiter.wait(), LIMITED)
    time_.slept.clear()
    at = time_.now
    with pytest.raises(TransientError):
        for _ in range(10):
            time_.now = at  # as if ten threads came at once
            limiter.wait()
    assert time_.slept == [pytest.approx(1), pytest.approx(2)]


def test_all_clients_of_a_key_share_a_limiter_and_those_of_another_do_not() -> None:
    one = rate_limiter_of("https://api.mailjet.com", "key")
    assert rate_limiter_of("https://api.mailjet.com", "key") is one
    assert rate_limiter_of("https://api.mailjet.com", "other") is not one
    assert rate_limiter_of("https://api.us.mailjet.com", "key") is not one


def test_a_limiter_is_forgotten_with_its_last_client() -> None:
    one = rate_limiter_of("https://api.mailjet.com", "key")
    one.record_failure(one.wait(), LIMITED)
    del one
    gc.collect()
    began = time.monotonic()
    calls(rate_limiter_of("https://api.mailjet.com", "key"), 50)
    assert time.monotonic() - began < 4  # fifty at a tenth of a second would be five


def test_one_client_that_is_limited_pauses_the_others_of_its_key(mailjet: Any) -> None:
    one, other = (MailjetClient(mailjet.url, "key", "secret") for _ in range(2))
    stranger = MailjetClient(mailjet.url, "another", "secret")
    mailjet.answer(429, HTML, Content_Type="text/html", Retry_After="60")
    mailjet.rows({"ID": 1, "Email": "owner@example.com"})
    with pytest.raises(TransientError) as caught:
        one.user()
    assert (caught.value.code, caught.value.retry_after_seconds) == ("TOO_MANY_REQUESTS", 60)
    with pytest.raises(TransientError) as caught:
        other.user()
    assert (caught.value.code, len(mailjet.asked)) == ("TOO_MANY_REQUESTS", 1)
    assert stranger.user().id == 1


def test_a_429_without_retry_after_slows_the_next_call_down(mailjet: Any) -> None:
    client = MailjetClient(mailjet.url, "key", "secret")
    mailjet.answer(429, HTML, Content_Type="text/html")
    mailjet.rows({"ID": 1, "Email": "owner@example.com"})
    with pytest.raises(TransientError):
        client.user()
    began = time.monotonic()
    client.user()
    assert time.monotonic() - began > 0.09


def test_threads_keep_the_limit_together() -> None:
    limiter = RateLimiter()
    limiter.record_failure(limiter.wait(), LIMITED)
    went: list[float] = []
    threads = [threading.Thread(target=lambda: went.append(limiter.wait())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gaps = [after - before for before, after in zip(sorted(went), sorted(went)[1:], strict=False)]
    assert min(gaps) == pytest.approx(0.1, abs=0.001)
