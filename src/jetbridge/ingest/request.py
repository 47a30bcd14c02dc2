"""One HTTP request at an endpoint, and the ASGI application that an endpoint is.

Plain ASGI instead of Starlette's Request and Response: a bare route answers about twice as many requests.
"""

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from jetbridge.errors import Backpressure, MessageRejected
from jetbridge.http.request_body import Receive
from jetbridge.ingest.body import decompressed, read_sent_body
from jetbridge.ingest.cors import CORS_PREFIX, cors_headers
from jetbridge.ingest.ingestion import Ingestion
from jetbridge.ingest.responses import HTTPError, IngestResponse, error_response, json_response

Scope = MutableMapping[str, Any]
Send = Callable[[Any], Awaitable[None]]

log = logging.getLogger(__name__)


class Request:
    """Headers by lower-case name; of several with one name, the last."""

    __slots__ = ("_ingestion", "_receive", "headers", "scope")

    def __init__(self, scope: Scope, receive: Receive, ingestion: Ingestion) -> None:
        self.scope = scope
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self._receive = receive
        self._ingestion = ingestion

    async def body(self, limit: int) -> bytes:
        """The body, decompressed, at most `limit` bytes. Raises HTTPError."""
        body = await read_sent_body(
            self._receive,
            self.headers,
            limit=limit,
            seconds=self._ingestion.body_seconds,
            budget=self._ingestion.body_budget,
        )
        encoding = self.headers.get(b"content-encoding")
        return (
            body
            if encoding is None
            else await self._ingestion.work(limit, decompressed(body, encoding, limit))
        )

    def param(self, name: str) -> str:
        """A part of the path."""
        return str(self.scope["path_params"][name])

    def client_address(self) -> str | None:
        """The address of the sender, as the trusted proxies report it (`proxies.TrustedProxies`)."""
        client = self.scope["client"]
        return client[0] if client else None


#: Answers a request. May raise HTTPError, MessageRejected (400) or Backpressure (503).
Endpoint = Callable[[Request], Awaitable[IngestResponse]]


class EndpointApp:
    """The ASGI application of an endpoint: every end of a request is an answer."""

    def __init__(self, endpoint: Endpoint, ingestion: Ingestion) -> None:
        self._endpoint = endpoint
        self._ingestion = ingestion

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, self._ingestion)
        response = await self._respond(request)
        headers = response.headers
        if b"origin" in request.headers and scope["path"].startswith(CORS_PREFIX):
            headers = headers + cors_headers(request.headers[b"origin"])
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body})

    async def _respond(self, request: Request) -> IngestResponse:
        try:
            return await self._endpoint(request)
        except (HTTPError, MessageRejected, Backpressure) as error:
            return error_response(self._ingestion.note(error))
        except Exception:
            log.exception("A request to %s failed unexpectedly.", request.scope["path"])
            return _BROKEN


_BROKEN = json_response(
    {
        "success": False,
        "code": "internal",
        "message": "Jetbridge failed on this request; its log says why.",
        "error": "Jetbridge failed on this request; its log says why.",
    },
    500,
)
