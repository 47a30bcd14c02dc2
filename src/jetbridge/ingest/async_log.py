"""Waiting for the disk without blocking the event loop.

The group commit calls back in its own thread, once per request and a thousand in a row; waking the event
loop costs a system call, so all that came due since the last wake-up shares one.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from jetbridge.eventlog.base import Entry
from jetbridge.eventlog.group_commit import GroupCommit

log = logging.getLogger(__name__)

#: Refusals are not logged more often than so.
LOG_SECONDS = 60.0


class _Due(NamedTuple):
    future: asyncio.Future[None]
    error: Exception | None


class AsyncLog:
    """`append()` returns when the entries are on stable storage. One event loop."""

    def __init__(self, commit: GroupCommit) -> None:
        self._commit = commit
        self._loop: asyncio.AbstractEventLoop | None = None
        self._due: deque[_Due] = deque()
        self._woken = False
        #: When the log last refused an append (time.monotonic()), None once it took one again.
        self.append_failed_at: float | None = None
        self._logged_at = -LOG_SECONDS

    async def append(self, entries: Sequence[Entry]) -> None:
        """Raises Backpressure: nothing of it was kept, the sender may try again."""
        loop = self._loop = self._loop or asyncio.get_running_loop()
        future = loop.create_future()

        def done(error: Exception | None) -> None:
            self._due.append(_Due(future, error))
            if not self._woken:
                self._woken = True
                loop.call_soon_threadsafe(self._wake)

        self._commit.submit(entries, done)
        await future

    def _wake(self) -> None:
        self._woken = False  # first: what is appended from here on either is drained below or wakes again
        while self._due:
            future, error = self._due.popleft()
            self._note(error)
            if future.done():
                continue  # the request was cancelled meanwhile
            if error:
                future.set_exception(error)
            else:
                future.set_result(None)

    def _note(self, error: Exception | None) -> None:
        """Senders read less than the log: this is where the operator finds the file and what is wrong with it."""
        self.append_failed_at = time.monotonic() if error else None
        if error and time.monotonic() - self._logged_at > LOG_SECONDS:
            self._logged_at = time.monotonic()
            log.error("Messages are refused: %s", error)
