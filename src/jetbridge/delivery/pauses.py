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
        self._readers: dict[str, tuple[str, str]] = {}
        self._troubled: set[str] = set()
        self._looked_at = float("-inf")

    def __bool__(self) -> bool:
        return bool(self._readers)

    def pause(self, reader: str, error: DeliveryError) -> None:
        """Say why. The same again changes nothing: it must not undo a resume that was not noticed yet."""
        said = (error.code, str(error))
        with suppress(DatabaseError):
            if self._readers.get(reader) != said:
                ledger.pause(reader, *said, at=self._now())
                self._readers[reader] = said

    def resume(self, reader: str) -> None:
        with suppress(DatabaseError):
            if reader in self._readers:
                ledger.resume(reader)
                del self._readers[reader]

    def inherit(self, readers: Collection[str]) -> None:
        """Trouble of these readers, said before this thread began, ends when something gets through."""
        self._troubled.update(readers)

    @property
    def is_trouble(self) -> bool:
        return bool(self._troubled)

    def trouble(self, readers: Collection[str], error: DeliveryError) -> None:
        """Nothing gets through for now, and is tried again."""
        self._troubled.update(readers)
        with suppress(DatabaseError):
            ledger.trouble(readers, str(error), at=self._now())

    def end_trouble(self, readers: Collection[str] | None = None) -> None:
        """Something got through, of these or of all. Costs nothing where there was no trouble."""
        over = self._troubled if readers is None else self._troubled.intersection(readers)
        with suppress(DatabaseError):
            if over:
                ledger.end_trouble(over)
                self._troubled = self._troubled - over

    def resumed(self) -> bool:
        """Whether somebody else has resumed one of these. Looks once a second, and costs nothing else."""
        if not self._readers or self._clock() - self._looked_at < LOOK_SECONDS:
            return False
        self._looked_at = self._clock()
        gone: set[str] = set()
        with suppress(DatabaseError):
            gone = self._readers.keys() - ledger.paused_readers(self._readers.keys())
        for reader in gone:
            del self._readers[reader]
        return bool(gone)

    def wait(self, stop: Event, seconds: float) -> bool:
        """Wait so long, or until `stop` is set; True, at once, if one of these is resumed meanwhile."""
        end = self._clock() + seconds
        while not self.resumed():
            left = end - self._clock()
            if left <= 0 or stop.wait(min(left, LOOK_SECONDS) if self._readers else left):
                return False
        return True
