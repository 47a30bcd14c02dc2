"""Trace: what became of a message, or of all about a person, at each destination of the workspace."""

from typing import Annotated

from ninja import Query
from pydantic import Field

from jetbridge.api.errors import HTTPError
from jetbridge.api.pagination import After, Limit, Page, position_of
from jetbridge.api.routing import ApiRequest, ApiRouter
from jetbridge.api.schemas import Id, OutSchema, QuerySchema, Timestamp, example, from_ms
from jetbridge.control.directory import custom_id_sources, destinations_of
from jetbridge.control.models import Workspace
from jetbridge.delivery import trace
from jetbridge.eventlog.base import EMAIL_EVENT, INVALID, PositionRange, Search
from jetbridge.eventlog.scan_backwards import ScanLimit, scan_backwards
from jetbridge.eventlog.search import about, with_message_id
from jetbridge.integrations import registry
from jetbridge.services.log import event_log
from jetbridge.spec.message import decode_or_none
from jetbridge.spec.person import Identity

router = ApiRouter(tags=["Trace"])

#: What one response may cost: a program asks again where a person would wait.
SCAN_LIMIT = ScanLimit(records=500_000, seconds=1.0)

Text = Annotated[str, Field(min_length=1, max_length=1000)]


class TraceQuery(QuerySchema):
    """One of both: the messageId, or a person's userId or address."""

    message_id: Text | None = None
    person: Annotated[Text | None, example("ada@example.com")] = None
    limit: Limit = 20
    after: After = ""


class DeliveryStatusOut(OutSchema):
    """What became of a message at one destination."""

    destination: Annotated[str, example("Mailjet")]
    outcome: Annotated[str, example("failed")]
    reason: Annotated[str, example("INVALID_EMAIL")]
    details: Annotated[list[str], example(["ada@ is no email address."])]


class TracedOut(OutSchema):
    """A record of the event log. `error` is why an item failed on ingest; it and raw email events have no statuses.

    `dropped` are the fields whose values could not be read: the message was accepted without them.
    """

    position: Annotated[int, example(42)]
    received_at: Timestamp | None
    source: Id
    type: Annotated[str, example("identify")]
    message_id: Annotated[str | None, example("ajs-42")]
    error: Annotated[str | None, example(None)]
    dropped: Annotated[list[str], example([])]
    statuses: list[DeliveryStatusOut]


@router.get(
    "/trace", response=Page[TracedOut], openapi_extra={"x-example-query": {"person": "ada@example.com"}}
)
def get_trace(request: ApiRequest, query: Query[TraceQuery]) -> Page[TracedOut]:
    """The way of a message, or of everything about a person, newest first.

    Reads the event log backwards, half a million records to a page at the most. A page may hold fewer than `limit`, or
    none, and not be the last: `next` is null when all was looked at.
    """
    workspace = request.auth.workspace
    search = _search(query, workspace)
    with event_log() as log:
        before = position_of(query.after) if query.after else log.counts().end + 1
        oldest = log.read(0, limit=1)
        scan_range = PositionRange(oldest[0].position - 1 if oldest else before, before - 1)
        page = scan_backwards(log, search, [scan_range], limit=query.limit, scan_limit=SCAN_LIMIT)
    kinds = registry.destinations()
    refs = [ref for ref in destinations_of(workspace.id) if ref.kind in kinds]
    traceables = [kinds[ref.kind].traceable(ref) for ref in refs] if page.records else []
    items = []
    for record in page.records:
        is_call = record.type not in {INVALID, EMAIL_EVENT}
        message = decode_or_none(record.body) if is_call else None
        statuses = (traceable.status(record, message) for traceable in traceables if is_call)
        items.append(
            TracedOut(
                position=record.position,
                received_at=from_ms(record.received_at),
                source=record.source,
                type=record.type,
                message_id=message.message_id if message else None,
                error=record.error,
                dropped=(message.dropped if message else None) or [],
                statuses=[status_out(status) for status in statuses if status],
            )
        )
    return Page(items=items, next=str(page.before) if page.before else None)


def _search(query: TraceQuery, workspace: Workspace) -> Search:
    sources = set(workspace.sources.values_list("id", flat=True))
    if query.message_id is not None and query.person is None:
        return with_message_id(sources, query.message_id)
    if query.person is not None and query.message_id is None:
        return about(sources, Identity.of_name(query.person), custom_id_sources(workspace.id))
    raise HTTPError(
        "INVALID_REQUEST",
        "Either message_id or person is needed, and not both.",
        fix="Name what to trace by one of them.",
    )


def status_out(status: trace.DeliveryStatus) -> DeliveryStatusOut:
    return DeliveryStatusOut(
        destination=status.destination, outcome=status.outcome, reason=status.reason, details=status.details
    )
