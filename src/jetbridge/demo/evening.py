"""After the day the shop stays open: a customer every two seconds, so that the console has something to show live."""

import time
from collections.abc import Callable, Iterator

from jetbridge.demo.shop import Shop
from jetbridge.demo.story import Call

EVERY_SECONDS = 2.0


class Evening:
    """Call `pass_by` as often as you like; it plays the next call when its time has come."""

    def __init__(
        self, calls: Iterator[Call], shop: Shop, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._calls, self._shop, self._clock = calls, shop, clock
        self._next = clock()

    def pass_by(self) -> None:
        if self._clock() >= self._next:
            self._next = self._clock() + EVERY_SECONDS
            self._shop.play(next(self._calls))
