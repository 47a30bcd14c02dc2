"""One HTTP request at a door, and the ASGI application that a door is.

Plain ASGI instead of Starlette's Request and Response: a bare route answers about twice as many requests.
"""

import ipaddress
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from jetbridge.errors import Backpressure, MessageRejected
from jetbridge.ingest.answer import Answer, Refused, json_answer, refusal
from jetbridge.ingest.body import Receive, read_body
from jetbridge.ingest.cors import cors_headers
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
        return await read_body(
            self._receive,
            self.headers,
            limit=limit,
            seconds=self._intake.body_seconds,
            allowance=self._intake.allowance,
        )

    def param(self, name: str) -> str:
        """A part of the path."""
        return str(self.scope["path_params"][name])

    def peer(self) -> str | None:
        """The address of the sender; behind a proxy on this machine, the address that the proxy saw."""
        client = self.scope.get("client")
        address = client[0] if client else None
        forwarded = self.headers.get(b"x-forwarded-for")
        if forwarded and address in _LOOPBACK:
            return _address(forwarded.rpartition(b",")[2].strip().decode("latin-1")) or address
        return address


_LOOPBACK = {"127.0.0.1", "::1"}


def _address(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


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
        if b"origin" in request.headers:
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
