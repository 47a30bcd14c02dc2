"""The sandbox's own API under ``/sandbox/``, for tests and demos. It needs no Mailjet key."""

from itertools import islice

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mailjet_sandbox import errors
from mailjet_sandbox.body import decode_json, parse_object, read_body
from mailjet_sandbox.campaigns import CampaignRequest, send_campaign
from mailjet_sandbox.query import Query
from mailjet_sandbox.state import State
from mailjet_sandbox.webhook_sender import EventDelivery


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
