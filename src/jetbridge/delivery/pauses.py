"""Pauses as one thread keeps them: readers are paused, resumed, and waited for. Likewise what is tried again.

The pause itself is a row that everybody sees (`ledger`). A thread that finds its pause gone from there knows
that a person has resumed it, or that the configuration has changed, and tries at once.
"""

import time
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import UTC, datetime
from threading import Event

from django.db import DatabaseError

from jetbridge.delivery import ledger
from jetbridge.errors import DeliveryError

#: How long a reader that is paused waits before it tries again by itself.
PROBE_SECONDS = 30.0
#: How often a thread that has paused one looks whether it is resumed.
LOOK_SECONDS = 1.0


class PauseRegistry:
    """For one thread. It resumes only what it paused: others may pause the same reader for reasons of their own.

    A database that takes nothing now is no reason to stop: what could not be said is said with the next try.
    `clock` measures waits, `now` dates what is stored.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._clock, self._now = clock, now
        #: What was said of each reader that it has paused.
        self._consumers: dict[str, tuple[str, str]] = {}
        self._failing: set[str] = set()
        self._looked_at = float("-inf")

    def __bool__(self) -> bool:
        return bool(self._consumers)

    def pause(self, consumer: str, error: DeliveryError) -> None:
        """Say why. The same again changes nothing: it must not undo a resume that was not noticed yet."""
        said = (error.code, str(error))
        with suppress(DatabaseError):
            if self._consumers.get(consumer) != said:
                ledger.pause(consumer, *said, at=self._now())
                self._consumers[consumer] = said

    def resume(self, consumer: str) -> None:
        with suppress(DatabaseError):
            if consumer in self._consumers:
                ledger.resume(consumer)
                del self._consumers[consumer]

    def inherit(self, consumers: Collection[str]) -> None:
        """Trouble of these readers, said before this thread began, ends when something gets through."""
        self._failing.update(consumers)

    @property
    def has_error(self) -> bool:
        return bool(self._failing)

    def record_error(self, consumers: Collection[str], error: DeliveryError) -> None:
        """Nothing gets through for now, and is tried again."""
        self._failing.update(consumers)
        with suppress(DatabaseError):
            ledger.record_error(consumers, str(error), at=self._now())

    def clear_error(self, consumers: Collection[str] | None = None) -> None:
        """Something got through, of these or of all. Costs nothing where there was no trouble."""
        over = self._failing if consumers is None else self._failing.intersection(consumers)
        with suppress(DatabaseError):
            if over:
                ledger.clear_error(over)
                self._failing = self._failing - over

    def resumed(self) -> bool:
        """Whether somebody else has resumed one of these. Looks once a second, and costs nothing else."""
        if not self._consumers or self._clock() - self._looked_at < LOOK_SECONDS:
            return False
        self._looked_at = self._clock()
        gone: set[str] = set()
        with suppress(DatabaseError):
            gone = self._consumers.keys() - ledger.paused_consumers(self._consumers.keys())
        for consumer in gone:
            del self._consumers[consumer]
        return bool(gone)

    def wait(self, stop: Event, seconds: float) -> bool:
        """Wait so long, or until `stop` is set; True, at once, if one of these is resumed meanwhile."""
        end = self._clock() + seconds
        while not self.resumed():
            left = end - self._clock()
            if left <= 0 or stop.wait(min(left, LOOK_SECONDS) if self._consumers else left):
                return False
        return True
