"""A recording Segment Tracking API: it keeps the calls that it receives, so that a whole loop runs without any account.

Paths, credentials, limits and responses: https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/
"""

import base64
import binascii
import zlib
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mailjet_sandbox import errors
from mailjet_sandbox.faults.apply import apply_faults
from mailjet_sandbox.requests import Query, parse_object, read_body
from mailjet_sandbox.state import State

#: Three names of one endpoint. [I] segmentio/analytics-go#71
BATCHES = ("batch", "import", "b")
CALLS = ("identify", "track", "page", "screen", "group", "alias")

#: Bytes of a call, bytes of a batch, calls in a batch. [D]
MAX_CALL_BYTES = 32 * 1024
MAX_BATCH_BYTES = 500 * 1024
MAX_BATCH_CALLS = 2_500


class Segment:
    """``/v1/batch`` and the single calls; ``GET /sandbox/segment`` lists what was received."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._recorder = state.segment_calls

    def routes(self) -> list[Route]:
        return [
            *(Route(f"/v1/{name}", self.receive, methods=["POST"]) for name in (*BATCHES, *CALLS)),
            Route("/sandbox/segment", self.list, methods=["GET"]),
        ]

    async def list(self, request: Request) -> Response:
        """List calls, oldest first: those after the number ``?after=``, or the latest; ``?limit=`` up to 1,000."""
        query = Query(request.scope["query_string"])
        limit = 100 if query.text("limit") is None else query.limit
        after = query.integer("after")
        calls = self._recorder.latest(limit) if after is None else self._recorder.after(after, limit)
        body = {
            "received": dict(self._recorder.counts),
            "dropped": dict(self._recorder.dropped),
            "calls": calls,
        }
        return Response(msgspec.json.encode(body), media_type="application/json")

    async def receive(self, request: Request) -> Response:
        name = request.url.path.rpartition("/")[2]
        triggers = self._state.faults.on_request("POST", f"segment/{name}")
        return await apply_faults(triggers, request, lambda: self._handle(request, name))

    async def _handle(self, request: Request, name: str) -> Response:
        try:
            body = parse_object(decompressed(await read_body(request), request))
            write_key = str(body.get("writeKey") or basic_user(request))
            if not write_key:
                return _error(
                    "Provide a write key: as writeKey in the body, or as the user of Basic authentication"
                )
            calls = batch_of(body) if name in BATCHES else [{"type": name, **body}]
            for call in calls:
                if len(msgspec.json.encode(call)) > MAX_CALL_BYTES:
                    return _error("Exceed payload limit")
        except errors.MailjetError as error:
            return _error(str(error.message))
        known = self._state.settings.segment_write_key
        if known and write_key != known:
            self._recorder.dropped["unknown write key"] += len(calls)
        elif len(calls) > MAX_BATCH_CALLS:
            self._recorder.dropped["batch of too many calls"] += len(calls)
        else:
            for call in calls:
                self._recorder.add(self._state.store.now(), write_key, call)
        return Response(b'{"success":true}', media_type="application/json")


def decompressed(body: bytes, request: Request) -> bytes:
    """Undo ``Content-Encoding: gzip``. Raises MailjetError for what is too large or broken."""
    if request.headers.get("content-encoding", "").lower() == "gzip":
        try:
            body = zlib.decompressobj(wbits=31).decompress(body, MAX_BATCH_BYTES + 1)
        except zlib.error as error:
            raise errors.MailjetError(400, f"The body is not gzip: {error}") from None
    if len(body) > MAX_BATCH_BYTES:
        raise errors.MailjetError(400, "Exceed payload limit")
    return body


def basic_user(request: Request) -> str:
    """Return the user of Basic authentication; "" without one."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(encoded.strip(), validate=True).decode().partition(":")[0]
    except (binascii.Error, ValueError):
        return ""


def batch_of(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the calls of a batch; context and integrations of the batch are merged into each. Raises MailjetError."""
    batch = body.get("batch")
    if not isinstance(batch, list) or not all(isinstance(call, dict) for call in batch):
        raise errors.MailjetError(400, "The batch is not a list of objects")
    shared = {name: body[name] for name in ("context", "integrations") if isinstance(body.get(name), dict)}
    calls = []
    for call in batch:
        own = {name: call[name] if isinstance(call.get(name), dict) else {} for name in shared}
        calls.append({**call, **{name: {**value, **own[name]} for name, value in shared.items()}})
    return calls


def _error(message: str) -> Response:
    body = msgspec.json.encode({"success": False, "message": message})
    return Response(body, 400, media_type="application/json")
