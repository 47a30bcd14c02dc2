"""The ASGI application: the ingest endpoints, and behind them the console.

The paths that SDKs post to are looked up in a dict; other paths of endpoints go through Starlette's router, and every other path
is the console's.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Self

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request as StarletteRequest
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jetbridge.config import Networks
from jetbridge.control.directory import Credentials
from jetbridge.eventlog.base import EventLog
from jetbridge.eventlog.group_commit import GroupCommit
from jetbridge.http.request_body import BodyWatch
from jetbridge.ingest import health, tracking
from jetbridge.ingest.ingestion import AsyncLog, Ingestion, SourceAuth
from jetbridge.ingest.metrics import metrics_endpoint
from jetbridge.ingest.proxies import TrustedProxies
from jetbridge.ingest.request import (
    CORS_PREFIX,
    Admission,
    Endpoint,
    EndpointApp,
    HTTPError,
    cors_headers,
    error_response,
    preflight_endpoint,
)
from jetbridge.ingest.webhook import webhook_endpoint
from jetbridge.integrations import registry

#: How long requests under way may take to end when the process stops.
FINISH_SECONDS = 10.0

#: Endpoints of integrations, by the first part of their paths: the name of the folder. They are found without loading the integration.
_OF_INTEGRATIONS = {
    package.rpartition(".")[2]: f"{package}.endpoints"
    for package in registry.INTEGRATIONS
    if find_spec(f"{package}.endpoints")
}
#: First parts of paths that belong to endpoints, whatever follows.
_FIRST_PARTS = {"v1", "segment", "healthz", "readyz", "metrics", *_OF_INTEGRATIONS}

#: The methods that Segment's Webhooks (Actions) destination can be set to.
_WEBHOOK_METHODS = ["POST", "PUT", "PATCH"]
#: They change nothing (RFC 9110, section 9.2.1).
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
#: Of every response. HSTS for a year, where browsers reach us over TLS; other hosts of the domain are not ours to bind.
_NOSNIFF = (b"x-content-type-options", b"nosniff")
_HSTS = (b"strict-transport-security", b"max-age=31536000")
_STREAM = b"text/event-stream"


class Application:
    """Starts its threads at once; the lifespan's end lets requests finish and makes everything durable.

    `load_credentials` reads the configuration; `finish` runs in each thread that has read the state database,
    when the thread ends. `console` gets every request that is not for an endpoint. See `Admission` for the bounds.
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
        admission = Admission(max_body_bytes=max_body_bytes, body_seconds=body_seconds)
        ingestion = Ingestion(self._source_auth, AsyncLog(self._commit))

        def app(endpoint: Endpoint) -> EndpointApp:
            return EndpointApp(endpoint, admission)

        self._hot = {
            path: app(tracking.tracking_endpoint(ingestion, type_)) for path, type_ in tracking.PATHS.items()
        } | {"/v1/m": app(tracking.metrics_endpoint)}
        self._console = Streams(console) if console else None
        self._preflight = app(preflight_endpoint)

        def get(path: str, endpoint: Endpoint) -> Route:
            return Route(path, app(endpoint), methods=["GET"])

        def post(path: str, endpoint: Endpoint) -> Route:
            return Route(path, app(endpoint), methods=["POST"])

        webhook = app(webhook_endpoint(ingestion))
        routes = [
            # The hot ones again, so that the router can name the methods of a path.
            *(Route(path, hot, methods=["POST"]) for path, hot in self._hot.items()),
            get("/v1/pixel/{call}", tracking.pixel_endpoint(ingestion)),
            get("/v1/projects/{write_key}/settings", tracking.sdk_settings_endpoint(ingestion, public_url)),
            Route("/segment", webhook, methods=_WEBHOOK_METHODS),
            Route("/segment/{source_id:int}", webhook, methods=_WEBHOOK_METHODS),
            *(
                post(path, endpoint)
                for module in _OF_INTEGRATIONS.values()
                for path, endpoint in import_module(module).endpoints(ingestion).items()
            ),
            get("/healthz", health.health_endpoint),
            get("/readyz", health.ready_endpoint(ingestion)),
            get("/metrics", metrics_endpoint(event_log, admission.rejected, self._queries, metrics_token)),
            get("/", health.welcome_endpoint),
        ]
        self._rest = Starlette(
            routes=routes, exception_handlers={HTTPException: _respond_to_error}, lifespan=self._lifespan
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._rest(scope, receive, send)
            return
        self._proxies.apply(scope)
        path, method = scope["path"], scope["method"]
        app: ASGIApp
        if method == "POST" and path in self._hot:
            app = self._hot[path]
        elif method == "OPTIONS" and path.startswith(CORS_PREFIX):
            app = self._preflight
        elif self._console and path[1:].partition("/")[0] not in _FIRST_PARTS:
            app = self._console
        else:
            app = self._rest
        may_change = app is self._console and method not in _SAFE_METHODS

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
                # The sender may still be sending: read on until the body ends, within bounds, or until the process stops.
                drain = asyncio.create_task(body.drain(scope["headers"]))
                self._drains.add(drain)
                await asyncio.wait({drain})
                self._drains.discard(drain)

    def begin_stop(self) -> None:
        """End the console's live pages and the reading of rejected bodies: a stop need not wait for them."""
        for drain in self._drains:
            drain.cancel()
        if self._console:
            self._console.end()

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        yield
        await self._in_flight.ended(FINISH_SECONDS)
        await asyncio.to_thread(self._commit.close)
        await asyncio.to_thread(self._source_auth.close)
        self._queries.submit(self._finish)
        await asyncio.to_thread(self._queries.shutdown)


async def _respond_to_error(request: StarletteRequest, error: Exception) -> Response:
    """Unknown paths and wrong methods, in the form of all other errors."""
    assert isinstance(error, HTTPException)
    path, allow = request.url.path[:200], (error.headers or {}).get("Allow", "")
    response = error_response(
        HTTPError(405, "method_not_allowed", f"{path} takes {allow}.", allow=allow)
        if error.status_code == 405
        else HTTPError(error.status_code, "not_found", f"There is nothing at {path}.")
    )
    starlette_response = Response(response.body, response.status)
    starlette_response.raw_headers.extend(response.headers)
    origin = request.headers.get("origin")
    if origin and path.startswith(CORS_PREFIX):
        starlette_response.raw_headers.extend(cors_headers(origin.encode("latin-1")))
    return starlette_response


class InFlight:
    """How many requests are under way, so that a process that stops can wait for them: `with` it around each. Event loop only."""

    def __init__(self) -> None:
        self._total = 0
        self._idle: asyncio.Event | None = None

    def __enter__(self) -> Self:
        self._total += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._total -= 1
        if self._idle and not self._total:
            self._idle.set()

    async def ended(self, seconds: float) -> bool:
        """Wait until there is none, so long at the most; whether there is none."""
        self._idle = asyncio.Event()
        if self._total:
            try:
                async with asyncio.timeout(seconds):
                    await self._idle.wait()
            except TimeoutError:
                return False
        return True


class Streams:
    """The application inside, whose live pages (event streams) end when the process stops.

    The server waits for every response to end, and would wait for these for ever. Event loop only.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._streams: set[asyncio.Event] = set()
        self._ended = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ended = asyncio.Event()

        async def receive_or_end() -> Message:
            """The next message, or that the reader has left once `ended` is set."""
            message, end = asyncio.ensure_future(receive()), asyncio.ensure_future(ended.wait())
            try:
                await asyncio.wait({message, end}, return_when=asyncio.FIRST_COMPLETED)
                return message.result() if message.done() else {"type": "http.disconnect"}
            finally:
                message.cancel()
                end.cancel()

        async def watched_send(message: Message) -> None:
            if message["type"] == "http.response.start" and any(
                name.lower() == b"content-type" and value.startswith(_STREAM)
                for name, value in message["headers"]
            ):
                self._streams.add(ended)
                if self._ended:
                    ended.set()
            await send(message)

        try:
            await self._app(scope, receive_or_end, watched_send)
        finally:
            self._streams.discard(ended)

    def end(self) -> None:
        """End all streams, and those that begin from now on, as if their reader had left."""
        self._ended = True
        for stream in self._streams:
            stream.set()
