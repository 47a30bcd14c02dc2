"""Pauses of consumers, and the last errors of those that try again: the rows that everybody sees, and what one thread knows of them.

A thread that finds its pause gone from there knows
that a person has resumed it, or that the configuration has changed, and tries at once.
"""

import time
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from threading import Event

from django.db import DatabaseError, transaction

from jetbridge.delivery.models import ConsumerOffset, PauseRow
from jetbridge.errors import DeliveryError

#: How long a reader that is paused waits before it tries again by itself.
PROBE_SECONDS = 30.0
#: How often a thread that has paused one looks whether it is resumed.
LOOK_SECONDS = 1.0
#: How long a pause that has ended is remembered.
PAUSES_KEPT = timedelta(days=90)
#: The code of a pause because nearly everything is rejected. Whoever resumes it accepts that messages fail.
CIRCUIT_OPEN = "CIRCUIT_OPEN"


def pause(consumer: str, code: str, reason: str, at: datetime | None = None) -> None:
    """Say why a reader stands still, since `at` (now). A pause with the same code keeps its first time."""
    row, now = ConsumerOffset.objects.filter(consumer=consumer), at or datetime.now(UTC)
    with transaction.atomic():
        if row.exclude(pause_code=code).update(pause_code=code, paused_at=now, resumed_at=None):
            _end_pauses(consumer)
            PauseRow.objects.create(consumer=consumer, code=code, reason=reason, began_at=now)
        if row.exclude(pause_reason=reason).update(pause_reason=reason):
            PauseRow.objects.filter(consumer=consumer, ended_at=None).update(reason=reason)


def resume(consumer: str) -> None:
    """The cause of a pause is gone."""
    paused_rows = ConsumerOffset.objects.filter(consumer=consumer).exclude(pause_code="")
    with transaction.atomic():
        if paused_rows.update(pause_code="", pause_reason="", paused_at=None):
            _end_pauses(consumer)


def resume_by_hand(consumer: str) -> bool:
    """A person wants it to go on. False if it was not paused. That of a CIRCUIT_OPEN stands until `forget_resume`
    or the next pause.
    """
    paused_rows = ConsumerOffset.objects.filter(consumer=consumer).exclude(pause_code="")
    with transaction.atomic():
        paused_rows.filter(pause_code=CIRCUIT_OPEN).update(resumed_at=datetime.now(UTC))
        resumed = paused_rows.update(pause_code="", pause_reason="", paused_at=None)
        if resumed:
            _end_pauses(consumer, by_hand=True)
    return bool(resumed)


def _end_pauses(consumer: str, *, by_hand: bool = False) -> None:
    PauseRow.objects.filter(consumer=consumer, ended_at=None).update(
        ended_at=datetime.now(UTC), by_hand=by_hand
    )


def trim_pauses() -> None:
    PauseRow.objects.filter(ended_at__lt=datetime.now(UTC) - PAUSES_KEPT).delete()


def record_error(consumers: Collection[str], detail: str, at: datetime | None = None) -> None:
    """Say why readers wait and try again, since `at` (now). Keeps the first time."""
    rows = ConsumerOffset.objects.filter(consumer__in=consumers)
    with transaction.atomic():
        rows.filter(last_error="").update(retrying_since=at or datetime.now(UTC))
        rows.exclude(last_error=detail).update(last_error=detail)


def clear_error(consumers: Collection[str]) -> None:
    ConsumerOffset.objects.filter(consumer__in=consumers).exclude(last_error="").update(
        last_error="", retrying_since=None
    )


def forget_resume(consumers: Collection[str]) -> None:
    """What a person resumed has succeeded since."""
    ConsumerOffset.objects.filter(consumer__in=consumers).exclude(resumed_at=None).update(resumed_at=None)


def are_resumed(consumers: Collection[str]) -> bool:
    """Whether a person has resumed one of them, and nothing has succeeded since."""
    return ConsumerOffset.objects.filter(consumer__in=consumers).exclude(resumed_at=None).exists()


def paused_consumers(consumers: Collection[str]) -> set[str]:
    """Those of them that are paused."""
    rows = ConsumerOffset.objects.filter(consumer__in=consumers).exclude(pause_code="")
    return set(rows.values_list("consumer", flat=True))


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
        problem = (error.code, str(error))
        with suppress(DatabaseError):
            if self._consumers.get(consumer) != problem:
                pause(consumer, *problem, at=self._now())
                self._consumers[consumer] = problem

    def resume(self, consumer: str) -> None:
        with suppress(DatabaseError):
            if consumer in self._consumers:
                resume(consumer)
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
            record_error(consumers, str(error), at=self._now())

    def clear_error(self, consumers: Collection[str] | None = None) -> None:
        """Something got through, of these or of all. Costs nothing where there was no trouble."""
        over = self._failing if consumers is None else self._failing.intersection(consumers)
        with suppress(DatabaseError):
            if over:
                clear_error(over)
                self._failing = self._failing - over

    def resumed(self) -> bool:
        """Whether somebody else has resumed one of these. Looks once a second, and costs nothing else."""
        if not self._consumers or self._clock() - self._looked_at < LOOK_SECONDS:
            return False
        self._looked_at = self._clock()
        gone: set[str] = set()
        with suppress(DatabaseError):
            gone = self._consumers.keys() - paused_consumers(self._consumers.keys())
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
