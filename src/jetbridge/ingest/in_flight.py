"""How many requests are under way, so that a process that stops can wait for them."""

import asyncio
from typing import Self


class InFlight:
    """`with` it around each request. Event loop only."""

    def __init__(self) -> None:
        self._total = 0
        self._idle: asyncio.Event | None = None

    def __enter__(self) -> Self:
        self._total += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._total -= 1
        if self._idle and not self._total:
            self._idle.set()

    async def ended(self, seconds: float) -> bool:
        """Wait until there is none, so long at the most; whether there is none."""
        self._idle = asyncio.Event()
        if self._total:
            try:
                async with asyncio.timeout(seconds):
                    await self._idle.wait()
            except TimeoutError:
                return False
        return True
