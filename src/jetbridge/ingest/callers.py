"""Who may bring messages, kept in memory and never older than a second.

The doors ask on the event loop; the tables are read in a thread of our own. Somebody unknown makes it read at
once (at most ten times a second), so that a source made a moment ago works at its first call.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable

from jetbridge.control.directory import Doors, SourceRef
from jetbridge.errors import Backpressure

log = logging.getLogger(__name__)

#: Finds a caller in the configuration.
Pick = Callable[[Doors], SourceRef | None]

REFRESH_SECONDS = 1.0
THROTTLE_SECONDS = 0.1


class Callers:
    """`load` reads the tables (may block, may raise); `finish` runs in the same thread at the end."""

    def __init__(self, load: Callable[[], Doors], *, finish: Callable[[], None] = lambda: None) -> None:
        self._load = load
        self._finish = finish
        self._doors: Doors | None = None
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        self._changed = threading.Condition()
        self._closed = False
        #: Why the tables could not be read the last time; None if they could.
        self.trouble: str | None = None
        self._thread = threading.Thread(target=self._run, name="callers", daemon=True)
        self._thread.start()

    async def find(self, pick: Pick) -> SourceRef | None:
        """None: nobody of ours, as of now. Raises Backpressure when that cannot be known."""
        found = self.known(pick)
        if found is not None:
            return found
        await self.refreshed()
        if self.trouble:
            raise Backpressure("Jetbridge cannot read its configuration now. Send this again.")
        return self.known(pick)

    def known(self, pick: Pick) -> SourceRef | None:
        """Who is known by that without looking again."""
        return pick(self._doors) if self._doors else None

    @property
    def doors(self) -> Doors | None:
        return self._doors

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    async def refreshed(self) -> None:
        """Return after a reading that began after this call."""
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        with self._changed:
            self._waiting.append((loop, future))
            self._changed.notify()
        await future

    def _run(self) -> None:
        while not self._closed:
            began = time.monotonic()
            with self._changed:
                waiting, self._waiting = self._waiting, []
            self._read()
            for loop, future in waiting:
                loop.call_soon_threadsafe(_resolve, future)
            self._pause(began)
        self._finish()

    def _read(self) -> None:
        try:
            self._doors = self._load()
        except Exception as error:  # noqa: BLE001 - whatever it is, those who are known must go on
            if self.trouble is None:
                log.warning("The configuration cannot be read: %s", error)
            self.trouble = str(error) or type(error).__name__
        else:
            self.trouble = None

    def _pause(self, began: float) -> None:
        with self._changed:
            self._changed.wait_for(
                lambda: self._waiting or self._closed, began + REFRESH_SECONDS - time.monotonic()
            )
        if not self._closed:
            time.sleep(max(0.0, began + THROTTLE_SECONDS - time.monotonic()))


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
