"""Applies faults to a request, before or after it is handled.

Breaking a connection so that a client sees what it sees when the network fails is beyond ASGI. Granian closes a connection whose
response was left unfinished. For a reset, the socket is found among this process's file descriptors and closed with RST.
"""

import asyncio
import os
import socket
import stat
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mailjet_sandbox import wire
from mailjet_sandbox.faults.kinds import (
    CorruptedResponse,
    ErrorStatus,
    Hang,
    Latency,
    RequestFault,
    Reset,
    When,
)
from mailjet_sandbox.faults.register import Trigger

#: Linger for no time: what closes the socket sends RST. (On, seconds.)
_NO_LINGER = struct.pack("ii", 1, 0)


class ResetResponse(Response):
    """No answer: the connection is reset. The request's body must have been read. Its status is 0, for the record of calls."""

    def __init__(self) -> None:
        super().__init__()
        self.status_code = 0

    async def __call__(self, scope: Scope, receive: Receive, _send: Send) -> None:
        connection = _find_connection(scope)
        if connection is None:
            return
        with connection, suppress(OSError):  # The client may be the first to part.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            connection.shutdown(socket.SHUT_RD)  # The server takes it for the client's farewell and closes.
        while (await receive())["type"] != "http.disconnect":
            pass


class CutResponse(Response):
    """Half of a body whose whole length was promised; then the connection ends."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        half = bytes(self.body[: len(self.body) // 2])
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": half, "more_body": True})


def _find_connection(scope: Scope) -> socket.socket | None:
    """Return another handle on the socket behind a request; None if it has gone."""
    client = (scope["client"][0], int(scope["client"][1]))
    for entry in Path("/dev/fd").iterdir():
        with suppress(OSError):  # Gone meanwhile, or not for us.
            if not stat.S_ISSOCK(os.fstat(int(entry.name)).st_mode):
                continue
            handle = socket.socket(fileno=os.dup(int(entry.name)))
            with suppress(OSError):  # Listening sockets have no peer.
                name = handle.getpeername()
                if isinstance(name, tuple) and (name[0], name[1]) == client:
                    return handle
            handle.close()
    return None


#: The status of a client that disconnected before the response, in the list of calls. nginx uses it, too.
_CLIENT_LEFT = 499

_MESSAGES = {
    401: wire.BAD_KEY,
    403: "Access to this resource is forbidden",  # [X]
    500: "An Unexpected Error occurred during API request",  # [R]
}

#: The body to corrupt if the request was not handled.
_SAMPLE = {"Count": 1, "Data": [{"ID": 1, "Name": "Customers"}], "Total": 1}

#: Statuses without a body to corrupt.
_BODILESS = (204, 304)

#: Handles the request without faults.
Handler = Callable[[], Awaitable[Response]]


async def apply_faults(triggers: list[Trigger[RequestFault]], request: Request, handle: Handler) -> Response:
    """Handle a request and apply the faults that it triggered."""
    if not triggers:
        return await handle()
    try:
        await request.body()  # Waiting for a disconnect and resetting the connection need the body read.
    except ClientDisconnect:
        return wire.empty(_CLIENT_LEFT)
    replacement = await _apply_at(triggers, "before", request, None)
    if replacement is not None:
        return replacement
    response = await handle()
    return await _apply_at(triggers, "after", request, response) or response


async def _apply_at(
    triggers: list[Trigger[RequestFault]], when: When, request: Request, response: Response | None
) -> Response | None:
    """Apply the faults of one moment, in order. Returns the response that replaces the real one, or None."""
    for trigger in triggers:
        if trigger.fault.when != when:
            continue
        match trigger.fault:
            case Latency():
                shortest, longest = trigger.fault.seconds, trigger.fault.to_seconds
                longest = shortest if longest is None else longest
                await trigger.active.wait(shortest + trigger.chance * (longest - shortest))
            case Hang():
                if await _wait_for_disconnect(request, trigger):
                    return wire.empty(_CLIENT_LEFT)
            case Reset():
                return ResetResponse()
            case ErrorStatus():
                return error_response(trigger.fault, newer=request.url.path.startswith(("/v3.1/", "/v4/")))
            case CorruptedResponse():
                return corrupted(trigger.fault.body, response or wire.legacy(_SAMPLE))
    return None


async def _wait_for_disconnect(request: Request, trigger: Trigger[RequestFault]) -> bool:
    """Wait until the client disconnects (True) or the fault ends (False)."""

    async def receive_disconnect() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    disconnect = asyncio.create_task(receive_disconnect())
    ending = asyncio.create_task(trigger.active.wait())
    await asyncio.wait({disconnect, ending}, return_when=asyncio.FIRST_COMPLETED)
    disconnected = disconnect.done()
    disconnect.cancel()
    ending.cancel()
    return disconnected


def error_response(fault: ErrorStatus, *, newer: bool) -> Response:
    """Build an error in the format of the server family that the request belongs to."""
    response = _error_response(fault, newer=newer)
    if fault.retry_after is not None:
        response.headers["Retry-After"] = str(fault.retry_after)
    return response


def _error_response(fault: ErrorStatus, *, newer: bool) -> Response:
    if fault.body == "empty":
        return wire.html("", fault.status)
    if fault.body == "html":
        return wire.nginx(fault.status)
    if fault.body == "mailjet" and fault.status == 429:
        return wire.too_many_requests()
    if fault.body == "mailjet" and fault.status == 401 and not newer:
        return wire.legacy_unauthorized()
    message = fault.message or _MESSAGES.get(fault.status) or wire.reason(fault.status)
    if newer:
        return wire.newer_error(fault.status, message)
    identifier = str(uuid4()).upper() if fault.identifier and fault.status >= 500 else ""
    return wire.legacy_error(fault.status, message, "", identifier)


def corrupted(how: str, response: Response) -> Response:
    """Keep the status and corrupt the body; a response without a body stays as it is."""
    body, status = bytes(response.body), response.status_code
    if status in _BODILESS:
        return response
    if how == "html":
        return wire.html(bytes(wire.nginx(502).body).decode(), status)
    if how == "empty":
        return Response(b"", status, media_type="application/json")
    if how == "truncated":
        return Response(body[: len(body) // 2], status, media_type="application/json")
    return CutResponse(body, status, media_type="application/json")
