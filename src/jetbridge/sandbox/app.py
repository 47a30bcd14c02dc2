"""Puts the parts together: ``create_app`` returns the ASGI application, state and background work included."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

from starlette.applications import Starlette
from starlette.routing import Route

from jetbridge.sandbox.api import Api
from jetbridge.sandbox.callbacks import Dispatcher
from jetbridge.sandbox.calls import Calls
from jetbridge.sandbox.clock import Clock
from jetbridge.sandbox.control import Control
from jetbridge.sandbox.gate import Gate
from jetbridge.sandbox.imports import list_writer
from jetbridge.sandbox.jobs import JobRunner, Writer, json_writer
from jetbridge.sandbox.settings import Settings
from jetbridge.sandbox.store import Store
from jetbridge.sandbox.world import World

WRITERS: Mapping[str, Writer] = {"json": json_writer, "importlist": list_writer}

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def create_app(settings: Settings, clock: Clock = time.time) -> Starlette:
    """Build a sandbox. Its lifespan must run: jobs and callbacks live in it."""
    store = Store(clock, settings.seed)
    world = World(
        settings=settings,
        store=store,
        jobs=JobRunner(store, settings.job_delay_seconds, WRITERS),
        callbacks=Dispatcher(store, settings),
        calls=Calls(),
    )
    api = Api(world, Gate(settings, clock))

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with background(world):
            yield

    routes = [*Control(world).routes(), Route("/{path:path}", api.handle, methods=_METHODS)]
    return Starlette(routes=routes, lifespan=lifespan)


@asynccontextmanager
async def background(world: World) -> AsyncIterator[None]:
    """Run what happens beside requests: jobs and callbacks."""
    world.callbacks.start()
    worker = asyncio.create_task(world.jobs.run())
    try:
        yield
    finally:
        worker.cancel()
        with suppress(asyncio.CancelledError):
            await worker
        world.callbacks.stop()
