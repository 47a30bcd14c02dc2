"""Puts the parts together: ``create_app`` returns the ASGI application, state and background work included."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Route

from mailjet_sandbox.api import Api
from mailjet_sandbox.callbacks import Dispatcher
from mailjet_sandbox.calls import Calls
from mailjet_sandbox.clock import Clock
from mailjet_sandbox.control import Control
from mailjet_sandbox.faults.control import FaultControl
from mailjet_sandbox.faults.register import Faults
from mailjet_sandbox.gate import Gate
from mailjet_sandbox.imports import csv_writer, list_writer
from mailjet_sandbox.jobs import JobRunner, Writer, json_writer
from mailjet_sandbox.page import Page
from mailjet_sandbox.settings import Settings
from mailjet_sandbox.state import StateFile, put
from mailjet_sandbox.store import Store
from mailjet_sandbox.world import World

WRITERS: Mapping[str, Writer] = {"json": json_writer, "importlist": list_writer, "csv": csv_writer}

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def create_app(settings: Settings, clock: Clock = time.time) -> Starlette:
    """Build a sandbox. Its lifespan must run: jobs and callbacks live in it. Raises UnreadableState."""
    store = Store(clock, settings.seed)
    faults = Faults(clock, settings.seed)
    faults.add(settings.faults)
    world = World(
        settings=settings,
        store=store,
        jobs=JobRunner(store, faults, settings.job_delay_seconds, WRITERS),
        callbacks=Dispatcher(store, settings, faults),
        calls=Calls(),
        faults=faults,
    )
    api = Api(world, Gate(settings, clock))
    state = StateFile(settings.state_file, world) if settings.state_file else None
    snapshot = state.read() if state else None

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        if snapshot:
            put(world, snapshot)
        async with background(world, state):
            yield

    routes = [
        Route("/", Page(world).handle),
        *Control(world).routes(),
        *FaultControl(faults).routes(),
        Route("/{path:path}", api.handle, methods=_METHODS),
    ]
    app = Starlette(routes=routes, lifespan=lifespan)
    app.state.faults = faults
    return app


@asynccontextmanager
async def background(world: World, state: StateFile | None) -> AsyncIterator[None]:
    """Run what happens beside requests: jobs, callbacks, saving."""
    world.callbacks.start()
    if state:
        world.run(state.keep_saving())
    world.run(world.jobs.run())
    try:
        yield
    finally:
        for task in world.tasks:
            task.cancel()
        await asyncio.gather(*world.tasks, return_exceptions=True)
        world.callbacks.stop()
        if state:
            state.save()
