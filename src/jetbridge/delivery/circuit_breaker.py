"""The circuit breaker: when nearly everything is rejected, the set-up is wrong, and not the messages.

A wrong mapping, a list that is no list, a proxy in between: such a thing rejects every message permanently, and
one after the other would become a failure. The breaker pauses the destination instead (idea: arroyo's limit
on dead letters), and names what was rejected before, so that nothing of it has to fail.
"""

from collections import Counter, deque
from collections.abc import Callable, Collection
from itertools import repeat
from typing import NamedTuple

from jetbridge.delivery import pauses
from jetbridge.errors import DeliveryError, PauseError

#: How many of the last completed are looked at, from how many on they say anything, and which share of them
#: says that the set-up is wrong.
WINDOW, LEAST, SHARE = 50, 20, 0.8


class CircuitOpen(PauseError):
    """Too much is rejected. What was rejected just now is not completed, and not to be completed as failed.

    `earlier` is what was rejected before, as it was given to `record_rejection`.
    """

    earlier: Collection[object] = ()


class _Rejection(NamedTuple):
    error: DeliveryError
    what: object


class CircuitBreaker:
    """For one thread. `consumers` are those that are paused when it opens.

    Rejections that are the message's own fault beyond doubt are not its business.
    """

    def __init__(self, consumers: Callable[[], Collection[str]] = tuple) -> None:
        self._consumers = consumers
        self._last: deque[_Rejection | None] = deque(maxlen=WINDOW)
        #: A resume may stand that no success has used up yet.
        self._may_be_resumed = True

    def record_success(self, total: int = 1) -> None:
        """So many were accepted. The first after an error ends it: the resume and rejections are forgotten."""
        if self._may_be_resumed:
            pauses.forget_resume(self._consumers())
            self._last.clear()
            self._may_be_resumed = False
        self._last.extend(repeat(None, min(total, WINDOW)))

    def record_rejection(self, error: DeliveryError, what: object = None) -> None:
        """One was permanently rejected. Raises CircuitOpen, unless a person has resumed such a pause since the last
        success: then the rejections are to become failures.
        """
        self._last.append(_Rejection(error, what))
        rejections = [rejection for rejection in self._last if rejection]
        if len(self._last) < LEAST or len(rejections) < SHARE * len(self._last):
            return
        self._may_be_resumed = True
        if pauses.are_resumed(self._consumers()):
            return
        self._last.pop()  # not completed: it comes again
        ((code, total),) = Counter(rejection.error.code for rejection in rejections).most_common(1)
        example = next(error for error, _ in reversed(rejections) if error.code == code)
        circuit_open = CircuitOpen(
            pauses.CIRCUIT_OPEN,
            f"{len(rejections)} of the last {len(self._last) + 1} were permanently rejected, {total} of them as {code}: "
            f"{example} Fix the cause, or resume it and accept such failures.",
            status=example.status,
            response=example.response,
        )
        circuit_open.earlier = [rejection.what for rejection in rejections[:-1] if rejection.what is not None]
        self._last = deque((rejection and rejection._replace(what=None) for rejection in self._last), WINDOW)
        raise circuit_open
