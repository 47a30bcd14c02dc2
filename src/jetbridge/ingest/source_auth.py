"""Who may bring messages, kept in memory and never older than a second.

The endpoints ask on the event loop; the tables are read in a thread of our own. Somebody unknown makes it read at
once (at most ten times a second), so that a source made a moment ago works at its first call.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable

from jetbridge.control.directory import Credentials, SourceRef
from jetbridge.errors import Backpressure

log = logging.getLogger(__name__)

REFRESH_SECONDS = 1.0
THROTTLE_SECONDS = 0.1

#: Finds a source in the configuration.
SourceLookup = Callable[[Credentials], SourceRef | None]


def by_write_key(key: str) -> SourceLookup:
    return lambda credentials: credentials.by_write_key.get(key)


class SourceAuth:
    """`load` reads the tables (may block, may raise); `finish` runs in the same thread at the end."""

    def __init__(self, load: Callable[[], Credentials], *, finish: Callable[[], None] = lambda: None) -> None:
        self._load = load
        self._finish = finish
        self._credentials: Credentials | None = None
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        self._changed = threading.Condition()
        self._closed = False
        #: Why the tables could not be read the last time; None if they could.
        self.error: str | None = None
        self._thread = threading.Thread(target=self._run, name="source-auth", daemon=True)
        self._thread.start()

    async def find(self, lookup: SourceLookup) -> SourceRef | None:
        """None: nobody of ours, as of now. Raises Backpressure when that cannot be known."""
        source = self.known(lookup)
        if source is not None:
            return source
        await self.refreshed()
        if self.error:
            raise Backpressure("Jetbridge cannot read its configuration now. Send this again.")
        return self.known(lookup)

    def known(self, lookup: SourceLookup) -> SourceRef | None:
        """Who is known by that without looking again."""
        return lookup(self._credentials) if self._credentials else None

    @property
    def credentials(self) -> Credentials | None:
        return self._credentials

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
            self._credentials = self._load()
        except Exception as error:  # noqa: BLE001 - whatever it is, those who are known must go on
            if self.error is None:
                log.warning("The configuration cannot be read: %s", error)
            self.error = str(error) or type(error).__name__
        else:
            self.error = None

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
