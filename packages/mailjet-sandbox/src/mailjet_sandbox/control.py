"""The sandbox's own API under ``/sandbox/``, for tests and demos: calls, events, campaigns, faults. It needs no Mailjet key."""

from itertools import islice

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mailjet_sandbox import errors, wire
from mailjet_sandbox.callbacks import EventDelivery
from mailjet_sandbox.campaigns import CampaignRequest, send_campaign
from mailjet_sandbox.faults.register import Faults
from mailjet_sandbox.faults.scenario import BadFault, read_faults
from mailjet_sandbox.requests import Query, as_id, decode_json, parse_object, read_body
from mailjet_sandbox.state import State


def json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def error_response(status: int, message: str) -> Response:
    return json({"error": message}, status)


class Control:
    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        return [
            Route("/sandbox/calls", self.calls, methods=["GET"]),
            Route("/sandbox/reset", self.reset, methods=["POST"]),
            Route("/sandbox/campaigns", self.campaigns, methods=["POST"]),
            Route("/sandbox/events", self.events, methods=["GET"]),
        ]

    async def calls(self, _request: Request) -> Response:
        """Count the API calls since the last reset, by method and endpoint."""
        return json({"calls": dict(self._state.calls.counts)})

    async def reset(self, request: Request) -> Response:
        """Forget the calls; with ``{"state": true}`` the whole account and the Segment calls, too."""
        try:
            wipe = parse_object(await read_body(request)).get("state") is True
        except errors.MailjetError as error:
            return error_response(error.status, error.message)
        self._state.calls.clear()
        if wipe:
            self._state.changes += 1
            self._state.store.clear()
            self._state.callbacks.clear()
            self._state.segment_calls.clear()
        return json({"reset": ["calls", "state"] if wipe else ["calls"]})

    async def campaigns(self, request: Request) -> Response:
        """Send a campaign to a list, and return the number of events by type."""
        try:
            campaign = decode_json(await read_body(request), CampaignRequest)
        except errors.MailjetError as error:
            return error_response(error.status, error.message)
        if self._state.store.active_list(campaign.list_id) is None:
            return error_response(404, f"There is no list {campaign.list_id}")
        self._state.changes += 1
        return json(await send_campaign(self._state, campaign), 201)

    async def events(self, request: Request) -> Response:
        """List the last events that were emitted, oldest first, and whether they were delivered; ``?limit=`` up to 1,000."""
        query = Query(request.scope["query_string"])
        limit = 100 if query.text("limit") is None else query.limit
        emitted = self._state.callbacks.emitted
        tail = list(islice(reversed(emitted), limit))[::-1]
        return json(
            {
                "emitted": dict(self._state.callbacks.totals),
                "pending": self._state.callbacks.pending_count(),
                "delivered": self._state.callbacks.delivered(),
                "events": [describe(delivery) for delivery in tail],
            }
        )


def describe(delivery: EventDelivery) -> dict[str, object]:
    return {
        "state": delivery.state,
        "url": delivery.url,
        "attempts": delivery.attempts,
        "event": delivery.event,
    }


class FaultControl:
    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def routes(self) -> list[Route]:
        return [
            Route("/sandbox/faults", self.show, methods=["GET"]),
            Route("/sandbox/faults", self.add, methods=["POST"]),
            Route("/sandbox/faults", self.clear, methods=["DELETE"]),
            Route("/sandbox/faults/{number}", self.remove, methods=["DELETE"]),
        ]

    async def show(self, _request: Request) -> Response:
        return json({"faults": [one.describe() for one in self._faults]})

    async def add(self, request: Request) -> Response:
        """Set one fault or several: all of them, or none and a 400 with the reason."""
        try:
            faults = read_faults(decode_json(await read_body(request)))
        except BadFault as error:
            return json({"error": str(error)}, 400)
        except errors.MailjetError as error:
            return json({"error": error.message}, error.status)
        return json({"faults": [one.describe() for one in self._faults.add(faults)]}, 201)

    async def clear(self, _request: Request) -> Response:
        removed = [one.describe() for one in self._faults]
        self._faults.clear()
        return json({"faults": removed})

    async def remove(self, request: Request) -> Response:
        number = request.path_params["number"]
        if not self._faults.remove(as_id(number) or 0):
            return json({"error": f"There is no fault {number}"}, 404)
        return wire.empty(204)
