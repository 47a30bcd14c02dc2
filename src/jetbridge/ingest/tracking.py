"""Segment's Tracking API: one call per request, or a batch.

Unlike Segment, which answers 200 to any key, an unknown write key is told so with 401.
"""

from jetbridge.control.directory import SourceRef
from jetbridge.errors import MessageRejected
from jetbridge.ingest.credentials import basic_user
from jetbridge.ingest.ingestion import Ingestion
from jetbridge.ingest.request import Endpoint, Request
from jetbridge.ingest.responses import SUCCESS, HTTPError, IngestResponse
from jetbridge.ingest.source_auth import by_write_key
from jetbridge.spec import limits
from jetbridge.spec.normalise import Arrival
from jetbridge.spec.parse import parse_batch, parse_single, write_keys_in

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


def tracking_endpoint(ingestion: Ingestion, call_type: str | None) -> Endpoint:
    async def endpoint(request: Request) -> IngestResponse:
        user = basic_user(request.headers)
        try:
            body = await request.body(limits.BATCH_BYTES)
        except HTTPError as reason:
            await append_unreadable(ingestion, user, b"", reason)
            raise
        arrival = Arrival(type=call_type, received_at=ingestion.clock(), ip=request.client_address())
        await take(ingestion, user, body, arrival)
        return SUCCESS

    return endpoint


async def take(ingestion: Ingestion, user: str | None, body: bytes, arrival: Arrival) -> None:
    """Return when the calls are durable: one of the type that the path names, or a batch.

    `user` is the write key that came outside the body, if any. Raises MessageRejected if no call of it is one, HTTPError
    if its source is not known.
    """
    try:
        if arrival.type:
            parsed = parse_single(body, arrival)
        else:
            parsed = await ingestion.work(len(body), parse_batch(body, arrival))
    except MessageRejected as reason:
        await append_unreadable(ingestion, user, body, reason)
        raise
    source = await known_source(ingestion, parsed.write_key, user)
    await ingestion.append(source, parsed, arrival.received_at)
    if not parsed.accepted:
        raise parsed.rejected[0].reason


async def known_source(ingestion: Ingestion, *keys: str | None) -> SourceRef:
    """The source of the first key that is known. Raises HTTPError (401)."""
    given = [key for key in keys if key]
    for key in dict.fromkeys(given):
        source = await ingestion.source_auth.find(by_write_key(key))
        if source:
            return source
    if given:
        raise HTTPError(
            401, "unknown_write_key", "This write key is not known here. Copy it from the source again."
        )
    raise HTTPError(
        401,
        "no_write_key",
        'The request has no write key: put it into the body as "writeKey", or send it as the user of HTTP Basic.',
    )


async def metrics_endpoint(_: Request) -> IngestResponse:
    """Analytics.js reports on itself here; we have no use for it, and a refusal would make it log errors."""
    return SUCCESS


async def append_unreadable(
    ingestion: Ingestion, user: str | None, body: bytes, reason: MessageRejected | HTTPError
) -> None:
    """Count a body that no reading can save, if it is known whose it is."""
    for key in [*write_keys_in(body), user]:
        source = key and await ingestion.source_auth.find(by_write_key(key))
        if source:
            await ingestion.append_unreadable(source, body, reason)
            return
