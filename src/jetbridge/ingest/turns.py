"""Long work on the event loop in slices, so that one request does not hold the others."""

import asyncio
import time
from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")

#: How long one of them may hold the loop. All that run at once share one slice per turn of the loop.
SLICE_SECONDS = 0.005


class Turns:
    """Event loop only."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def run(self, steps: Generator[None, None, T]) -> T:
        """What the generator returns, or raises. What fits into a slice is done at once."""
        try:
            _slice(steps)
            while True:
                async with self._lock:
                    await asyncio.sleep(0)
                    _slice(steps)
        except StopIteration as end:
            result: T = end.value
            return result


def _slice(steps: Generator[None, None, object]) -> None:
    """Raises StopIteration at the end."""
    until = time.perf_counter() + SLICE_SECONDS
    while time.perf_counter() < until:
        next(steps)
