"""The sandbox's own API under ``/sandbox/``: what a test or a demo asks of it. It needs no Mailjet key."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from jetbridge.sandbox import errors
from jetbridge.sandbox.body import parse_object, read_body
from jetbridge.sandbox.world import World


def json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


class Control:
    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        return [
            Route("/sandbox/calls", self.calls, methods=["GET"]),
            Route("/sandbox/reset", self.reset, methods=["POST"]),
        ]

    async def calls(self, _request: Request) -> Response:
        """Count the API calls since the last reset, by method and endpoint."""
        return json({"calls": dict(self._world.calls.counts)})

    async def reset(self, request: Request) -> Response:
        """Forget the calls; with ``{"state": true}`` the whole account too."""
        try:
            wipe = parse_object(await read_body(request)).get("state") is True
        except errors.MailjetError as error:
            return json({"error": error.message}, error.status)
        self._world.calls.clear()
        if wipe:
            self._world.store.clear()
            self._world.callbacks.clear()
        return json({"reset": ["calls", "state"] if wipe else ["calls"]})
