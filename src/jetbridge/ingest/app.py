"""The ASGI application: the doors, and behind them the console.

The paths that SDKs post to are looked up in a dict; other paths of doors go through Starlette's router, and what
is no door's at all is the console's.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from jetbridge.control.directory import Doors
from jetbridge.eventlog.base import EventLog
from jetbridge.eventlog.group_commit import GroupCommit
from jetbridge.ingest.answer import Answer
from jetbridge.ingest.callers import Callers
from jetbridge.ingest.cors import preflight
from jetbridge.ingest.durable import DurableLog
from jetbridge.ingest.intake import Intake
from jetbridge.ingest.request import DoorApp, Request
from jetbridge.ingest.routes import hot_doors, is_doors, refuse, routes
from jetbridge.ingest.streams import Streams
from jetbridge.ingest.under_way import UnderWay

#: How long requests under way may take to end when the process stops.
FINISH_SECONDS = 10.0


class Application:
    """Starts its threads at once; the lifespan's end lets requests finish and makes everything durable.

    `load_doors` reads the configuration; `finish` runs in each thread that has read the state database,
    when the thread ends. `console` gets every request that is not for a door. See `Intake` for the bounds.
    """

    def __init__(
        self,
        *,
        event_log: EventLog,
        load_doors: Callable[[], Doors],
        public_url: str,
        finish: Callable[[], None] = lambda: None,
        console: ASGIApp | None = None,
        max_body_bytes: int = 128_000_000,
        body_seconds: float = 20.0,
    ) -> None:
        self._commit = GroupCommit(event_log)
        self._callers = Callers(load_doors, finish=finish)
        self._queries = ThreadPoolExecutor(1, "queries")
        self._finish = finish
        self._under_way = UnderWay()
        intake = Intake(
            self._callers,
            DurableLog(self._commit),
            max_body_bytes=max_body_bytes,
            body_seconds=body_seconds,
        )
        self._hot = {path: DoorApp(door, intake) for path, door in hot_doors(intake).items()}
        self._console = Streams(console) if console else None
        self._preflight = DoorApp(_preflight_door, intake)
        self._rest = Starlette(
            routes=routes(intake, self._hot, public_url, event_log, self._queries),
            exception_handlers={HTTPException: refuse},
            lifespan=self._lifespan,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._rest(scope, receive, send)
            return
        with self._under_way:
            await self._choose(scope)(scope, receive, send)

    def end_streams(self) -> None:
        """End the console's live pages, so that a stop need not wait for their readers to leave."""
        if self._console:
            self._console.end()

    def _choose(self, scope: Scope) -> ASGIApp:
        path, method = scope["path"], scope["method"]
        if method == "POST" and path in self._hot:
            return self._hot[path]
        if method == "OPTIONS" and path.startswith("/v1/"):
            return self._preflight
        if self._console and not is_doors(path):
            return self._console
        return self._rest

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        yield
        await self._under_way.ended(FINISH_SECONDS)
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._commit.close()
        self._callers.close()
        self._queries.submit(self._finish)
        self._queries.shutdown()


async def _preflight_door(request: Request) -> Answer:
    return preflight(request.headers)
