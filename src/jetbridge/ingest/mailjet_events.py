"""The door for Mailjet's email events: kept as they came, byte for byte, until the worker reads them.

Version 1 posts one object, Version 2 an array. Mailjet repeats whatever is not answered exactly 200, and
sends no credentials but those in the address that we registered. MessageIDs are larger than 2^53; bytes are
exact. Source: Mailjet's Event API guide.
"""

from jetbridge.control.directory import SourceRef
from jetbridge.control.secret_field import digest
from jetbridge.errors import MessageRejected
from jetbridge.eventlog.base import EMAIL_EVENT, Entry
from jetbridge.ingest.answer import SUCCESS, Answer, Refused
from jetbridge.ingest.intake import Intake, invalid_entry, milliseconds
from jetbridge.ingest.request import Door, Request
from jetbridge.ingest.signature import is_array
from jetbridge.spec.limits import PARTNER_BYTES
from jetbridge.spec.nesting import refuse_deep
from jetbridge.spec.parse_carefully import array_items, decoded
from jetbridge.spec.parsed import Rejected


def mailjet_events_door(intake: Intake) -> Door:
    async def door(request: Request) -> Answer:
        token_digest = digest(request.param("token"))
        source = await intake.callers.find(lambda doors: doors.by_events_token_digest.get(token_digest))
        if source is None:
            raise Refused(401, "unknown_token", "This address was not registered by Jetbridge.")
        body = await request.body(PARTNER_BYTES)
        items = array_items(body) if is_array(body) else [_whole(body)]
        at = milliseconds(intake.clock())
        await intake.log.append([_entry(source, item, at) for item in items])
        return SUCCESS

    return door


def _whole(body: bytes) -> bytes:
    if not isinstance(decoded(body, "The body"), dict):
        raise MessageRejected("bad_request", "The body must be an email event or an array of them.")
    return body


def _check(item: bytes) -> None:
    """Raise MessageRejected for what is no email event."""
    if not isinstance(decoded(item, "The event"), dict):
        raise MessageRejected("bad_request", "An email event must be a JSON object.")
    refuse_deep(item)


def _entry(source: SourceRef, item: bytes, at: int) -> Entry:
    try:
        _check(item)
    except MessageRejected as reason:
        return invalid_entry(source, Rejected(item, reason), at)
    return Entry(source.id, EMAIL_EVENT, at, item)
