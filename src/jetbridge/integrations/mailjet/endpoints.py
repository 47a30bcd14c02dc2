"""The endpoint for Mailjet's email events: kept as they came, byte for byte, until the worker reads them.

Version 1 posts one object, Version 2 an array. Mailjet repeats whatever is not answered exactly 200, and
sends no credentials but those in the address that we registered. MessageIDs are larger than 2^53; bytes are
exact. Source: Mailjet's Event API guide.
"""

from collections.abc import Generator

import msgspec

from jetbridge.control.directory import SourceRef
from jetbridge.control.secret_field import digest
from jetbridge.errors import MessageRejected
from jetbridge.eventlog.base import EMAIL_EVENT, Entry
from jetbridge.ingest.ingestion import Ingestion, invalid_entry, milliseconds
from jetbridge.ingest.request import SUCCESS, Endpoint, HTTPError, IngestResponse, Request
from jetbridge.integrations.mailjet.api.events import DROPPED
from jetbridge.spec.lenient_json import Elements, bad_json, read_lenient
from jetbridge.spec.limits import BATCH_BYTES, EMAIL_EVENTS, EMAIL_EVENTS_BYTES, PARTNER_EVENT_BYTES
from jetbridge.spec.parse import Rejected, elements_up_to, is_array, reject_large, too_deep
from jetbridge.spec.untrusted import is_too_deep


def mailjet_events_endpoint(ingestion: Ingestion) -> Endpoint:
    async def endpoint(request: Request) -> IngestResponse:
        token_digest = digest(request.param("token"))
        source = await ingestion.source_auth.find(
            lambda credentials: credentials.by_events_token_digest.get(token_digest)
        )
        if source is None:
            raise HTTPError(401, "unknown_token", "This address was not registered by Jetbridge.")
        body = b""
        try:
            body = await request.body(EMAIL_EVENTS_BYTES)
            steps = _entries(source, body, milliseconds(ingestion.clock()))
            entries = await request.admission.work(len(body), steps)
        except (MessageRejected, HTTPError) as reason:
            await ingestion.append_unreadable(source, body, reason)
            raise
        await ingestion.event_log.append(entries)
        return SUCCESS

    return endpoint


def _entries(source: SourceRef, body: bytes, at: int) -> Generator[None, None, list[Entry]]:
    """An entry per event, and per element that is none: to repeat it would not fix it.

    Raises MessageRejected for a body of which nothing can be read, or not all that was sent: repeated, it may be whole.
    """
    if not is_array(body):
        return [Entry(source.id, EMAIL_EVENT, at, _event(body, "The body"))]
    elements = Elements(body)
    items = yield from elements_up_to(elements, EMAIL_EVENTS, "An array")
    if elements.is_cut_off or elements.rest:
        raise bad_json("The body", "it does not end with its array")
    entries, rejected = [], []
    for item in items:
        yield
        try:
            entries.append(Entry(source.id, EMAIL_EVENT, at, _event(item, "The event")))
        except MessageRejected as reason:
            rejected.append(reason)
            entries.append(invalid_entry(source, Rejected(item[:BATCH_BYTES], reason), at))
    if rejected and len(rejected) == len(items) and all(reason.code == "bad_json" for reason in rejected):
        raise rejected[0]
    return entries


def _event(item: bytes, what: str) -> bytes:
    """The event, byte for byte unless a value in it cannot be read. Raises MessageRejected for what is no event."""
    reject_large(item, PARTNER_EVENT_BYTES)
    event, lost = read_lenient(item, what)
    if not isinstance(event, dict):
        raise MessageRejected("bad_request", f"{what} must be an email event: a JSON object.")
    if lost:
        item = msgspec.json.encode({**event, DROPPED: lost})
    if is_too_deep(item):
        raise too_deep()
    return item


def endpoints(ingestion: Ingestion) -> dict[str, Endpoint]:
    """By path, for POST. `ingest.app` looks for them."""
    return {"/mailjet/events/{token}": mailjet_events_endpoint(ingestion)}
