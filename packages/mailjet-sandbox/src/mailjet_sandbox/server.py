"""Puts the parts together and serves them: in the foreground until a signal, or in a thread for as long as a ``with`` block lasts."""

import asyncio
import secrets
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server
from starlette.applications import Starlette
from starlette.routing import Route

from mailjet_sandbox.api import Api
from mailjet_sandbox.callbacks import Dispatcher
from mailjet_sandbox.clock import Clock
from mailjet_sandbox.control import Control, FaultControl
from mailjet_sandbox.faults.kinds import Fault
from mailjet_sandbox.faults.register import Faults
from mailjet_sandbox.imports import csv_writer, list_writer
from mailjet_sandbox.jobs import JobRunner, Writer, json_writer
from mailjet_sandbox.page import Pages
from mailjet_sandbox.recorder import Calls
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


#: How long requests under way may take after a signal.
GRACE_SECONDS = 3.0


@dataclass(frozen=True)
class Running:
    """A running sandbox, and its key pair."""

    url: str
    api_key: str
    secret_key: str


class CannotStart(OSError):
    """The sandbox cannot listen on the address; the message has the reason."""


def new_key() -> str:
    """Make up an API key: 32 hexadecimal digits, as Mailjet's are."""
    return secrets.token_hex(16)


def run(
    *,
    host: str = "127.0.0.1",
    port: int = 8081,
    api_key: str | None = None,
    secret_key: str | None = None,
    state_file: Path | None = None,
    job_delay_seconds: float = 0.2,
    event_retry_seconds: float = 30.0,
    event_group_seconds: float = 1.0,
    rate_limit: int | None = None,
    seed: int = 0,
    segment_write_key: str = "",
    faults: tuple[Fault, ...] = (),
    announce: Callable[[str], None] = print,
) -> None:
    """Serve until SIGTERM or SIGINT. A missing key is generated and announced; a given one is not repeated.

    Raises CannotStart, or UnreadableState if the state file is something else.
    """
    settings = Settings(
        api_key=api_key or new_key(),
        secret_key=secret_key or new_key(),
        state_file=state_file,
        job_delay_seconds=job_delay_seconds,
        event_retry_seconds=event_retry_seconds,
        event_group_seconds=event_group_seconds,
        rate_limit=rate_limit,
        seed=seed,
        segment_write_key=segment_write_key,
        faults=faults,
    )
    url = f"http://{host}:{free_port(host, port)}"
    announcement = f"Mailjet sandbox at {url}/"
    if not (api_key and secret_key):
        announcement += f" with API key {settings.api_key} and secret key {settings.secret_key}"

    def stop_on_signals(stop: Callable[[], None]) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop)

    asyncio.run(_serve(settings, url, lambda: announce(announcement), stop_on_signals))


@contextmanager
def running(settings: Settings, host: str = "127.0.0.1") -> Iterator[Running]:
    """Serve from a thread on a free port while the block runs."""
    url = f"http://{host}:{free_port(host)}"
    ready = threading.Event()
    holder: list[Callable[[], None]] = []

    def work() -> None:
        asyncio.run(_serve(settings, url, ready.set, holder.append))

    thread = threading.Thread(target=work, name="sandbox", daemon=True)
    thread.start()
    if not ready.wait(timeout=20):
        raise CannotStart(f"The sandbox did not start at {url}")
    try:
        yield Running(url, settings.api_key, settings.secret_key)
    finally:
        holder[0]()
        thread.join(timeout=20)


async def _serve(
    settings: Settings,
    url: str,
    on_ready: Callable[[], None],
    on_stoppable: Callable[[Callable[[], None]], None],
) -> None:
    """Serve until the function handed to ``on_stoppable`` is called, from whichever thread."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    app = create_app(settings)
    server = Server(
        app,
        address=host,
        port=int(port),
        interface=Interfaces.ASGINL,  # The lifespan is run here, so that it ends even if a connection will not.
        websockets=False,
        log_enabled=False,
        http1_settings=HTTP1Settings(),
    )
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()

    def stop() -> None:
        loop.call_soon_threadsafe(stopped.set)

    on_stoppable(stop)
    async with app.router.lifespan_context(app):
        serving = asyncio.create_task(server.serve())
        await _first(serving, _wait_until_answering(host, int(port)))
        if serving.done():
            raise CannotStart(f"The sandbox could not start at {url}")
        on_ready()
        await _first(serving, stopped.wait())
        app.state.faults.clear()  # Hanging requests would delay the end.
        server.stop()  # type: ignore[no-untyped-call] # granian leaves it without types
        await asyncio.wait({serving}, timeout=GRACE_SECONDS)
        serving.cancel()


async def _first(serving: asyncio.Task[None], other: Coroutine[None, None, object]) -> None:
    """Wait until either is done; the server keeps running."""
    waiting = asyncio.create_task(other)
    await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()


async def _wait_until_answering(host: str, port: int) -> None:
    while True:
        with suppress(OSError):
            _, writer = await asyncio.open_connection(host, port)
            writer.close()
            return
        await asyncio.sleep(0.01)


def free_port(host: str, port: int = 0) -> int:
    """Return the port, or any free one for 0, if it can be listened on. Raises CannotStart."""
    try:
        with closing(socket.create_server((host, port))) as listener:
            return int(listener.getsockname()[1])
    except OSError as error:
        raise CannotStart(f"Cannot listen on {host} port {port}: {error.strerror}") from None
