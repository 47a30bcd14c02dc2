"""A debugger that is watched: what came since, and what became of it, pushed to one browser.

Looks at the log's end twice a second, at no more records than a page shows.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import NamedTuple

from jetbridge.console.live_response import Look, event_of
from jetbridge.control.models import Source
from jetbridge.eventlog.base import EventLog, Record
from jetbridge.eventlog.scan_backwards import ScanRange, scan_backwards
from jetbridge.services.log import event_log
from jetbridge.services.queries import messages
from jetbridge.services.queries.message_rows import Row, RowPresenter
from jetbridge.services.queries.messages import ROWS
from jetbridge.services.queries.search_params import SearchParams
from jetbridge.source_schema import volumes
from jetbridge.source_schema.reader import READER

#: Messages whose outcome is watched until it is there, and for how long.
OPEN, OPEN_SECONDS = 200, 120.0


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
    params: SearchParams
    position: int
    clock: Callable[[], float] = time.monotonic
    _open: dict[int, _Open] = field(default_factory=dict)

    def first_look(self) -> News | None:
        """The outcomes of what the page shows: they may have changed since."""
        scan_ranges = volumes.scan_ranges(self.source.id, self.position + 1, READER)
        scan = scan_backwards(
            self.event_log,
            self.params.search(self.source),
            scan_ranges,
            limit=ROWS,
            scan_limit=messages.SCAN_LIMIT,
        )
        rows = [row for row in self._tell(scan.records) if row.outcomes]
        return News([], rows, skipped=False, end=self.position) if rows else None

    def look(self) -> News | None:
        """None if there is nothing to show."""
        records, skipped = self._new()
        if not records and not self._open:
            return None
        told = {position: each.row for position, each in self._open.items()}
        shown = {position for position, row in told.items() if self.params.wants(row)}
        others = [row for row in self._tell(records) if row != told.get(row.position)]
        rows = [row for row in others if row.position not in shown and self.params.wants(row)]
        changed = [row for row in others if row.position in shown]
        return News(rows, changed, skipped, self.position) if rows or changed or skipped else None

    def _new(self) -> tuple[list[Record], bool]:
        end = self.event_log.counts().end
        if end <= self.position:
            return [], False
        scan_range, self.position = ScanRange(self.position, end + 1), end
        scan = scan_backwards(
            self.event_log,
            self.params.search(self.source),
            [scan_range],
            limit=ROWS,
            scan_limit=messages.SCAN_LIMIT,
        )
        return scan.records, scan.before > scan_range.after + 1

    def _tell(self, records: list[Record]) -> list[Row]:
        """Rows of these records and of those that are open, the newest first."""
        now = self.clock()
        since = {record.position: now for record in records}
        since |= {position: each.since for position, each in self._open.items()}
        watched = records + [each.record for each in self._open.values()]
        rows = RowPresenter(self.source.workspace_id, [self.source.id]).rows(watched)
        self._open = {
            row.position: _Open(record, row, since[row.position])
            for record, row in zip(watched[:OPEN], rows[:OPEN], strict=True)
            if not row.is_settled and now - since[row.position] < OPEN_SECONDS
        }
        return rows


@contextmanager
def feed(watch_of: Callable[[EventLog], Watch], draw: Callable[[News], str]) -> Iterator[Look]:
    """For a `LiveResponse`; `draw` makes HTML of news."""
    with event_log() as log:
        watch = watch_of(log)
        looks = chain([watch.first_look], repeat(watch.look))
        yield lambda: _drawn(next(looks)(), draw)


def _drawn(news: News | None, draw: Callable[[News], str]) -> str:
    return event_of(draw(news), news.end) if news else ""
