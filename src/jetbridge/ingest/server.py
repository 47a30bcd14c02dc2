"""The web process: granian, in this process, around the application."""

import asyncio
import gc
import signal
import socket
from collections.abc import Callable

from django.db import connections
from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server
from starlette.types import ASGIApp

from jetbridge.config import Config
from jetbridge.control.directory import load_doors
from jetbridge.errors import ConfigurationError
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.ingest.app import Application

#: Connections that wait to be accepted, and connections that are served at once.
BACKLOG = 1024
CONNECTIONS = 4096
HEADER_MILLISECONDS = 20_000


def run(config: Config, *, console: ASGIApp, started: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; then finish what was begun. Django must have been started.

    `console` gets what is not for a door. `started` is called with the address once connections are taken. Raises ConfigurationError if the
    address cannot be had.
    """
    _refuse_taken_address(config)
    event_log = SqliteEventLog(config.log_path)
    try:
        asyncio.run(_serve(config, event_log, console, started))
    finally:
        event_log.close()


def server_of(app: Application, host: str, port: int) -> Server:
    """The server; `serve()` serves until `stop()`, both in one event loop."""
    return Server(
        app,
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        websockets=False,
        backlog=BACKLOG,
        backpressure=CONNECTIONS,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_MILLISECONDS),
        log_enabled=False,
    )


async def _serve(
    config: Config, event_log: SqliteEventLog, console: ASGIApp, started: Callable[[str], None]
) -> None:
    app = Application(
        event_log=event_log,
        load_doors=load_doors,
        public_url=config.public_url,
        finish=connections.close_all,
        console=console,
    )
    server = server_of(app, config.host, config.port)
    loop = asyncio.get_running_loop()

    def stop() -> None:
        app.end_streams()
        server.stop()  # type: ignore[no-untyped-call]

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    serving = loop.create_task(server.serve())
    await _listening(config, serving)
    _rest_the_collector()
    started(f"http://{config.host}:{config.port}")
    await serving


def _rest_the_collector() -> None:
    """Collect garbage less often: a batch of 100 calls makes hundreds of dicts and no cycles. A fifth faster."""
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)


async def _listening(config: Config, serving: asyncio.Task[None]) -> None:
    """Return when a connection can be made, or when `serving` has ended."""
    while not serving.done():
        try:
            _, writer = await asyncio.open_connection(config.host, config.port)
        except OSError:
            await asyncio.sleep(0.01)
        else:
            writer.close()
            return


def _refuse_taken_address(config: Config) -> None:
    """Refuse what granian would share with another process: connections would go to either process."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise ConfigurationError(
            f"JETBRIDGE_HOST, JETBRIDGE_PORT: {config.host}:{config.port} cannot be listened on ({error.strerror})."
        ) from error
