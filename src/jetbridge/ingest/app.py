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
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jetbridge.config import Networks
from jetbridge.control.directory import Doors
from jetbridge.eventlog.base import EventLog
from jetbridge.eventlog.group_commit import GroupCommit
from jetbridge.http.request_body import BodyWatch
from jetbridge.ingest.answer import Answer
from jetbridge.ingest.callers import Callers
from jetbridge.ingest.cors import CORS_PREFIX, preflight
from jetbridge.ingest.durable import DurableLog
from jetbridge.ingest.intake import Intake
from jetbridge.ingest.metrics import collector
from jetbridge.ingest.proxies import TrustedProxies
from jetbridge.ingest.request import DoorApp, Request
from jetbridge.ingest.routes import hot_doors, is_doors, refuse, routes
from jetbridge.ingest.streams import Streams
from jetbridge.ingest.under_way import UnderWay
from jetbridge.ingest.watch import metrics_door

#: How long requests under way may take to end when the process stops.
FINISH_SECONDS = 10.0

#: They change nothing (RFC 9110, section 9.2.1).
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
#: Of every response. HSTS for a year, where browsers reach us over TLS; other hosts of the domain are not ours to bind.
_NOSNIFF = (b"x-content-type-options", b"nosniff")
_HSTS = (b"strict-transport-security", b"max-age=31536000")


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
        trusted_proxies: Networks = (),
        metrics_token: str = "",
        max_body_bytes: int = 128_000_000,
        body_seconds: float = 20.0,
    ) -> None:
        self._proxies = TrustedProxies(trusted_proxies)
        self._headers = [_NOSNIFF, _HSTS] if public_url.startswith("https://") else [_NOSNIFF]
        self._commit = GroupCommit(event_log)
        self._callers = Callers(load_doors, finish=finish)
        self._queries = ThreadPoolExecutor(1, "queries")
        self._finish = finish
        self._under_way = UnderWay()
        self._drains: set[asyncio.Task[None]] = set()
        intake = Intake(
            self._callers,
            DurableLog(self._commit),
            max_body_bytes=max_body_bytes,
            body_seconds=body_seconds,
        )
        self._hot = {path: DoorApp(door, intake) for path, door in hot_doors(intake).items()}
        self._console = Streams(console) if console else None
        self._preflight = DoorApp(_preflight_door, intake)
        metrics = metrics_door(collector(event_log, intake.refusals), self._queries, metrics_token)
        self._rest = Starlette(
            routes=routes(intake, self._hot, public_url, metrics),
            exception_handlers={HTTPException: refuse},
            lifespan=self._lifespan,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._rest(scope, receive, send)
            return
        self._proxies.apply(scope)
        app = self._choose(scope)
        may_change = app is self._console and scope["method"] not in _SAFE_METHODS

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self._headers]
                if may_change and message["status"] < 400:
                    # The endpoints know of a change before the person who made it does.
                    await self._callers.refreshed()
            await send(message)

        body = BodyWatch(receive)
        with self._under_way:
            await app(scope, body.receive, send_with_headers)
            if body.has_rest(scope["headers"]):
                await self._read_on(body, scope["headers"])

    def begin_stop(self) -> None:
        """End the console's live pages and what is read of bodies that nobody wants: a stop need not wait for them."""
        for drain in self._drains:
            drain.cancel()
        if self._console:
            self._console.end()

    async def _read_on(self, body: BodyWatch, headers: list[tuple[bytes, bytes]]) -> None:
        """Return when the sender has sent the rest of the body, or enough of it, or when the process stops."""
        drain = asyncio.create_task(body.drain(headers))
        self._drains.add(drain)
        await asyncio.wait({drain})
        self._drains.discard(drain)

    def _choose(self, scope: Scope) -> ASGIApp:
        path, method = scope["path"], scope["method"]
        if method == "POST" and path in self._hot:
            return self._hot[path]
        if method == "OPTIONS" and path.startswith(CORS_PREFIX):
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
