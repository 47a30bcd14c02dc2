"""One HTTP request at a door, and the ASGI application that a door is.

Plain ASGI instead of Starlette's Request and Response: a bare route answers about twice as many requests.
"""

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from jetbridge.errors import Backpressure, MessageRejected
from jetbridge.http.request_body import Receive
from jetbridge.ingest.answer import Answer, Refused, json_answer, refusal
from jetbridge.ingest.body import decompressed, read_sent_body
from jetbridge.ingest.cors import CORS_PREFIX, cors_headers
from jetbridge.ingest.intake import Intake

Scope = MutableMapping[str, Any]
Send = Callable[[Any], Awaitable[None]]

log = logging.getLogger(__name__)


class Request:
    """Headers by lower-case name; of several with one name, the last."""

    __slots__ = ("_intake", "_receive", "headers", "scope")

    def __init__(self, scope: Scope, receive: Receive, intake: Intake) -> None:
        self.scope = scope
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self._receive = receive
        self._intake = intake

    async def body(self, limit: int) -> bytes:
        """The body, decompressed, at most `limit` bytes. Raises Refused."""
        body = await read_sent_body(
            self._receive,
            self.headers,
            limit=limit,
            seconds=self._intake.body_seconds,
            budget=self._intake.body_budget,
        )
        encoding = self.headers.get(b"content-encoding")
        return (
            body if encoding is None else await self._intake.work(limit, decompressed(body, encoding, limit))
        )

    def param(self, name: str) -> str:
        """A part of the path."""
        return str(self.scope["path_params"][name])

    def client_address(self) -> str | None:
        """The address of the sender, as the trusted proxies report it (`proxies.TrustedProxies`)."""
        client = self.scope["client"]
        return client[0] if client else None


#: Answers a request. May raise Refused, MessageRejected (400) or Backpressure (503).
Door = Callable[[Request], Awaitable[Answer]]


class DoorApp:
    """The ASGI application of a door: every end of a request is an answer."""

    def __init__(self, door: Door, intake: Intake) -> None:
        self._door = door
        self._intake = intake

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, self._intake)
        answer = await self._answer(request)
        headers = answer.headers
        if b"origin" in request.headers and scope["path"].startswith(CORS_PREFIX):
            headers = headers + cors_headers(request.headers[b"origin"])
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, request: Request) -> Answer:
        try:
            return await self._door(request)
        except (Refused, MessageRejected, Backpressure) as error:
            return refusal(self._intake.note(error))
        except Exception:
            log.exception("A request to %s failed unexpectedly.", request.scope["path"])
            return _BROKEN


_BROKEN = json_answer(
    {
        "success": False,
        "code": "internal",
        "message": "Jetbridge failed on this request; its log says why.",
        "error": "Jetbridge failed on this request; its log says why.",
    },
    500,
)
