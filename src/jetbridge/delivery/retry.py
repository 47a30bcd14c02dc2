"""When to try again, for how long, and which message of a rejected batch is at fault.

Backoff is exponential with full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter"). The deadline
ends after the retry limit: then what cannot be mended by waiting is said, and nothing is dropped.
"""

import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from jetbridge.errors import PauseError, PermanentError, TransientError

#: The code of what was tried for as long as the retry limit says.
RETRIES_EXHAUSTED = "RETRIES_EXHAUSTED"
#: The code of a message that the other side rejects for its content.
REFUSED = "REFUSED"
#: A service that has answered within this time is at work.
ANSWERING_SECONDS = 300.0

_T = TypeVar("_T")


@dataclass
class Backoff:
    """How long to wait before the next try. One object per thing that is tried; `reset()` on success."""

    base_seconds: float = 0.5
    cap_seconds: float = 60.0
    tries: int = 0
    uniform: Callable[[float, float], float] = field(default=random.uniform, repr=False)

    def next_wait(self, error: TransientError) -> float:
        """Seconds to wait after this error: never less than its Retry-After asks for."""
        self.tries += 1
        highest = min(self.cap_seconds, self.base_seconds * 2 ** min(self.tries - 1, 30))
        return max(error.retry_after_seconds or 0.0, self.uniform(0, highest))

    def reset(self) -> None:
        self.tries = 0


@dataclass
class RetryDeadline:
    """How long a service may take nothing before that has to be said. Times in seconds since 1970."""

    limit_seconds: float = 4 * 3_600.0
    clock: Callable[[], float] = field(default=time.time, repr=False)
    #: When the first of the tries failed since which none succeeded.
    failing_since: float | None = None
    _succeeded_at: float | None = None

    def record_success(self) -> None:
        self._succeeded_at, self.failing_since = self.clock(), None

    def failed(self) -> bool:
        """A try has failed for now. True if none has succeeded for as long as the limit says."""
        if self.failing_since is None:
            self.failing_since = self.clock()
        return self.is_expired(self.failing_since)

    def is_expired(self, since: float) -> bool:
        """Whether what has been failing since then has had all its time."""
        return self.clock() - since >= self.limit_seconds

    @property
    def is_answering(self) -> bool:
        """The service has taken something only just now, so that what fails, fails for a reason of its own."""
        return self._succeeded_at is not None and self.clock() - self._succeeded_at < ANSWERING_SECONDS

    def exhausted_error(self, error: TransientError) -> PermanentError:
        """Say that one thing could not be delivered in all its time, though others could."""
        return PermanentError(
            RETRIES_EXHAUSTED,
            f"Tried for {self.limit_seconds / 3_600:g} h without success, while others went through. "
            f"The last error: {error}",
            status=error.status,
            response=error.response,
        )

    def pause_error(self, error: TransientError, where: str = "") -> PauseError:
        """Say since when nothing has gone through (`where`, if that is not all), and what came last."""
        since = datetime.fromtimestamp(self.failing_since or self.clock(), UTC)
        return PauseError(
            RETRIES_EXHAUSTED,
            f"Nothing has gone through{where} since {since:%Y-%m-%d %H:%M} UTC; it goes on trying. "
            f"The last error: {error}",
            status=error.status,
            response=error.response,
        )


class BatchRefused(PermanentError):
    """The other side refuses the content of a request; a part of it may be welcome."""


def send_bisected(
    batch: Sequence[_T],
    send: Callable[[Sequence[_T]], None],
    reject: Callable[[_T, BatchRefused], None],
) -> None:
    """Send a batch in one request, or where it is refused in several, in its order.

    `send` sends a part, and remembers what was taken, because a later part may raise. `reject` gets what is refused
    alone. Raises what either raises, BatchRefused of `send` excepted.
    """
    waiting = deque([batch])
    while waiting:
        part = waiting.popleft()
        try:
            send(part)
        except BatchRefused as error:
            if len(part) == 1:
                reject(part[0], error)
            else:
                middle = len(part) // 2
                waiting.extendleft((part[middle:], part[:middle]))
