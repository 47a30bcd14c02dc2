"""The pixel: calls as the address of an image, for emails. Always 200 and a transparent GIF.

Two ways to say a call: `?data=` with base64 of its JSON, or its fields in the query, nested ones with dots
(`properties.subject=Hi`). Source: Segment docs, "Pixel Tracking API".
"""

import base64
import binascii
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from jetbridge.errors import Backpressure, MessageRejected
from jetbridge.ingest.ingestion import Ingestion
from jetbridge.ingest.request import Endpoint, Request
from jetbridge.ingest.responses import HTTPError, IngestResponse
from jetbridge.ingest.tracking import append_unreadable, take
from jetbridge.spec import limits
from jetbridge.spec.normalise import Arrival
from jetbridge.spec.untrusted import NESTING

CALLS = ("identify", "track", "page", "screen", "group", "alias")

GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")

#: no-store: a cached image would count one opening for many.
_IMAGE = IngestResponse(200, GIF, [(b"content-type", b"image/gif"), (b"cache-control", b"no-store")])


def pixel_endpoint(ingestion: Ingestion) -> Endpoint:
    async def endpoint(request: Request) -> IngestResponse:
        try:
            await _take(ingestion, request)
        except (HTTPError, MessageRejected, Backpressure) as error:
            ingestion.note(error)
        return _IMAGE

    return endpoint


async def _take(ingestion: Ingestion, request: Request) -> None:
    call_type = request.param("call")
    if call_type not in CALLS:
        raise MessageRejected("bad_request", f"There is no pixel for {call_type[:40]}.")
    arrival = Arrival(
        type=call_type, received_at=ingestion.clock(), ip=request.client_address(), from_device=True
    )
    query = request.scope["query_string"].decode("latin-1")
    fields = dict(parse_qsl(query, keep_blank_values=True))
    key = fields.get("writeKey")
    try:
        if len(query) > 2 * limits.EVENT_BYTES:
            raise MessageRejected("payload_too_large", "Exceed payload limit: the query is too long.")  # noqa: TRY301
        body = _body(fields)
    except MessageRejected as reason:
        data = {name: value for name, value in fields.items() if name != "writeKey"}
        await append_unreadable(ingestion, key, msgspec.json.encode(data), reason)
        raise
    await take(ingestion, key, body, arrival)


def _body(fields: dict[str, str]) -> bytes:
    """The JSON that a query says. Raises MessageRejected."""
    if "data" not in fields:
        return msgspec.json.encode(_nested(fields))
    data = fields["data"].replace(" ", "+").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(data + "==")
    except (binascii.Error, ValueError):
        raise MessageRejected("bad_request", "data is not base64.") from None


def _nested(fields: dict[str, str]) -> dict[str, Any]:
    """{"properties.a": "b"} as {"properties": {"a": "b"}}."""
    call: dict[str, Any] = {}
    for name, value in fields.items():
        *path, last = name.split(".")
        inner = call
        for key in path[:NESTING]:
            child = inner.setdefault(key, {})
            if not isinstance(child, dict):
                raise MessageRejected("bad_request", f"{name[:80]} has a value and fields of its own.")
            inner = child
        inner[last] = value
    return call
