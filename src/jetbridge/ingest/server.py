"""The web process: granian, in this process, around the application."""

import asyncio
import gc
import os
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from django.db import connections
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server
from starlette.types import ASGIApp

from jetbridge import eventlog
from jetbridge.config import Config
from jetbridge.control import database
from jetbridge.control.directory import Credentials, load_credentials
from jetbridge.errors import ConfigurationError
from jetbridge.eventlog.base import EventLog
from jetbridge.ingest.app import FINISH_SECONDS, Application

#: Connections that wait to be accepted, and connections that are served at once: a silent one takes about 4 KB.
BACKLOG = 1024
CONNECTIONS = 16_384
#: Descriptors for everything but connections: databases, pipes, calls that pages make.
OTHER_FILES = 512
#: How long a connection may be without a whole request header: silent, slow or kept alive for a next request.
HEADER_SECONDS = 20.0
#: How long a client may leave a response unread.
UNREAD_SECONDS = 60.0


def run(config: Config, *, console: ASGIApp, started: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; then finish what was begun. Django must have been started.

    `console` gets what is not for an endpoint. `started` is called with the address once connections are taken. Raises ConfigurationError if the
    address cannot be had.
    """
    address = _free_address(config)
    event_log = eventlog.open(config, must_open=False)  # until it opens, senders get a 503
    try:
        asyncio.run(_serve(config, address, event_log, console, started))
    finally:
        event_log.close()


def server_of(
    app: Application,
    host: str,
    port: int,
    *,
    connections: int = CONNECTIONS,
    header_seconds: float = HEADER_SECONDS,
) -> Server:
    """The server; `serve()` serves until `stop()`, both in one event loop."""
    return Server(
        app,
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        # HTTP/2 has no idle limit in granian, and `auto` waits without a timer for the bytes that say which it is.
        http=HTTPModes.http1,
        websockets=False,
        backlog=BACKLOG,
        backpressure=connections,
        http1_settings=HTTP1Settings(header_read_timeout=int(header_seconds * 1000)),
        log_enabled=False,
    )


async def _serve(
    config: Config,
    address: str,
    event_log: EventLog,
    console: ASGIApp,
    started: Callable[[str], None],
) -> None:
    def load() -> Credentials:
        """Where the state database could not be opened at the start, it is tried again here, every second."""
        database.make_ready()
        return load_credentials()

    app = Application(
        event_log=event_log,
        load_credentials=load,
        public_url=config.public_url,
        finish=connections.close_all,
        console=console,
        trusted_proxies=config.trusted_proxies,
        metrics_token=config.metrics_token,
    )
    server = server_of(app, address, config.port, connections=_raise_file_limit())
    loop = asyncio.get_running_loop()

    def stop() -> None:
        app.begin_stop()
        server.stop()  # type: ignore[no-untyped-call]
        loop.call_later(FINISH_SECONDS, end_connections, config.port)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    serving = loop.create_task(server.serve())
    while not serving.done():  # until a connection can be made
        try:
            _, writer = await asyncio.open_connection(address, config.port)
        except OSError:
            await asyncio.sleep(0.01)
        else:
            writer.close()
            break
    limit_unread(config.port, UNREAD_SECONDS)
    # Collect garbage less often: a batch of 100 calls makes hundreds of dicts and no cycles. A fifth faster.
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)
    started(config.listen_url)
    await serving


def _raise_file_limit() -> int:
    """Raise the limit of open files as far as needed and allowed; return how many connections fit.

    Without a free descriptor, granian would try to accept again and again, and the databases would not open.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = CONNECTIONS + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        with suppress(
            OSError, ValueError
        ):  # macOS rejects what its kernel does not have, whatever `hard` says
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return CONNECTIONS
    return min(CONNECTIONS, max(soft - OTHER_FILES, soft // 2))


def limit_unread(port: int, seconds: float) -> None:
    """Let the kernel end connections whose client reads nothing of a response: granian waits for ever.

    Accepted sockets inherit the option from the listening one.
    """
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
        for own in _sockets_at(port):
            if own.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                own.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000))


def end_connections(port: int) -> None:
    """Hang up on everybody: a stop would wait for half a header or a body that trickles until it was killed."""
    for own in _sockets_at(port):
        if not own.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            with suppress(OSError):  # it has just ended by itself
                own.shutdown(socket.SHUT_RDWR)


def _sockets_at(port: int) -> Iterator[socket.socket]:
    """Our sockets at our own port, which granian keeps to itself. Linux only; elsewhere there are none."""
    folder = Path("/proc/self/fd")
    for descriptor in folder.iterdir() if folder.exists() else ():
        with suppress(OSError), socket.socket(fileno=os.dup(int(descriptor.name))) as own:
            if own.family in {socket.AF_INET, socket.AF_INET6} and own.getsockname()[1] == port:
                yield own


def _free_address(config: Config) -> str:
    """The numeric address to listen on. Rejects what granian would share with another process: connections would go
    to either.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        where = config.listen_url.removeprefix("http://")
        raise ConfigurationError(
            f"JETBRIDGE_HOST, JETBRIDGE_PORT: {where} cannot be listened on ({error.strerror}). "
            "--host and --port choose another."
        ) from error
    return str(address[0])
