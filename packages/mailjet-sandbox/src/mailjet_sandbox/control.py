"""The sandbox's own API under ``/sandbox/``: what a test or a demo asks of it. It needs no Mailjet key."""

from itertools import islice

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mailjet_sandbox import errors
from mailjet_sandbox.body import parse_object, read_body
from mailjet_sandbox.campaigns import CampaignRequest, send_campaign
from mailjet_sandbox.courier import Emission
from mailjet_sandbox.query import Query
from mailjet_sandbox.world import World


def json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def refusal(status: int, sentence: str) -> Response:
    return json({"error": sentence}, status)


class Control:
    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        return [
            Route("/sandbox/calls", self.calls, methods=["GET"]),
            Route("/sandbox/reset", self.reset, methods=["POST"]),
            Route("/sandbox/campaigns", self.campaigns, methods=["POST"]),
            Route("/sandbox/events", self.events, methods=["GET"]),
        ]

    async def calls(self, _request: Request) -> Response:
        """Count the API calls since the last reset, by method and endpoint."""
        return json({"calls": dict(self._world.calls.counts)})

    async def reset(self, request: Request) -> Response:
        """Forget the calls; with ``{"state": true}`` the whole account too."""
        try:
            wipe = parse_object(await read_body(request)).get("state") is True
        except errors.MailjetError as error:
            return refusal(error.status, error.message)
        self._world.calls.clear()
        if wipe:
            self._world.changes += 1
            self._world.store.clear()
            self._world.callbacks.clear()
        return json({"reset": ["calls", "state"] if wipe else ["calls"]})

    async def campaigns(self, request: Request) -> Response:
        """Send a campaign to a list, and answer what it will have caused."""
        try:
            wanted = msgspec.json.decode(await read_body(request), type=CampaignRequest)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return refusal(400, str(error))
        except errors.TooLarge as error:
            return refusal(413, error.message)
        if self._world.store.living_list(wanted.list_id) is None:
            return refusal(404, f"There is no list {wanted.list_id}")
        self._world.changes += 1
        return json(await send_campaign(self._world, wanted), 201)

    async def events(self, request: Request) -> Response:
        """List the last events that were emitted, oldest first, and how each fared; ``?limit=`` up to 1,000."""
        query = Query(request.scope["query_string"])
        limit = 100 if query.text("limit") is None else query.limit
        emitted = self._world.callbacks.emitted
        tail = list(islice(reversed(emitted), limit))[::-1]
        return json(
            {
                "emitted": dict(self._world.callbacks.totals),
                "pending": self._world.callbacks.pending_count(),
                "delivered": self._world.callbacks.delivered(),
                "events": [describe(emission) for emission in tail],
            }
        )


def describe(emission: Emission) -> dict[str, object]:
    return {
        "state": emission.state,
        "url": emission.url,
        "attempts": emission.attempts,
        "event": emission.event,
    }
