"""The ASGI application: the doors now, the console later.

The paths that SDKs post to are looked up in a dict; everything else goes through Starlette's router.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request as StarletteRequest
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from jetbridge.control.directory import Doors
from jetbridge.eventlog.base import EventLog
from jetbridge.eventlog.group_commit import GroupCommit
from jetbridge.ingest.answer import Answer, Refused, refusal
from jetbridge.ingest.body import Allowance
from jetbridge.ingest.callers import Callers
from jetbridge.ingest.cors import cors_headers, preflight
from jetbridge.ingest.durable import DurableLog
from jetbridge.ingest.intake import Intake
from jetbridge.ingest.request import Door, DoorApp, Request
from jetbridge.ingest.tracking import PATHS, metrics_door, tracking_door
from jetbridge.ingest.under_way import UnderWay

#: How long requests under way may take to end when the process stops.
FINISH_SECONDS = 10.0


class Application:
    """`close()` is for the end of the process: it lets requests finish and makes everything durable."""

    def __init__(
        self,
        *,
        event_log: EventLog,
        load_doors: Callable[[], Doors],
        finish: Callable[[], None] = lambda: None,
    ) -> None:
        self._commit = GroupCommit(event_log)
        self._callers = Callers(load_doors, finish=finish)
        self._intake = Intake(self._callers, DurableLog(self._commit))
        self._allowance = Allowance()
        self._under_way = UnderWay()
        self._posts = {path: self._app(tracking_door(self._intake, kind)) for path, kind in PATHS.items()}
        self._posts["/v1/m"] = self._app(metrics_door)
        self._preflight = self._app(_preflight_door)
        self._rest = Starlette(
            routes=[Route(path, endpoint=app, methods=["POST"]) for path, app in self._posts.items()],
            exception_handlers={HTTPException: _refuse},
            lifespan=self._lifespan,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._rest(scope, receive, send)
            return
        with self._under_way:
            await self._choose(scope)(scope, receive, send)

    def _choose(self, scope: Scope) -> ASGIApp:
        path, method = scope["path"], scope["method"]
        if method == "POST" and path in self._posts:
            return self._posts[path]
        if method == "OPTIONS" and path.startswith("/v1/"):
            return self._preflight
        return self._rest

    def _app(self, door: Door) -> DoorApp:
        return DoorApp(door, self._allowance)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        yield
        await self.close()

    async def close(self) -> None:
        await self._under_way.ended(FINISH_SECONDS)
        await asyncio.to_thread(self._commit.close)
        await asyncio.to_thread(self._callers.close)


async def _preflight_door(request: Request) -> Answer:
    return preflight(request.headers)


async def _refuse(request: StarletteRequest, error: Exception) -> Response:
    """Unknown paths and wrong methods, in the words of all other refusals."""
    assert isinstance(error, HTTPException)
    allow = (error.headers or {}).get("Allow", "")
    answer = refusal(
        Refused(405, "method_not_allowed", f"{request.url.path} takes {allow}.", allow=allow)
        if error.status_code == 405
        else Refused(error.status_code, "not_found", f"There is nothing at {request.url.path}.")
    )
    response = Response(answer.body, answer.status)
    response.raw_headers = [*answer.headers, (b"content-length", str(len(answer.body)).encode())]
    if origin := request.headers.get("origin"):
        response.raw_headers.extend(cors_headers(origin.encode("latin-1")))
    return response
