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
from mailjet_sandbox.imports import csv_writer, list_writer
from mailjet_sandbox.jobs import JobRunner, Writer, json_writer
from mailjet_sandbox.page import Pages
from mailjet_sandbox.segment import Segment
from mailjet_sandbox.settings import Settings
from mailjet_sandbox.snapshot import StateFile, restore
from mailjet_sandbox.state import State
from mailjet_sandbox.store import Store

WRITERS: Mapping[str, Writer] = {"json": json_writer, "importlist": list_writer, "csv": csv_writer}

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def create_app(settings: Settings, clock: Clock = time.time) -> Starlette:
    """Build a sandbox. Its lifespan must run: jobs and callbacks live in it. Raises UnreadableState."""
    store = Store(clock, settings.seed)
    faults = Faults(clock, settings.seed)
    faults.add(settings.faults)
    state = State(
        settings=settings,
        store=store,
        jobs=JobRunner(store, faults, settings.job_delay_seconds, WRITERS),
        callbacks=Dispatcher(store, settings, faults),
        calls=Calls(),
        faults=faults,
    )
    api = Api(state)
    state_file = StateFile(settings.state_file, state) if settings.state_file else None
    snapshot = state_file.read() if state_file else None

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        if snapshot:
            restore(state, snapshot)
        async with background(state, state_file):
            yield

    routes = [
        *Pages(state).routes(),
        *Segment(state).routes(),
        *Control(state).routes(),
        *FaultControl(faults).routes(),
        Route("/{path:path}", api.handle, methods=_METHODS),
    ]
    app = Starlette(routes=routes, lifespan=lifespan)
    app.state.faults = faults
    return app


@asynccontextmanager
async def background(state: State, state_file: StateFile | None) -> AsyncIterator[None]:
    """Run what happens beside requests: jobs, callbacks, saving."""
    state.callbacks.start()
    if state_file:
        state.run(state_file.keep_saving())
    state.run(state.jobs.run())
    try:
        yield
    finally:
        for task in state.tasks:
            task.cancel()
        await asyncio.gather(*state.tasks, return_exceptions=True)
        state.callbacks.stop()
        if state_file:
            state_file.save()
