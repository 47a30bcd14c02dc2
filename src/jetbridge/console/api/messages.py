"""The debugger of a source: its part of the event log, newest first, and one message of it with its way."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from jetbridge.console.api.caller import Caller
from jetbridge.console.api.endpoint import endpoint
from jetbridge.console.api.kinds import of_ms
from jetbridge.console.api.paging import After, Limit, Page, number_of
from jetbridge.console.api.refusal import Refused
from jetbridge.console.api.sources import own_source
from jetbridge.console.api.trace import BUDGET, Fate
from jetbridge.console.log import event_log
from jetbridge.console.sources import listing, opened
from jetbridge.console.sources.asked import TEXT_LENGTH, Asked
from jetbridge.console.sources.rows import Row
from jetbridge.destinations import evidence


class MessagesQuery(msgspec.Struct, forbid_unknown_fields=True):
    """All that is given must fit. `text` is looked for everywhere in a message, in whatever case.

    `outcome` is that at any destination. `invalid` are items that failed on ingest, `email_event` Mailjet's own.
    """

    text: Annotated[str, msgspec.Meta(max_length=TEXT_LENGTH)] = ""
    type: (
        Literal["identify", "track", "page", "screen", "group", "alias", "delete", "invalid", "email_event"]
        | None
    ) = None
    outcome: Literal["delivered", "filtered", "failed", "pending"] | None = None
    limit: Limit = 50
    after: After = ""


class MessageLine(msgspec.Struct):
    """`what` is an event, a name, an address; `who` an id or an address; `reason` why it failed on ingest.

    `outcomes` names destinations by outcome.
    """

    position: int
    type: str
    received_at: datetime | None
    what: str
    who: str
    reason: str
    outcomes: dict[str, list[str]]


class MessageInFull(msgspec.Struct):
    """`message` is null of what is no message, which is told as `text`; secrets that came with it are masked.

    Of people who were forgotten both are null. `track` is the position of the call made of an email event.
    """

    position: int
    type: str
    received_at: datetime | None
    error: str | None
    message: dict[str, Any] | None
    text: str | None
    fates: list[Fate]
    track: int | None


@endpoint("GET", "sources/<int:source>/messages")
def list_messages(caller: Caller, source: int, query: MessagesQuery) -> Page[MessageLine]:
    """Messages of a source, what failed on ingest, and email events, newest first.

    Reads the event log backwards, as far as a second allows: a page may hold nothing and still have a `next`.
    """
    row = own_source(caller, source)
    before = number_of(query.after) if query.after else 0
    asked = Asked(query.text, query.type or "", query.outcome or "", before)
    with event_log() as log:
        page = listing.page_of(log, row, asked, BUDGET, limit=query.limit)
    return Page([_line(each) for each in page.rows], str(page.before) if page.before else None)


@endpoint("GET", "sources/<int:source>/messages/<int:position>")
def get_message(caller: Caller, source: int, position: int) -> MessageInFull:
    """One message by its position, and what became of it at every destination."""
    row = own_source(caller, source)
    with event_log() as log:
        record = opened.find(log, row, position)
        if record is None:
            raise Refused(404, f"There is no message at position {position} of {row}, or no longer.")
        shown = opened.opened(log, row, record)
    is_message = shown.message is not None
    return MessageInFull(
        record.position,
        record.type,
        of_ms(record.received_at),
        record.error,
        evidence.readable(record.body) if is_message else None,
        None if is_message or shown.is_forgotten else record.body.decode("utf-8", "replace"),
        [Fate.of(stop.fate) for stop in shown.stops],
        shown.track or None,
    )


def _line(row: Row) -> MessageLine:
    return MessageLine(
        row.position, row.type, of_ms(row.received_at), row.what, row.who, row.reason, row.outcomes
    )
