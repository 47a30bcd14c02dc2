"""The Debugger: the messages of a source, newest first and live, with their outcomes; and one message of them."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, repeat
from typing import NamedTuple

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from jetbridge.console.access import MemberRequest
from jetbridge.console.live_response import LiveResponse, Look, event_of
from jetbridge.console.sources.page import source_view
from jetbridge.control.models import Source
from jetbridge.control.people import Role
from jetbridge.engage import queries
from jetbridge.eventlog.base import EventLog, PositionRange, Record
from jetbridge.eventlog.scan_backwards import scan_backwards
from jetbridge.services.log import event_log
from jetbridge.services.queries import message_detail, messages
from jetbridge.services.queries.message_rows import Row, RowPresenter
from jetbridge.services.queries.messages import PAGES, ROWS, page_of
from jetbridge.services.queries.search_params import OUTCOMES, TYPES, SearchParams
from jetbridge.source_schema import volumes
from jetbridge.source_schema.models import READER
from jetbridge.spec.untrusted import whole_number

#: How many messages are watched until their outcomes are final, and for how long.
OPEN, OPEN_SECONDS = 200, 120.0


@dataclass(frozen=True)
class News:
    """`rows` are new, the newest first. `changed` are rows that were shown before, with new outcomes.

    `skipped`: more messages came than are shown. `end` is the last position that was read.
    """

    rows: list[Row]
    changed: list[Row]
    skipped: bool
    end: int


class _Open(NamedTuple):
    """A message without final outcomes: the row as it was shown last, and since when it is watched."""

    record: Record
    row: Row
    since: float


@dataclass
class Watch:
    """What one browser shows of a source. `look()` blocks; `clock` gives seconds.

    Reads the end of the log twice a second, and no more records than a page shows.
    """

    event_log: EventLog
    source: Source
    params: SearchParams
    position: int
    clock: Callable[[], float] = time.monotonic
    _open: dict[int, _Open] = field(default_factory=dict)

    def first_look(self) -> News | None:
        """The outcomes of the messages that the page shows: they may have changed since."""
        scan_ranges = volumes.scan_ranges(self.source.id, self.position + 1, READER)
        scan = scan_backwards(
            self.event_log,
            self.params.search(self.source),
            scan_ranges,
            limit=ROWS,
            scan_limit=messages.SCAN_LIMIT,
        )
        rows = [row for row in self._rows(scan.records) if row.outcomes]
        return News([], rows, skipped=False, end=self.position) if rows else None

    def look(self) -> News | None:
        """None if there is nothing to show."""
        records, skipped = self._new_records()
        if not records and not self._open:
            return None
        known = {position: watched.row for position, watched in self._open.items()}
        shown = {position for position, row in known.items() if self.params.wants(row)}
        updated = [row for row in self._rows(records) if row != known.get(row.position)]
        rows = [row for row in updated if row.position not in shown and self.params.wants(row)]
        changed = [row for row in updated if row.position in shown]
        return News(rows, changed, skipped, self.position) if rows or changed or skipped else None

    def _new_records(self) -> tuple[list[Record], bool]:
        end = self.event_log.counts().end
        if end <= self.position:
            return [], False
        scan_range, self.position = PositionRange(self.position, end), end
        scan = scan_backwards(
            self.event_log,
            self.params.search(self.source),
            [scan_range],
            limit=ROWS,
            scan_limit=messages.SCAN_LIMIT,
        )
        return scan.records, scan.before > scan_range.after + 1

    def _rows(self, records: list[Record]) -> list[Row]:
        """Rows of these records and of those that are open, the newest first."""
        now = self.clock()
        since = {record.position: now for record in records}
        since |= {position: watched.since for position, watched in self._open.items()}
        all_records = records + [watched.record for watched in self._open.values()]
        rows = RowPresenter(self.source.workspace_id, [self.source.id]).rows(all_records)
        self._open = {
            row.position: _Open(record, row, since[row.position])
            for record, row in zip(all_records[:OPEN], rows[:OPEN], strict=True)
            if not row.is_complete and now - since[row.position] < OPEN_SECONDS
        }
        return rows


@source_view
def debugger(request: MemberRequest, source: Source) -> HttpResponse:
    """`?q=&type=&outcome=` filter, `?before=` is the page's begin. With `?part` only the next rows, which htmx appends."""
    params = SearchParams.of(request.GET.dict())
    with event_log() as log:
        page = page_of(log, source, params)
    context = {
        "source": source,
        "params": params,
        "page": page,
        "types": TYPES,
        "outcomes": OUTCOMES,
        "live_query": params.query(after=page.end) or f"after={page.end}",
        "older": params.query(before=page.before),
        "more": params.query(before=page.before, pages=params.pages + 1),
        "by_itself": page.goes_on and params.pages < PAGES,
        "filters": params.query(),
    }
    part = "part" in request.GET and request.htmx
    return render(request, f"console/sources/{'more' if part else 'debugger'}.html", context)


@source_view
async def watch(request: MemberRequest, source: Source) -> LiveResponse:
    """After the position `?after=`, or after the last event that the browser got before the connection broke."""
    after = whole_number(request.headers.get("Last-Event-ID") or request.GET.get("after", "")) or 0
    params = SearchParams.of(request.GET.dict())
    watch_of = partial(Watch, source=source, params=params, position=after)
    return LiveResponse(request, partial(feed, watch_of, partial(_render, source)))


@contextmanager
def feed(watch_of: Callable[[EventLog], Watch], render_news: Callable[[News], str]) -> Iterator[Look]:
    """For a `LiveResponse`; `render_news` makes HTML."""
    with event_log() as log:
        watch = watch_of(log)
        looks = chain([watch.first_look], repeat(watch.look))

        def look() -> str:
            news = next(looks)()
            return event_of(render_news(news), news.end) if news else ""

        yield look


@source_view
def message(request: MemberRequest, source: Source, position: int) -> HttpResponse:
    with event_log() as log:
        record = message_detail.find(log, source, position)
        if record is None:
            raise Http404
        shown = message_detail.detail_of(log, source, record)
    context = {
        "source": source,
        "shown": shown,
        "facts": message_detail.facts(shown),
        "person": _person(request, shown),
    }
    return render(request, "console/sources/message.html", context)


def _person(request: MemberRequest, shown: message_detail.MessageDetail) -> str:
    """The identifier by which Engage may know the person of the message; "" for viewers, and without Engage."""
    message = shown.message
    if (
        message is None
        or not request.membership.may(Role.EDITOR)
        or queries.space_of(request.workspace) is None
    ):
        return ""
    if message.user_id:
        return f"user_id:{message.user_id}"
    return (
        f"anonymous_id:{message.anonymous_id}"
        if message.anonymous_id and "@" not in message.anonymous_id
        else shown.row.who
    )


def _render(source: Source, news: News) -> str:
    context = {
        "rows": news.rows,
        "changed_rows": news.changed,
        "skipped": news.skipped,
        "source": source,
        "workspace": source.workspace,
    }
    return render_to_string("console/sources/news.html", context)
