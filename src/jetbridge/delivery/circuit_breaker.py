"""The circuit breaker: when nearly everything is refused, the set-up is wrong, and not the messages.

A wrong mapping, a list that is no list, a proxy in between: such a thing refuses every message for good, and
one after the other would become a failure. The breaker pauses the destination instead (idea: arroyo's limit
on dead letters), and names what was refused before it could tell, so that nothing of it has to fail.
"""

from collections import Counter, deque
from collections.abc import Callable, Collection
from itertools import repeat
from typing import NamedTuple

from jetbridge.delivery import ledger
from jetbridge.errors import DeliveryError, PauseError

#: How many of the last settled are looked at, from how many on they say anything, and which share of them
#: says that the set-up is wrong.
WINDOW, LEAST, SHARE = 50, 20, 0.8


class CircuitOpen(PauseError):
    """Too much is refused. What was refused just now is not settled, and not to be settled as failed.

    `earlier` is what was refused before, as it was given to `record_rejection`.
    """

    earlier: Collection[object] = ()


class _Refusal(NamedTuple):
    error: DeliveryError
    what: object


def _nobody() -> Collection[str]:
    return ()


class CircuitBreaker:
    """For one thread. `consumers` are those that are paused when it trips.

    Refusals that are the message's own fault beyond doubt are not its business.
    """

    def __init__(self, consumers: Callable[[], Collection[str]] = _nobody) -> None:
        self._consumers = consumers
        self._last: deque[_Refusal | None] = deque(maxlen=WINDOW)
        #: A resume may stand that no success has used up yet.
        self._may_be_released = True

    def record_success(self, total: int = 1) -> None:
        """So many were taken. The first after trouble ends it: the resume and refusals are forgotten."""
        if self._may_be_released:
            ledger.forget_resume(self._consumers())
            self._last.clear()
            self._may_be_released = False
        self._last.extend(repeat(None, min(total, WINDOW)))

    def record_rejection(self, error: DeliveryError, what: object = None) -> None:
        """One was refused for good. Raises CircuitOpen, unless a person has resumed such a pause since the last
        success: then the refusals are to become failures.
        """
        self._last.append(_Refusal(error, what))
        refusals = [each for each in self._last if each]
        if len(self._last) < LEAST or len(refusals) < SHARE * len(self._last):
            return
        self._may_be_released = True
        if not ledger.are_resumed(self._consumers()):
            self._last.pop()  # not settled: it comes again
            raise self._open(refusals)

    def _open(self, refusals: list[_Refusal]) -> CircuitOpen:
        circuit_open = self._told([each.error for each in refusals])
        circuit_open.earlier = [each.what for each in refusals[:-1] if each.what is not None]
        self._last = deque((each and each._replace(what=None) for each in self._last), WINDOW)
        return circuit_open

    def _told(self, refusals: list[DeliveryError]) -> CircuitOpen:
        ((code, total),) = Counter(each.code for each in refusals).most_common(1)
        example = next(each for each in reversed(refusals) if each.code == code)
        return CircuitOpen(
            ledger.CIRCUIT_OPEN,
            f"{len(refusals)} of the last {len(self._last) + 1} were permanently rejected, {total} of them as {code}: "
            f"{example} Fix the cause, or resume it and accept such failures.",
            status=example.status,
            answer=example.answer,
        )
