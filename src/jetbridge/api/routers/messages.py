"""The debugger of a source: its part of the event log, newest first, and one message of it with its way."""

from typing import Annotated, Any, Literal

from ninja import Query
from pydantic import Field

from jetbridge.api.errors import not_found
from jetbridge.api.pagination import After, Limit, Page, position_of
from jetbridge.api.routers.trace import SCAN_LIMIT, DeliveryStatusOut, status_out
from jetbridge.api.routing import ApiRequest, ApiRouter
from jetbridge.api.schemas import Id, OutSchema, QuerySchema, Timestamp, example, from_ms
from jetbridge.services.log import event_log
from jetbridge.services.queries import message_detail, messages, record_detail
from jetbridge.services.queries.search_params import TEXT_LENGTH, SearchParams

router = ApiRouter(tags=["Sources"])

MessageType = Annotated[str, example("identify")]
Dropped = Annotated[list[str], example([])]


class MessagesQuery(QuerySchema):
    """All that is given must fit. `text` is looked for everywhere in a message, in whatever case.

    `outcome` is that at any destination. `invalid` are items that failed on ingest, `email_event` Mailjet's own.
    """

    text: Annotated[str, Field(max_length=TEXT_LENGTH, examples=["ada@example.com"])] = ""
    type: (
        Literal["identify", "track", "page", "screen", "group", "alias", "delete", "invalid", "email_event"]
        | None
    ) = None
    outcome: Literal["delivered", "filtered", "failed", "pending"] | None = None
    limit: Limit = 50
    after: After = ""


class MessageLineOut(OutSchema):
    """`what` is an event, a name, an address; `who` an id or an address; `reason` why it failed on ingest.

    `outcomes` names destinations by outcome. `dropped` are the fields whose values could not be read: the message was
    accepted without them.
    """

    position: Annotated[int, example(42)]
    type: MessageType
    received_at: Timestamp | None
    what: Annotated[str, example("ada@example.com")]
    who: Annotated[str, example("u-1")]
    reason: Annotated[str, example("")]
    outcomes: Annotated[dict[str, list[str]], example({"delivered": ["Mailjet"]})]
    dropped: Dropped


class MessageOut(OutSchema):
    """`message` is null of what is no message, which is given as `text`; secrets that came with it are masked.

    Of people who were deleted both are null. `dropped` is as in the list. `track` is the position of the call made of
    an email event.
    """

    position: Annotated[int, example(42)]
    type: MessageType
    received_at: Timestamp | None
    error: Annotated[str | None, example(None)]
    dropped: Dropped
    message: Annotated[
        dict[str, Any] | None,
        example({"type": "identify", "userId": "u-1", "traits": {"email": "ada@example.com"}}),
    ]
    text: Annotated[str | None, example(None)]
    statuses: list[DeliveryStatusOut]
    track: Annotated[int | None, example(None)]


@router.get("/sources/{int:source}/messages", response=Page[MessageLineOut])
def list_messages(request: ApiRequest, source: Id, query: Query[MessagesQuery]) -> Page[MessageLineOut]:
    """Messages of a source, what failed on ingest, and email events, newest first.

    Reads the event log backwards, as far as a second allows: a page may hold nothing and still have a `next`.
    """
    row = request.auth.source(source)
    before = position_of(query.after) if query.after else 0
    search = SearchParams(query.text, query.type or "", query.outcome or "", before)
    with event_log() as log:
        page = messages.page_of(log, row, search, SCAN_LIMIT, limit=query.limit)
    lines = [
        MessageLineOut(
            position=line.position,
            type=line.type,
            received_at=from_ms(line.received_at),
            what=line.what,
            who=line.who,
            reason=line.reason,
            outcomes=line.outcomes,
            dropped=list(line.dropped),
        )
        for line in page.rows
    ]
    return Page(items=lines, next=str(page.before) if page.before else None)


@router.get("/sources/{int:source}/messages/{int:position}", response=MessageOut)
def get_message(request: ApiRequest, source: Id, position: Id) -> MessageOut:
    """One message by its position, and what became of it at every destination."""
    row = request.auth.source(source)
    with event_log() as log:
        record = message_detail.find(log, row, position)
        if record is None:
            raise not_found(
                "message",
                position,
                row,
                fix="List the messages of the source: this position belongs to another one, or retention removed it.",
            )
        shown = message_detail.detail_of(log, row, record)
    is_message = shown.message is not None
    return MessageOut(
        position=record.position,
        type=record.type,
        received_at=from_ms(record.received_at),
        error=record.error,
        dropped=list(shown.row.dropped),
        message=record_detail.readable(record.body) if is_message else None,
        text=None if is_message or shown.is_forgotten else record.body.decode("utf-8", "replace"),
        statuses=[status_out(stop.status) for stop in shown.stops],
        track=shown.track or None,
    )
