"""People: who is known, and one person with all that is known, where it came from, and why something did not arrive."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse

from jetbridge.console.access import MemberRequest
from jetbridge.console.engage.page import engage_view, show
from jetbridge.control.models import Source, Workspace
from jetbridge.control.people import Role
from jetbridge.engage import people, queries, store
from jetbridge.engage.diagnosis import Diagnosis, diagnose
from jetbridge.engage.models import ComputationClass, Space
from jetbridge.engage.people import Person
from jetbridge.eventlog.base import INVALID, EventLog, PositionRange
from jetbridge.eventlog.scan_backwards import ScanLimit, scan_backwards
from jetbridge.eventlog.search import about
from jetbridge.identity.identifiers import EMAIL, USER_ID
from jetbridge.integrations import registry
from jetbridge.services.destination_settings import integration_of
from jetbridge.services.log import event_log
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


@engage_view(Role.EDITOR)
def index(request: MemberRequest, space: Space) -> HttpResponse:
    """`?q=` an identifier: the person, or those of whom one begins like it."""
    text, problem = request.GET.get("q", "").strip()[: people.MAX_CHARACTERS], ""
    try:
        matches = people.search(space, text)
    except store.QueryTimeoutError as error:
        matches, problem = [], str(error)
    if text and len(matches) == 1 and matches[0].is_exact:
        return redirect("person", space.workspace_id, matches[0].segment_id)
    context = {"text": text, "matches": matches, "problem": problem, "shown": people.SHOWN}
    return show(request, "console/engage/people.html", space, context)


@engage_view(Role.EDITOR)
def person(request: MemberRequest, space: Space, segment_id: str) -> HttpResponse:
    """`?computation=` and `?destination=` ask why something did not arrive; `?before=` goes on in the timeline."""
    known = people.person(space, segment_id)
    if known is None:
        raise Http404
    if known.profile.segment_id != segment_id:  # it was merged
        return redirect("person", space.workspace_id, known.profile.segment_id)
    with event_log() as log:
        context = {"person": known, "timeline": timeline(log, request.workspace, known, request.GET)}
        if "part" in request.GET and request.htmx:
            return render(request, "console/engage/_timeline.html", context)
        context |= _why(request, space, log, known)
    # The page that forgets people is one of a destination with contacts; and by which name it is asked.
    names = [row.value for row in known.identifiers if row.type in {EMAIL, USER_ID}]
    destinations = request.workspace.destinations.order_by("id") if names else ()
    with_contacts = next((row for row in destinations if integration_of(row).has_contacts), None)
    context["forget"] = (with_contacts, names[0]) if with_contacts else None
    return show(request, "console/engage/person.html", space, context)


def _why(request: MemberRequest, space: Space, log: EventLog, known: Person) -> dict[str, Any]:
    """What can be chosen, and the answer if something is."""
    items = queries.computations(space)
    destinations = list(space.workspace.destinations.order_by("name"))
    computation = whole_number(request.GET.get("computation"))
    destination = whole_number(request.GET.get("destination"))
    row = next((item.row for item in items if item.row.id == computation), None)
    there = next((row for row in destinations if row.id == destination), None)
    active = [(item.row.id, place.id) for item in items for place in item.destinations]
    chosen = (row and row.id, there and there.id)
    diagnosis: Diagnosis | None = diagnose(log, known, row, there) if row and there else None
    return {
        "audiences": [item.row for item in items if item.row.computation_class == ComputationClass.AUDIENCE],
        "computed": [item.row for item in items if item.row.computation_class == ComputationClass.TRAIT],
        "destinations": destinations,
        "chosen": chosen if diagnosis else next(iter(active), (None, None)),
        "diagnosis": diagnosis,
        "engage_source": space.source_id,
    }


# ---- the timeline


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
