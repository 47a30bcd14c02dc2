"""A debugger that is watched: what came since, and what became of it, pushed to one browser.

Looks at the log's end twice a second, at no more records than a page shows. Ends when the browser leaves, and after
some minutes by itself: the browser comes again, and is asked again who it is.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connections

from jetbridge.console.sources.asked import Asked
from jetbridge.console.sources.listing import BUDGET, ROWS
from jetbridge.console.sources.rows import Row, Teller
from jetbridge.control.models import Source
from jetbridge.eventlog.base import EventLog, Record
from jetbridge.eventlog.look_back import Stretch, look_back
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.schema import volumes
from jetbridge.schema.reader import READER

EVERY_SECONDS = 0.5
#: A sign of life for proxies and for us: writing to a browser that has left fails.
SILENT_SECONDS = 10.0
END_SECONDS = 300.0
#: Browsers that watch at once: in all, and of one person.
WATCHERS, WATCHERS_OF_ONE = 50, 8
#: Messages whose outcome is watched until it is there, and for how long.
OPEN, OPEN_SECONDS = 200, 120.0

T = TypeVar("T")


@dataclass(frozen=True)
class News:
    """`rows` are new, the newest first; of `changed` ones, shown before, the outcomes are others.

    `skipped`: more came than are shown. `end` is up to where it has looked.
    """

    rows: list[Row]
    changed: list[Row]
    skipped: bool
    end: int


class _Open(NamedTuple):
    """A message that is watched until its outcomes are there: as it was told last, and since when."""

    record: Record
    row: Row
    since: float


@dataclass
class Watch:
    """What one browser has been shown of a source. `look()` blocks; `clock` gives seconds."""

    event_log: EventLog
    source: Source
    asked: Asked
    position: int
    clock: Callable[[], float] = time.monotonic
    _open: dict[int, _Open] = field(default_factory=dict)

    def first_look(self) -> News | None:
        """The outcomes of what the page shows: they may have changed since."""
        stretches = volumes.stretches(self.source.id, self.position + 1, READER)
        looked = look_back(
            self.event_log, self.asked.search(self.source), stretches, limit=ROWS, budget=BUDGET
        )
        rows = [row for row in self._tell(looked.records) if row.outcomes]
        return News([], rows, skipped=False, end=self.position) if rows else None

    def look(self) -> News | None:
        """None if there is nothing to show."""
        records, skipped = self._new()
        if not records and not self._open:
            return None
        told = {position: each.row for position, each in self._open.items()}
        shown = {position for position, row in told.items() if self.asked.wants(row)}
        others = [row for row in self._tell(records) if row != told.get(row.position)]
        rows = [row for row in others if row.position not in shown and self.asked.wants(row)]
        changed = [row for row in others if row.position in shown]
        return News(rows, changed, skipped, self.position) if rows or changed or skipped else None

    def _new(self) -> tuple[list[Record], bool]:
        end = self.event_log.counts().end
        if end <= self.position:
            return [], False
        stretch, self.position = Stretch(self.position, end + 1), end
        looked = look_back(
            self.event_log, self.asked.search(self.source), [stretch], limit=ROWS, budget=BUDGET
        )
        return looked.records, looked.before > stretch.after + 1

    def _tell(self, records: list[Record]) -> list[Row]:
        """Rows of these records and of those that are open, the newest first."""
        now = self.clock()
        since = {record.position: now for record in records}
        since |= {position: each.since for position, each in self._open.items()}
        watched = records + [each.record for each in self._open.values()]
        rows = Teller(self.source).rows(watched)
        self._open = {
            row.position: _Open(record, row, since[row.position])
            for record, row in zip(watched[:OPEN], rows[:OPEN], strict=True)
            if not row.is_settled and now - since[row.position] < OPEN_SECONDS
        }
        return rows


class _Watchers:
    """How many watch. In one event loop only."""

    def __init__(self) -> None:
        self._by_user: dict[int, int] = {}

    @contextmanager
    def place(self, user: int) -> Iterator[bool]:
        """Whether there is a place; it is given back at the end."""
        mine = self._by_user.get(user, 0)
        if mine >= WATCHERS_OF_ONE or sum(self._by_user.values()) >= WATCHERS:
            yield False
            return
        self._by_user[user] = mine + 1
        try:
            yield True
        finally:
            self._by_user[user] -= 1
            if not self._by_user[user]:
                del self._by_user[user]


_watchers = _Watchers()


async def events(
    source: Source, asked: Asked, after: int, user: int, draw: Callable[[News], str]
) -> AsyncIterator[str]:
    """Server-sent events; `draw` makes HTML of news."""
    with _watchers.place(user) as has_place:
        if not has_place:
            yield "event: end\ndata: too many\n\n"
            return
        log = await _in_thread(lambda: SqliteEventLog(settings.CONFIG.log_path))
        try:
            async for part in _parts(Watch(log, source, asked, after), draw):
                yield part
        finally:
            await _in_thread(lambda: _close(log))


async def _parts(watch: Watch, draw: Callable[[News], str]) -> AsyncIterator[str]:
    yield "retry: 1000\n\n"
    if html := await _in_thread(lambda: _drawn(watch.first_look(), draw)):
        yield html
    begun = said = time.monotonic()
    while (now := time.monotonic()) - begun < END_SECONDS:
        if html := await _in_thread(lambda: _drawn(watch.look(), draw)):
            yield html
            said = now
        elif now - said > SILENT_SECONDS:
            yield ": still here\n\n"
            said = now
        await asyncio.sleep(EVERY_SECONDS)


def _drawn(news: News | None, draw: Callable[[News], str]) -> str:
    """As an event; "" for no news."""
    if news is None:
        return ""
    lines = "".join(f"data: {line}\n" for line in draw(news).splitlines() if line.strip())
    return f"id: {news.end}\n{lines}\n"


def _close(log: SqliteEventLog) -> None:
    log.close()
    connections.close_all()


async def _in_thread(function: Callable[[], T]) -> T:
    """In the request's own thread: the connections it opens there are used again, and closed there."""
    return await sync_to_async(function, thread_sensitive=True)()
