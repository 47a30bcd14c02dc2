"""`jetbridge web`: one process that takes messages in over HTTP, and shows the console."""

import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from threading import Event, Thread
from typing import TYPE_CHECKING

import click

from jetbridge import config
from jetbridge.cli.listen_options import listen_options
from jetbridge.cli.running import environment
from jetbridge.control import home_lock
from jetbridge.text import echo, log_to_stderr

log = logging.getLogger(__name__)

#: How long a page waits for another writer.
LOCK_SECONDS = 3

if TYPE_CHECKING:
    from jetbridge.delivery.light import Light


@click.command()
@listen_options
def web() -> None:
    """Take messages in and show the console. Usually started by `serve`."""
    settings = config.load()
    with home_lock.take(settings.home, "web", shared=True, environment=environment(settings)):
        _serve()
    # All is closed. Granian's threads may still reach for an interpreter that is going away, which aborts the
    # process (seen with the sandbox); so it goes without the interpreter's own farewell.
    logging.shutdown()
    with suppress(OSError):
        sys.stdout.flush()
    os._exit(0)


def _serve() -> None:
    from jetbridge.control import database  # noqa: PLC0415 - Django must not load for `--help`

    database.start()
    _wait_less_for_locks()
    log_to_stderr()

    from jetbridge.console import asgi  # noqa: PLC0415 - after Django
    from jetbridge.console.entry import link  # noqa: PLC0415 - after Django
    from jetbridge.control import storage  # noqa: PLC0415 - after Django
    from jetbridge.control.settings import CONFIG  # noqa: PLC0415 - after Django
    from jetbridge.delivery import isolation  # noqa: PLC0415 - after Django
    from jetbridge.ingest import server  # noqa: PLC0415 - after Django

    try:
        database.make_ready()
        first_run = link.first_run_link(CONFIG.public_url)
    except Exception as error:
        if not isolation.is_environmental(error):
            raise
        first_run = ""  # senders are answered 503, and pages say why, until the files can be opened
        log.warning("web: %s", isolation.as_transient(error))
    stop = Event()
    standby = Thread(target=_stand_by, args=(stop,), name="standby", daemon=True)
    standby.start()
    Thread(target=_watch_log_end, args=(stop,), name="end of the log", daemon=True).start()
    server.run(CONFIG, console=asgi.application(), started=lambda address: _tell(address, first_run))
    storage.checkpoint()


def _stand_by(stop: Event) -> None:
    """Send alerts while the worker does not."""
    from jetbridge import eventlog  # noqa: PLC0415
    from jetbridge.alerts.standby import Standby  # noqa: PLC0415
    from jetbridge.alerts.watch import AlertWatch  # noqa: PLC0415
    from jetbridge.control.settings import CONFIG  # noqa: PLC0415 - after Django
    from jetbridge.services.queries import health  # noqa: PLC0415

    def lights() -> "Sequence[Light]":
        with eventlog.open(CONFIG) as event_log:
            return health.read(event_log).lights

    # Whether sources are silent nobody knows while nothing reads the log.
    Standby(AlertWatch(lambda _: None, lights=lights)).run(stop)


def _watch_log_end(stop: Event) -> None:
    """It takes messages while no worker runs."""
    from jetbridge import eventlog  # noqa: PLC0415
    from jetbridge.control.settings import CONFIG  # noqa: PLC0415 - after Django
    from jetbridge.delivery.log_end import LogEndWatch  # noqa: PLC0415

    with eventlog.open(CONFIG, must_open=False) as event_log:
        LogEndWatch(event_log).run(stop)


def _wait_less_for_locks() -> None:
    """Somebody sits before a page, which says what is in the way: the worker holds no lock for so long."""
    from django.db import connections  # noqa: PLC0415 - after Django

    connections.settings["default"]["OPTIONS"]["timeout"] = LOCK_SECONDS


def _tell(address: str, first_run: str) -> None:
    with suppress(OSError):  # its log may lie on a disk that is full
        echo(f"Jetbridge listens at {address}")
        if first_run:
            echo(f"Nobody has an account yet. Create yours here: {first_run}")
