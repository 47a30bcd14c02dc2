"""From an endpoint to the event log: whose a message is, and waiting until it is on stable storage."""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from jetbridge.control.directory import Credentials, SourceRef
from jetbridge.control.secret_field import digest
from jetbridge.errors import Backpressure, MessageRejected
from jetbridge.eventlog.base import INVALID, Entry
from jetbridge.eventlog.group_commit import GroupCommit
from jetbridge.spec.parse import Parsed, Rejected, without_write_keys

if TYPE_CHECKING:
    from jetbridge.ingest.request import HTTPError

log = logging.getLogger(__name__)

#: Failed appends are not logged more often than so.
LOG_SECONDS = 60.0
#: How old the credentials in memory may be, and how often they are read at the most.
REFRESH_SECONDS = 1.0
THROTTLE_SECONDS = 0.1
#: Entries between two moments when others may be served.
_SLICE = 1_000
#: Why a body was not read, where no library sends it again.
_NEVER_READ = frozenset({"payload_too_large", "bad_encoding"})

#: Finds a source in the configuration.
SourceLookup = Callable[[Credentials], SourceRef | None]


def by_write_key(key: str) -> SourceLookup:
    return lambda credentials: credentials.by_write_key_digest.get(digest(key))


def now() -> datetime:
    return datetime.now(UTC)


def milliseconds(moment: datetime) -> int:
    """Since 1970, as the log has it."""
    return int(moment.timestamp() * 1000)


class Ingestion:
    """What all endpoints share: who may send, the log, the clock."""

    def __init__(
        self, source_auth: "SourceAuth", event_log: "AsyncLog", *, clock: Callable[[], datetime] = now
    ) -> None:
        self.source_auth = source_auth
        self.event_log = event_log
        self.clock = clock

    async def append(self, source: SourceRef, parsed: Parsed, received_at: datetime) -> None:
        """Return when every item, accepted or rejected, is durable. Raises Backpressure."""
        at = milliseconds(received_at)
        entries: list[Entry] = []
        for start in range(0, len(parsed.accepted), _SLICE):
            if start:
                await asyncio.sleep(0)
            entries += [
                Entry(source.id, item.type, at, item.body, is_incomplete=item.is_incomplete)
                for item in parsed.accepted[start : start + _SLICE]
            ]
        for number, rejected in enumerate(parsed.rejected, 1):
            entries.append(invalid_entry(source, rejected, at))
            if number % _SLICE == 0:
                await asyncio.sleep(0)
        await self.event_log.append(entries)

    async def append_unreadable(
        self, source: SourceRef, body: bytes, reason: "MessageRejected | HTTPError"
    ) -> None:
        """Count a body of which nothing could be read, unless its sender will send it again."""
        if not isinstance(reason, MessageRejected):
            if reason.code not in _NEVER_READ:
                return
            reason = MessageRejected(reason.code, str(reason))
        body = without_write_keys(body) or b" "  # a record without a body is one whose person was forgotten
        await self.append(source, Parsed([], [Rejected(body, reason)]), self.clock())


def invalid_entry(source: SourceRef, item: Rejected, at: int) -> Entry:
    return Entry(source.id, INVALID, at, item.body, f"{item.reason.code}: {item.reason}")


class _Completed(NamedTuple):
    future: asyncio.Future[None]
    error: Exception | None


class AsyncLog:
    """The group commit for one event loop.

    The group commit calls back in its own thread, once per request and a thousand in a row; waking the event
    loop costs a system call, so all that completed since the last wake-up shares one.
    """

    def __init__(self, commit: GroupCommit) -> None:
        self._commit = commit
        self._loop: asyncio.AbstractEventLoop | None = None
        self._completed: deque[_Completed] = deque()
        self._woken = False
        #: When the log last failed an append (time.monotonic()), None once it took one again.
        self.append_failed_at: float | None = None
        self._logged_at = -LOG_SECONDS

    async def append(self, entries: Sequence[Entry]) -> None:
        """Return when the entries are on stable storage. Raises Backpressure: none of them was kept, the sender may try again."""
        loop = self._loop = self._loop or asyncio.get_running_loop()
        future = loop.create_future()

        def complete(error: Exception | None) -> None:
            self._completed.append(_Completed(future, error))
            if not self._woken:
                self._woken = True
                loop.call_soon_threadsafe(self._resolve_completed)

        self._commit.submit(entries, complete)
        await future

    def _resolve_completed(self) -> None:
        self._woken = False  # first: what completes from here on either is drained below or wakes again
        while self._completed:
            future, error = self._completed.popleft()
            self.append_failed_at = time.monotonic() if error else None
            # Senders see less than the log: here the operator finds the file and what is wrong with it.
            if error and time.monotonic() - self._logged_at > LOG_SECONDS:
                self._logged_at = time.monotonic()
                log.error("Messages are rejected: %s", error)
            if not error:
                _resolve(future)
            elif not future.done():  # else the request was cancelled meanwhile
                future.set_exception(error)


class SourceAuth:
    """Who may send messages, kept in memory and never older than a second.

    The endpoints look up on the event loop; a thread reads the tables. An unknown key makes it read at once (at most ten times
    a second), so that a source made a moment ago works at its first call.

    `load` reads the tables (may block, may raise); `finish` runs in the same thread at the end.
    """

    def __init__(self, load: Callable[[], Credentials], *, finish: Callable[[], None] = lambda: None) -> None:
        self._load = load
        self._finish = finish
        self.credentials: Credentials | None = None
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        self._changed = threading.Condition()
        self._closed = False
        #: Why the tables could not be read the last time; None if they could.
        self.error: str | None = None
        self._thread = threading.Thread(target=self._run, name="source-auth", daemon=True)
        self._thread.start()

    async def find(self, lookup: SourceLookup) -> SourceRef | None:
        """None: no source of ours, as of now. Raises Backpressure when that cannot be known."""
        source = self.known(lookup)
        if source is not None:
            return source
        await self.refreshed()
        if self.error:
            raise Backpressure("Jetbridge cannot read its configuration now. Send this again.")
        return self.known(lookup)

    def known(self, lookup: SourceLookup) -> SourceRef | None:
        """The source among the credentials in memory."""
        return lookup(self.credentials) if self.credentials else None

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
            try:
                self.credentials = self._load()
            except Exception as error:  # noqa: BLE001 - whatever it is, known sources must go on
                if self.error is None:
                    log.warning("The configuration cannot be read: %s", error)
                self.error = str(error) or type(error).__name__
            else:
                self.error = None
            for loop, future in waiting:
                loop.call_soon_threadsafe(_resolve, future)
            with self._changed:
                self._changed.wait_for(
                    lambda: self._waiting or self._closed, began + REFRESH_SECONDS - time.monotonic()
                )
            if not self._closed:
                time.sleep(max(0.0, began + THROTTLE_SECONDS - time.monotonic()))
        self._finish()


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
