"""Segment's Tracking API: one call per request or a batch, the pixel, and the settings that SDKs load.

Unlike Segment, which sends 200 to any key, an unknown write key gets a 401.
"""

import base64
import binascii
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from jetbridge.errors import Backpressure, MessageRejected
from jetbridge.ingest.ingestion import Ingestion, by_write_key
from jetbridge.ingest.request import SUCCESS, Endpoint, HTTPError, IngestResponse, Request, json_response
from jetbridge.spec import limits
from jetbridge.spec.normalise import Arrival
from jetbridge.spec.parse import parse_batch, parse_single, write_keys_in
from jetbridge.spec.untrusted import NESTING

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
#: Calls that a pixel can make.
PIXEL_CALLS = ("identify", "track", "page", "screen", "group", "alias")
GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")

#: no-store: a cached image would count one opening for many.
_IMAGE = IngestResponse(200, GIF, [(b"content-type", b"image/gif"), (b"cache-control", b"no-store")])


def tracking_endpoint(ingestion: Ingestion, call_type: str | None) -> Endpoint:
    async def endpoint(request: Request) -> IngestResponse:
        user = request.basic_user()
        try:
            body = await request.body(limits.BATCH_BYTES)
        except HTTPError as reason:
            await _append_unreadable(ingestion, user, b"", reason)
            raise
        arrival = Arrival(type=call_type, received_at=ingestion.clock(), ip=request.client_address())
        await _append(ingestion, request, user, body, arrival)
        return SUCCESS

    return endpoint


async def metrics_endpoint(_: Request) -> IngestResponse:
    """Analytics.js reports on itself here; we have no use for it, and an error would make it log errors."""
    return SUCCESS


def pixel_endpoint(ingestion: Ingestion) -> Endpoint:
    """Calls as the address of an image, for emails. Always 200 and a transparent GIF.

    There are two ways to write a call: `?data=` with base64 of its JSON, or its fields in the query, nested ones with dots
    (`properties.subject=Hi`). Source: Segment docs, "Pixel Tracking API".
    """

    async def endpoint(request: Request) -> IngestResponse:
        try:
            await _append_pixel(ingestion, request)
        except (HTTPError, MessageRejected, Backpressure) as error:
            request.admission.reject(error)
        return _IMAGE

    return endpoint


def sdk_settings_endpoint(ingestion: Ingestion, public_url: str) -> Endpoint:
    """The settings that Analytics.js and the mobile libraries load before they send anything.

    Shape: analytics-next's own CDN settings fixture. `apiHost` has no scheme; Analytics.js takes that from
    `protocol`, the mobile libraries always use https.
    """
    address = urlsplit(public_url)
    plan = {"__default": {"enabled": True, "integrations": {}}}

    async def endpoint(request: Request) -> IngestResponse:
        key = request.param("write_key")
        if await ingestion.source_auth.find(by_write_key(key)) is None:
            raise HTTPError(404, "unknown_write_key", "This write key is not known here.")
        segment = {
            "apiKey": key,
            "apiHost": f"{address.netloc}{address.path}/v1",
            "protocol": address.scheme,
            "unbundledIntegrations": [],
            "addBundledMetadata": True,
            "maybeBundledConfigIds": {},
            "versionSettings": {"version": "4.4.7", "componentTypes": ["browser"]},
        }
        response = json_response(
            {
                "integrations": {"Segment.io": segment},
                "plan": {"track": plan, "identify": plan, "group": plan},
                "edgeFunction": {},
                "middlewareSettings": {"routingRules": []},
                "enabledMiddleware": {},
                "metrics": {"sampleRate": 0},
                "legacyVideoPluginsEnabled": False,
                "remotePlugins": [],
            }
        )
        response.headers.append((b"cache-control", b"public, max-age=60"))
        return response

    return endpoint


async def _append(
    ingestion: Ingestion, request: Request, user: str | None, body: bytes, arrival: Arrival
) -> None:
    """Return when the calls are durable: one of the type that the path names, or a batch.

    `user` is the write key that came outside the body, if any. Raises MessageRejected if no call of it is one, HTTPError
    if its source is not known.
    """
    try:
        if arrival.type:
            parsed = parse_single(body, arrival)
        else:
            parsed = await request.admission.work(len(body), parse_batch(body, arrival))
    except MessageRejected as reason:
        await _append_unreadable(ingestion, user, body, reason)
        raise
    keys = [key for key in dict.fromkeys((parsed.write_key, user)) if key]
    for key in keys:
        if source := await ingestion.source_auth.find(by_write_key(key)):
            break
    else:
        if keys:
            detail = "This write key is not known here. Copy it from the source again."
            raise HTTPError(401, "unknown_write_key", detail)
        raise HTTPError(
            401,
            "no_write_key",
            'The request has no write key: put it into the body as "writeKey", or send it as the user of HTTP Basic.',
        )
    await ingestion.append(source, parsed, arrival.received_at)
    if not parsed.accepted:
        raise parsed.rejected[0].reason


async def _append_unreadable(
    ingestion: Ingestion, user: str | None, body: bytes, reason: MessageRejected | HTTPError
) -> None:
    """Count a body that no reading can save, if it is known whose it is."""
    for key in [*write_keys_in(body), user]:
        source = key and await ingestion.source_auth.find(by_write_key(key))
        if source:
            await ingestion.append_unreadable(source, body, reason)
            return


async def _append_pixel(ingestion: Ingestion, request: Request) -> None:
    call_type = request.param("call")
    if call_type not in PIXEL_CALLS:
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
        body = _pixel_body(fields)
    except MessageRejected as reason:
        data = {name: value for name, value in fields.items() if name != "writeKey"}
        await _append_unreadable(ingestion, key, msgspec.json.encode(data), reason)
        raise
    await _append(ingestion, request, key, body, arrival)


def _pixel_body(fields: dict[str, str]) -> bytes:
    """The JSON of the call in a query. Raises MessageRejected."""
    if "data" in fields:
        data = fields["data"].replace(" ", "+").replace("-", "+").replace("_", "/")
        try:
            return base64.b64decode(data + "==")
        except (binascii.Error, ValueError):
            raise MessageRejected("bad_request", "data is not base64.") from None
    call: dict[str, Any] = {}  # {"properties.a": "b"} as {"properties": {"a": "b"}}
    for name, value in fields.items():
        *path, last = name.split(".")
        inner = call
        for key in path[:NESTING]:
            child = inner.setdefault(key, {})
            if not isinstance(child, dict):
                raise MessageRejected("bad_request", f"{name[:80]} has a value and fields of its own.")
            inner = child
        inner[last] = value
    return msgspec.json.encode(call)
