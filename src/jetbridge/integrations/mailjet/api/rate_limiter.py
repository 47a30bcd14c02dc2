"""How fast one API key may call. Mailjet limits the calls of a key per minute and publishes no figure.

So the pace is found: unlimited until Mailjet says 429, then a rate that is halved by every further 429 and
raised steadily by success (AIMD, as TCP does it), until it is high enough to be none. All clients of a key
in this process share one, because they share the limit.
"""

import time
from collections.abc import Callable
from threading import Lock
from weakref import WeakValueDictionary

from jetbridge.errors import TransientError

#: Calls a second after the first 429, at the least, and from when on there is no limit again.
FIRST_RATE, LOWEST_RATE, FREE_RATE = 10.0, 1.0, 50.0
#: Calls a second that are won by each second without a 429.
RAISE_PER_SECOND = 1.0
#: What a call may wait here. A longer wait belongs to the caller, who can be stopped meanwhile.
LONGEST_WAIT_SECONDS = 2.0


class KeyPace:
    """Thread-safe. Costs a comparison as long as Mailjet never said 429."""

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
        """Block until the next call may go, two seconds at the most; return when it goes, for `refused`.

        Raises TransientError, saying how long, if it may not go by then.
        """
        now = self._clock()
        if self._rate is None and self._next_at <= now:
            return now
        with self._lock:
            at = max(now, self._next_at)
            if at - now > LONGEST_WAIT_SECONDS:
                raise TransientError(
                    "TOO_MANY_REQUESTS",
                    f"Mailjet has asked for fewer calls; the next may go in {at - now:.0f} s.",
                    retry_after_seconds=at - now,
                )
            if self._rate:
                self._next_at = at + 1 / self._rate
        if at > now:
            self._sleep(at - now)
        return at

    def answered(self) -> None:
        """A call has succeeded."""
        if self._rate is not None:
            with self._lock:
                self._raise()

    def _raise(self) -> None:
        now = self._clock()
        if self._rate is None or now <= self._raised_at:
            return
        raised = self._rate + RAISE_PER_SECOND * (now - self._raised_at)
        self._rate, self._raised_at = (raised if raised < FREE_RATE else None), now

    def refused(self, went_at: float, error: TransientError) -> None:
        """A call was answered with 429, or with a Retry-After, which stops all calls of the key."""
        with self._lock:
            now = self._clock()
            pause = error.retry_after_seconds or 0.0
            # Calls that were under way when the pace fell say nothing of the new one.
            if error.status == 429 and went_at >= self._slowed_at:
                self._rate = max(LOWEST_RATE, self._rate / 2) if self._rate else FIRST_RATE
                self._slowed_at = self._raised_at = now + pause
            self._next_at = max(self._next_at, now + max(pause, 1 / self._rate if self._rate else 0.0))


_paces: WeakValueDictionary[tuple[str, str], KeyPace] = WeakValueDictionary()
_paces_lock = Lock()


def pace_of(api_url: str, api_key: str) -> KeyPace:
    """The pace that all clients of this key share, for as long as there is one."""
    with _paces_lock:
        return _paces.setdefault((api_url, api_key), KeyPace())
