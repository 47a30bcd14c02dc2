"""Segment's Tracking API: one call per request, or a batch.

Unlike Segment, which answers 200 to any key, an unknown write key is told so with 401.
"""

from collections.abc import Callable

from jetbridge.control.directory import SourceRef
from jetbridge.errors import MessageRejected
from jetbridge.ingest.answer import SUCCESS, Answer, Refused
from jetbridge.ingest.credentials import basic_user
from jetbridge.ingest.intake import Intake
from jetbridge.ingest.request import Door, Request
from jetbridge.spec import limits
from jetbridge.spec.normalise import Arrival
from jetbridge.spec.parse import parse_batch, parse_single
from jetbridge.spec.parsed import Parsed, Rejected

Parse = Callable[[bytes, Arrival], Parsed]

#: Path -> call type, None for a batch. The short paths are Analytics.js's, /v1/import that of older clients.
PATHS = {
    "/v1/identify": "identify",
    "/v1/track": "track",
    "/v1/page": "page",
    "/v1/screen": "screen",
    "/v1/group": "group",
    "/v1/alias": "alias",
    "/v1/i": "identify",
    "/v1/t": "track",
    "/v1/p": "page",
    "/v1/s": "screen",
    "/v1/g": "group",
    "/v1/a": "alias",
    "/v1/batch": None,
    "/v1/import": None,
    "/v1/b": None,
}


def tracking_door(intake: Intake, call_type: str | None) -> Door:
    parse: Parse = parse_single if call_type else parse_batch

    async def door(request: Request) -> Answer:
        body = await request.body(limits.BATCH_BYTES)
        arrival = Arrival(type=call_type, received_at=intake.clock(), ip=request.peer())
        await take(intake, basic_user(request.headers), body, arrival, parse)
        return SUCCESS

    return door


async def take(intake: Intake, user: str | None, body: bytes, arrival: Arrival, parse: Parse) -> None:
    """Return when the calls are durable. `user` is the write key that came outside the body, if any.

    Raises MessageRejected if no call of it is one, Refused if its source is not known.
    """
    try:
        parsed = parse(body, arrival)
    except MessageRejected as reason:
        await _keep_unreadable(intake, user, Rejected(body, reason), arrival)
        raise
    source = await known_source(intake, parsed.write_key, user)
    await intake.keep(source, parsed, arrival.received_at)
    if not parsed.accepted:
        raise parsed.rejected[0].reason


async def known_source(intake: Intake, *keys: str | None) -> SourceRef:
    """The source of the first key that is known. Raises Refused (401)."""
    given = [key for key in keys if key]
    for key in dict.fromkeys(given):
        source = await intake.callers.find(lambda doors, key=key: doors.by_write_key.get(key))  # type: ignore[misc]
        if source:
            return source
    if given:
        raise Refused(
            401, "unknown_write_key", "This write key is not known here. Copy it from the source again."
        )
    raise Refused(
        401,
        "no_write_key",
        'The request has no write key: put it into the body as "writeKey", or send it as the user of HTTP Basic.',
    )


async def metrics_door(_: Request) -> Answer:
    """Analytics.js reports on itself here; we have no use for it, and a refusal would make it log errors."""
    return SUCCESS


async def _keep_unreadable(intake: Intake, user: str | None, item: Rejected, arrival: Arrival) -> None:
    """Nothing of the body can be read; whose it is may be known all the same."""
    if source := user and await intake.callers.find(lambda doors: doors.by_write_key.get(user)):
        await intake.keep(source, Parsed([], [item]), arrival.received_at)
