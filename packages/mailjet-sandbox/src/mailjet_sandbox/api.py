"""Handles a request: faults, rate limit, credentials, and the handler of its path in one of the two server families."""

import logging
from collections.abc import Callable
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response

from mailjet_sandbox import auth, errors, wire
from mailjet_sandbox.body import read_body
from mailjet_sandbox.calls import RecentCall
from mailjet_sandbox.data import Data
from mailjet_sandbox.faults.apply import apply_faults
from mailjet_sandbox.faults.register import path_words
from mailjet_sandbox.query import Query
from mailjet_sandbox.rest import build_resources
from mailjet_sandbox.send import SendV3, SendV31
from mailjet_sandbox.state import Call, State
from mailjet_sandbox.v4 import ContactPrivacy

logger = logging.getLogger(__name__)

Handler = Callable[[Call], Response]


class Api:
    def __init__(self, state: State) -> None:
        self._state = state
        self._auth = auth.Auth(state.settings)
        self._rate_limit = auth.RateLimit(state.settings.rate_limit, state.store.clock)
        self._resources = build_resources(state)
        self._legacy: dict[str, Handler] = {
            "rest": self._rest,
            "data": Data(state).handle,
            "send": SendV3(state).handle,
        }
        self._newer: dict[tuple[str, str], Handler] = {
            ("v3.1", "send"): SendV31(state).handle,
            ("v4", "contacts"): ContactPrivacy(state).handle,
        }

    async def handle(self, request: Request) -> Response:
        segments = path_segments(request)
        triggers = self._state.faults.on_request(request.method, path_words(segments))
        try:
            response = await apply_faults(triggers, request, lambda: self._admit(request, segments))
        finally:
            if request.method != "GET":
                # Afterwards: a snapshot that is saved while the body is read does not contain the change.
                self._state.changes += 1
        kinds = ", ".join(trigger.active.kind for trigger in triggers)
        path = "/" + "/".join(segments)
        self._state.calls.record(
            segments,
            RecentCall(self._state.store.clock(), request.method, path[:200], response.status_code, kinds),
        )
        return response

    async def _admit(self, request: Request, segments: list[str]) -> Response:
        if self._rate_limit.is_exceeded():
            return auth.too_many_requests()
        return await self._dispatch(request, segments)

    async def _dispatch(self, request: Request, segments: list[str]) -> Response:
        family = (segments[0].lower(), segments[1].lower()) if len(segments) > 1 else ("", "")
        newer = self._newer.get(family)
        if newer is None and family[0] != "v3":
            return wire.nginx(404)
        if not self._auth.is_authorized(request):
            return auth.newer_unauthorized() if newer else auth.legacy_unauthorized()
        try:
            call = await read_call(request, segments[2:])
            return newer(call) if newer else self._dispatch_legacy(family[1], segments[1], call)
        except errors.TooLarge:
            return wire.nginx(413)
        except errors.MailjetError as error:
            return render_error(error)
        except Exception:
            logger.exception("The sandbox failed at %s %s", request.method, request.url.path)
            return render_error(errors.InternalError())

    def _dispatch_legacy(self, module: str, spelled: str, call: Call) -> Response:
        handler = self._legacy.get(module)
        if handler is None:  # [R]
            raise errors.InternalError(
                f'Could not determine HTTP module for request "{spelled}"', "EFPWebError"
            )
        return handler(call)

    def _rest(self, call: Call) -> Response:
        name = call.segments[0] if call.segments else ""
        resource = self._resources.get(name.lower())
        if resource is None:
            raise errors.unknown_resource(name)
        return resource.handle(call)


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
