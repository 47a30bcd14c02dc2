"""From a request to an answer: which server family it belongs to, who is asking, and who answers."""

import logging
from collections.abc import Callable
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response

from mailjet_sandbox import errors, gate, wire
from mailjet_sandbox.body import read_body
from mailjet_sandbox.calls import RecentCall
from mailjet_sandbox.data import Data
from mailjet_sandbox.faults import conduct
from mailjet_sandbox.faults.register import path_words
from mailjet_sandbox.query import Query
from mailjet_sandbox.rest import build_resources
from mailjet_sandbox.send import SendV3, SendV31
from mailjet_sandbox.v4 import ContactPrivacy
from mailjet_sandbox.world import Call, World

logger = logging.getLogger(__name__)

Answerer = Callable[[Call], Response]


class Api:
    def __init__(self, world: World, entrance: gate.Gate) -> None:
        self._world = world
        self._gate = entrance
        self._resources = build_resources(world)
        self._legacy: dict[str, Answerer] = {
            "rest": self._rest,
            "data": Data(world).answer,
            "send": SendV3(world).answer,
        }
        self._newer: dict[tuple[str, str], Answerer] = {
            ("v3.1", "send"): SendV31(world).answer,
            ("v4", "contacts"): ContactPrivacy(world).answer,
        }

    async def handle(self, request: Request) -> Response:
        segments = path_segments(request)
        strikes = self._world.faults.on_request(request.method, path_words(segments))
        try:
            response = await conduct.meet(strikes, request, lambda: self._admit(request, segments))
        finally:
            if request.method != "GET":
                self._world.changes += (
                    1  # afterwards: a save while the body was read must not pass for one of the change
                )
        kinds = ", ".join(strike.by.kind for strike in strikes)
        path = "/" + "/".join(segments)
        self._world.calls.record(
            segments,
            RecentCall(self._world.store.clock(), request.method, path[:200], response.status_code, kinds),
        )
        return response

    async def _admit(self, request: Request, segments: list[str]) -> Response:
        return await self._gate.admit(request) or await self._answer(request, segments)

    async def _answer(self, request: Request, segments: list[str]) -> Response:
        family = (segments[0].lower(), segments[1].lower()) if len(segments) > 1 else ("", "")
        newer = self._newer.get(family)
        if newer is None and family[0] != "v3":
            return wire.nginx(404)
        if not self._gate.is_authorized(request):
            return gate.newer_unauthorized() if newer else gate.legacy_unauthorized()
        try:
            call = await read_call(request, segments[2:])
            return newer(call) if newer else self._answer_legacy(family[1], segments[1], call)
        except errors.TooLarge:
            return wire.nginx(413)
        except errors.MailjetError as error:
            return render_error(error)
        except Exception:
            logger.exception("The sandbox failed at %s %s", request.method, request.url.path)
            return render_error(errors.InternalError())

    def _answer_legacy(self, module: str, spelled: str, call: Call) -> Response:
        answer = self._legacy.get(module)
        if answer is None:  # [R]
            raise errors.InternalError(
                f'Could not determine HTTP module for request "{spelled}"', "EFPWebError"
            )
        return answer(call)

    def _rest(self, call: Call) -> Response:
        name = call.segments[0] if call.segments else ""
        resource = self._resources.get(name.lower())
        if resource is None:
            raise errors.unknown_resource(name)
        return resource.answer(call)


def path_segments(request: Request) -> list[str]:
    """Split the path before decoding it: an address in it may be percent-encoded, slashes included."""
    raw = request.scope.get("raw_path") or request.scope["path"].encode()
    path = raw.decode("latin-1").partition("?")[0]
    return [unquote(segment) for segment in path.strip("/").split("/")]


async def read_call(request: Request, segments: list[str]) -> Call:
    return Call(
        method=request.method,
        segments=[segment for segment in segments if segment],
        query=Query(request.scope.get("query_string", b"")),
        body=await read_body(request) if request.method in ("POST", "PUT") else b"",
        base_url=f"{request.url.scheme}://{request.headers.get('host', request.url.netloc)}",
    )


def render_error(error: errors.MailjetError) -> Response:
    identifier = error.identifier if isinstance(error, errors.InternalError) else ""
    return wire.legacy_error(error.status, error.message, error.info, identifier, error.media_type)
