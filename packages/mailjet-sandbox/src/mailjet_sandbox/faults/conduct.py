"""A request meets the faults that strike it: before its work is done, or after."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import uuid4

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from mailjet_sandbox import gate, wire
from mailjet_sandbox.faults.connection import CutResponse, ResetResponse
from mailjet_sandbox.faults.kinds import Hang, Latency, Refusal, RequestFault, Reset, Spoiled, When
from mailjet_sandbox.faults.register import Strike

#: Stands in the record of calls for a client that left before its answer, as nginx has it.
_CLIENT_LEFT = 499

_MESSAGES = {
    401: gate.BAD_KEY,
    403: "Access to this resource is forbidden",  # [X]
    500: "An Unexpected Error occurred during API request",  # [R]
}

#: What is cut or truncated when no work was done.
_SAMPLE = {"Count": 1, "Data": [{"ID": 1, "Name": "Customers"}], "Total": 1}

#: Answers that have no body to spoil.
_BODILESS = (204, 304)

#: Does the work and answers as it should be.
Answerer = Callable[[], Awaitable[Response]]


async def meet(strikes: list[Strike[RequestFault]], request: Request, answer: Answerer) -> Response:
    """Answer a request as the faults that strike it will have it."""
    if not strikes:
        return await answer()
    try:
        await (
            request.body()
        )  # Whoever waits for the client to leave, or resets the connection, needs it read.
    except ClientDisconnect:
        return wire.empty(_CLIENT_LEFT)
    instead = await _suffer(strikes, "before", request, None)
    if instead is not None:
        return instead
    response = await answer()
    return await _suffer(strikes, "after", request, response) or response


async def _suffer(
    strikes: list[Strike[RequestFault]], when: When, request: Request, response: Response | None
) -> Response | None:
    """Let the faults of one moment strike, in order; what they answer goes instead of the response."""
    for strike in strikes:
        if strike.fault.when != when:
            continue
        match strike.fault:
            case Latency():
                await strike.by.last(_latency(strike.fault, strike.chance))
            case Hang():
                if await _leaves(request, strike):
                    return wire.empty(_CLIENT_LEFT)
            case Reset():
                return ResetResponse()
            case Refusal():
                return refusal(strike.fault, newer=request.url.path.startswith(("/v3.1/", "/v4/")))
            case Spoiled():
                return spoiled(strike.fault.body, response or wire.legacy(_SAMPLE))
    return None


def _latency(fault: Latency, chance: float) -> float:
    """Return seconds; the chance, from 0 to 1, picks from a range."""
    longest = fault.seconds if fault.to_seconds is None else fault.to_seconds
    return fault.seconds + chance * (longest - fault.seconds)


async def _leaves(request: Request, strike: Strike[RequestFault]) -> bool:
    """Wait until the client has left (True) or the fault is over (False)."""
    leaving = asyncio.create_task(_disconnected(request))
    lasting = asyncio.create_task(strike.by.last())
    await asyncio.wait({leaving, lasting}, return_when=asyncio.FIRST_COMPLETED)
    left = leaving.done()
    leaving.cancel()
    lasting.cancel()
    return left


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def refusal(fault: Refusal, *, newer: bool) -> Response:
    """Build an error in the words of the server family that the request belongs to."""
    response = _refusal(fault, newer=newer)
    if fault.retry_after is not None:
        response.headers["Retry-After"] = str(fault.retry_after)
    return response


def _refusal(fault: Refusal, *, newer: bool) -> Response:
    if fault.body == "empty":
        return wire.html("", fault.status)
    if fault.body == "html":
        return wire.nginx(fault.status)
    if fault.body == "mailjet" and fault.status == 429:
        return gate.too_many_requests()
    if fault.body == "mailjet" and fault.status == 401 and not newer:
        return gate.legacy_unauthorized()
    message = fault.message or _MESSAGES.get(fault.status) or wire.reason(fault.status)
    if newer:
        return wire.newer_error(fault.status, message)
    identifier = str(uuid4()).upper() if fault.identifier and fault.status >= 500 else ""
    return wire.legacy_error(fault.status, message, "", identifier)


def spoiled(how: str, response: Response) -> Response:
    """Keep the status and spoil the body; an answer without one stays as it is."""
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
