"""A person's messages and emails in one timeline: records of the event log, newest first, found within a budget."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.http import QueryDict
from django.urls import reverse

from jetbridge.control.models import Source, Workspace
from jetbridge.engage.people import Person
from jetbridge.eventlog.base import INVALID, EventLog, PositionRange
from jetbridge.eventlog.scan_backwards import ScanLimit, scan_backwards
from jetbridge.eventlog.search import about
from jetbridge.integrations import registry
from jetbridge.services.queries.message_rows import Row, RowPresenter, message_of
from jetbridge.spec.email_events import (
    EMAIL_BLOCKED,
    EMAIL_BOUNCED,
    EMAIL_DELIVERED,
    EMAIL_LINK_CLICKED,
    EMAIL_MARKED_AS_SPAM,
    EMAIL_OPENED,
    UNSUBSCRIBED,
)
from jetbridge.spec.message import CALL_TYPES, Message
from jetbridge.spec.untrusted import whole_number

ROWS = 50
#: Whatever is in the log, a page costs no more than this.
SCAN_LIMIT = ScanLimit(records=200_000, seconds=0.3)
#: Pages that a browser asks for by itself while too little is found.
PAGES = 20
#: Icons of email events.
ICONS: Final[Mapping[str, str]] = {
    EMAIL_DELIVERED: "mail",
    EMAIL_OPENED: "eye",
    EMAIL_LINK_CLICKED: "external",
    EMAIL_BOUNCED: "alert",
    EMAIL_BLOCKED: "pause",
    EMAIL_MARKED_AS_SPAM: "alert",
    UNSUBSCRIBED: "close",
}
_BAD: Final = frozenset({EMAIL_BOUNCED, EMAIL_BLOCKED, EMAIL_MARKED_AS_SPAM, UNSUBSCRIBED})
#: Properties of an email event that say which email it was.
_DETAILS: Final = ("email_subject", "campaign_name", "link_url", "error")


@dataclass(frozen=True)
class TimelineRow:
    """`icon` is that of an email event, else ""; `details` says which email it was about, or what Engage says with it."""

    row: Row
    source: Source
    href: str
    icon: str = ""
    is_bad: bool = False
    details: str = ""


@dataclass(frozen=True)
class Timeline:
    """`older` and `more` are query strings for what is further back, "" where nothing is; `more` for a browser that goes on by
    itself, because too little was found yet. `looked_at`: when the record was received up to which was looked (ms).
    """

    rows: list[TimelineRow]
    is_newest: bool
    older: str = ""
    more: str = ""
    looked_at: int = 0


def timeline(event_log: EventLog, workspace: Workspace, person: Person, query: QueryDict) -> Timeline:
    """The page that `?before=` asks for. Email events are shown as the track calls that are made of them."""
    sources = {row.id: row for row in workspace.sources.all()}
    end = event_log.counts().end
    before = min(whole_number(query.get("before")) or end + 1, end + 1)
    first = event_log.read(0, limit=1)
    search = about(sources, person.identity)._replace(types=CALL_TYPES | {INVALID})
    scan_ranges = [PositionRange(first[0].position - 1, before - 1)] if first else []
    scan = scan_backwards(event_log, search, scan_ranges, limit=ROWS, scan_limit=SCAN_LIMIT)
    messages = RowPresenter(workspace.id, sources).rows(scan.records)
    rows = [
        _timeline_row(row, sources[record.source], message_of(record))
        for row, record in zip(messages, scan.records, strict=True)
    ]
    pages = whole_number(query.get("pages")) or 0
    goes_on = scan.before and len(rows) < ROWS and pages < PAGES
    at = event_log.read_before(scan.before + 1, limit=1) if scan.before else []
    return Timeline(
        rows,
        is_newest="before" not in query,
        older=f"before={scan.before}" if scan.before else "",
        more=f"before={scan.before}&pages={pages + 1}&part=1" if goes_on else "",
        looked_at=at[0].received_at if at else 0,
    )


def _timeline_row(row: Row, source: Source, message: Message | None) -> TimelineRow:
    href = reverse("source-message", args=[source.workspace_id, source.id, row.position])
    if message is None:
        return TimelineRow(row, source, href)
    if message.engage:
        return TimelineRow(row, source, href, details=message.event or "")
    icon = ICONS.get(message.event or "", "") if source.kind in registry.sources() else ""
    properties = message.properties or {}
    details = [str(properties[name]) for name in _DETAILS if icon and properties.get(name)]
    return TimelineRow(
        row, source, href, icon, bool(icon) and message.event in _BAD, " · ".join(dict.fromkeys(details))
    )
