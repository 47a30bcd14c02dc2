"""How fast one API key may call. Mailjet limits the calls of a key per minute and publishes no figure.

So the rate is learned: there is no limit until Mailjet responds with 429, then a rate that every further 429 halves
and success raises steadily (AIMD, as in TCP), until it is so high that there is no limit again. All clients of a key
in this process share one limiter, because they share the limit.
"""

import time
from collections.abc import Callable
from threading import Lock
from weakref import WeakValueDictionary

from jetbridge.errors import TransientError

#: Calls a second: after the first 429, at the least, and from where on there is no limit again.
FIRST_RATE, MIN_RATE, UNLIMITED_RATE = 10.0, 1.0, 50.0
#: By how many calls a second each second without a 429 raises the rate.
RAISE_PER_SECOND = 1.0
#: How long a call may wait here. A longer wait belongs to the caller, who can be stopped meanwhile.
MAX_WAIT_SECONDS = 2.0


class RateLimiter:
    """Thread-safe. Costs a comparison as long as Mailjet never responded with 429."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._clock, self._sleep = clock, sleep
        self._lock = Lock()
        #: Calls a second; None: no limit.
        self._rate: float | None = None
        self._slowed_at = self._raised_at = float("-inf")
        self._next_at = float("-inf")

    @property
    def calls_per_second(self) -> float | None:
        """None: no limit is known."""
        return self._rate

    def wait(self) -> float:
        """Block until the next call may start, two seconds at the most; return when it starts, for `record_failure`.

        Raises TransientError with the remaining time if it may not start by then.
        """
        now = self._clock()
        if self._rate is None and self._next_at <= now:
            return now
        with self._lock:
            at = max(now, self._next_at)
            if at - now > MAX_WAIT_SECONDS:
                raise TransientError(
                    "TOO_MANY_REQUESTS",
                    f"Mailjet has asked for fewer calls; the next may start in {at - now:.0f} s.",
                    retry_after_seconds=at - now,
                )
            if self._rate:
                self._next_at = at + 1 / self._rate
        if at > now:
            self._sleep(at - now)
        return at

    def record_success(self) -> None:
        if self.calls_per_second is None:
            return
        with self._lock:
            now = self._clock()
            if self._rate is not None and now > self._raised_at:
                raised = self._rate + RAISE_PER_SECOND * (now - self._raised_at)
                self._rate, self._raised_at = (raised if raised < UNLIMITED_RATE else None), now

    def record_failure(self, started_at: float, error: TransientError) -> None:
        """A call that started at that time failed: 429 lowers the rate, and a Retry-After stops all calls of the key."""
        with self._lock:
            now = self._clock()
            pause = error.retry_after_seconds or 0.0
            # Calls that were under way when the rate fell say nothing about the new one.
            if error.status == 429 and started_at >= self._slowed_at:
                self._rate = max(MIN_RATE, self._rate / 2) if self._rate else FIRST_RATE
                self._slowed_at = self._raised_at = now + pause
            self._next_at = max(self._next_at, now + max(pause, 1 / self._rate if self._rate else 0.0))


_limiters: WeakValueDictionary[tuple[str, str], RateLimiter] = WeakValueDictionary()
_limiters_lock = Lock()


def rate_limiter_of(api_url: str, api_key: str) -> RateLimiter:
    """The limiter that all clients of this key share, for as long as there is one."""
    with _limiters_lock:
        return _limiters.setdefault((api_url, api_key), RateLimiter())
