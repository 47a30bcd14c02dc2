"""The ASGI application: the endpoints, and behind them the console.

The paths that SDKs post to are looked up in a dict; other paths of endpoints go through Starlette's router, and what
is no endpoint's at all is the console's.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jetbridge.config import Networks
from jetbridge.control.directory import Credentials
from jetbridge.eventlog.base import EventLog
from jetbridge.eventlog.group_commit import GroupCommit
from jetbridge.http.request_body import BodyWatch
from jetbridge.ingest.async_log import AsyncLog
from jetbridge.ingest.cors import CORS_PREFIX, preflight
from jetbridge.ingest.health import metrics_endpoint
from jetbridge.ingest.in_flight import InFlight
from jetbridge.ingest.ingestion import Ingestion
from jetbridge.ingest.metrics import collector
from jetbridge.ingest.proxies import TrustedProxies
from jetbridge.ingest.request import EndpointApp, Request
from jetbridge.ingest.responses import IngestResponse
from jetbridge.ingest.routes import is_ingest_path, respond_to_error, routes, sdk_endpoints
from jetbridge.ingest.source_auth import SourceAuth
from jetbridge.ingest.streams import Streams

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
    when the thread ends. `console` gets every request that is not for an endpoint. See `Ingestion` for the bounds.
    """

    def __init__(
        self,
        *,
        event_log: EventLog,
        load_credentials: Callable[[], Credentials],
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
        self._source_auth = SourceAuth(load_credentials, finish=finish)
        self._queries = ThreadPoolExecutor(1, "queries")
        self._finish = finish
        self._in_flight = InFlight()
        self._drains: set[asyncio.Task[None]] = set()
        ingestion = Ingestion(
            self._source_auth,
            AsyncLog(self._commit),
            max_body_bytes=max_body_bytes,
            body_seconds=body_seconds,
        )
        self._hot = {
            path: EndpointApp(endpoint, ingestion) for path, endpoint in sdk_endpoints(ingestion).items()
        }
        self._console = Streams(console) if console else None
        self._preflight = EndpointApp(_preflight_endpoint, ingestion)
        metrics = metrics_endpoint(
            collector(event_log, ingestion.rejected_requests), self._queries, metrics_token
        )
        self._rest = Starlette(
            routes=routes(ingestion, self._hot, public_url, metrics),
            exception_handlers={HTTPException: respond_to_error},
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
                    await self._source_auth.refreshed()
            await send(message)

        body = BodyWatch(receive)
        with self._in_flight:
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
        if self._console and not is_ingest_path(path):
            return self._console
        return self._rest

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        yield
        await self._in_flight.ended(FINISH_SECONDS)
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._commit.close()
        self._source_auth.close()
        self._queries.submit(self._finish)
        self._queries.shutdown()


async def _preflight_endpoint(request: Request) -> IngestResponse:
    return preflight(request.headers)
