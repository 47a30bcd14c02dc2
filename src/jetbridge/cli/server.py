"""`jetbridge serve`, `web` and `worker`: the processes that run on.

The parent of `serve` loads neither Django nor the web server, so it has nothing to die of; it restarts what died.
"""

import json
import logging
import os
import signal
import sys
from contextlib import closing, suppress
from threading import Event, Thread
from typing import TYPE_CHECKING

import click

from jetbridge import config
from jetbridge.cli.running import environment
from jetbridge.control import home_lock
from jetbridge.integrations.command_parts import examples, listen_options
from jetbridge.text import echo, log_to_stderr
from jetbridge.worker.supervisor import CannotStart, Child, supervise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jetbridge.delivery.light import Light

log = logging.getLogger(__name__)

#: Longest pause before a child that dies again and again is restarted. Senders wait for the endpoints of
#: `web`, which come back first; what `worker` does not deliver now is delivered later.
PAUSES_SECONDS = {"web": 1.0, "worker": 30.0}
#: How long a page waits for another writer.
LOCK_SECONDS = 3
JSON_LINES = click.option(
    "--json", "as_json", is_flag=True, help="Print messages and log as JSON, one object per line."
)


@click.command(epilog=examples("jetbridge serve", "jetbridge serve --host 0.0.0.0 --port 8080"))
@listen_options
@JSON_LINES
def serve(*, as_json: bool) -> None:
    """Run Jetbridge: the ingest endpoints and the deliveries, until Ctrl-C or SIGTERM."""
    settings = config.load()
    stop = stop_event()

    def report(message: str) -> None:
        announce(message, as_json=as_json)

    arguments = ["--json"] if as_json else []
    with closing(home_lock.take(settings.home, "serve", environment=environment(settings))) as lock:
        report(f"Jetbridge at {settings.listen_url}, home {settings.home}. Ctrl-C stops it.")
        children = [
            Child(name, report, lock.fileno(), pause, arguments) for name, pause in PAUSES_SECONDS.items()
        ]
        try:
            supervise(children, stop)
        except CannotStart as error:
            raise click.ClickException(str(error)) from None
    report("Jetbridge has stopped.")


@click.command(epilog=examples("jetbridge worker", "jetbridge worker --json"))
@JSON_LINES
def worker(*, as_json: bool) -> None:
    """Deliver: read the event log for every destination. Usually started by `serve`."""
    from jetbridge.control import database

    stop = stop_event()
    with closing(home_lock.take(config.load().home, "worker")):
        database.start()
        from jetbridge.worker import process

        log_to_stderr(as_json=as_json)
        process.run(stop)


@click.command(epilog=examples("jetbridge web", "jetbridge web --host 0.0.0.0 --port 8080"))
@listen_options
@JSON_LINES
def web(*, as_json: bool) -> None:
    """Take messages in and show the console. Usually started by `serve`."""
    settings = config.load()
    with home_lock.take(settings.home, "web", shared=True, environment=environment(settings)):
        _serve_http(as_json=as_json)
    # All is closed. Granian's threads may still reach for an interpreter that is going away, which aborts the
    # process (seen with the sandbox); so it goes without the interpreter's own farewell.
    logging.shutdown()
    with suppress(OSError):
        sys.stdout.flush()
    os._exit(0)


def _serve_http(*, as_json: bool) -> None:
    """Serve endpoints and pages until a signal, with what has to run beside them."""
    from jetbridge.control import database

    database.start()
    from django.db import connections

    # A person waits for the page, which then says what is in the way. The worker holds no lock for so long.
    connections.settings["default"]["OPTIONS"]["timeout"] = LOCK_SECONDS
    log_to_stderr(as_json=as_json)

    from jetbridge import eventlog
    from jetbridge.alerts.watch import AlertWatch, Standby
    from jetbridge.console import asgi
    from jetbridge.console.auth import bootstrap_link
    from jetbridge.control import storage
    from jetbridge.control.settings import CONFIG
    from jetbridge.delivery import isolation
    from jetbridge.delivery.log_recovery import LogEndWatch
    from jetbridge.ingest import server
    from jetbridge.services.queries import health

    first_run = ""
    try:
        database.make_ready()
        first_run = bootstrap_link.first_run_link(CONFIG.public_url)
    except Exception as error:
        if not isolation.is_environmental(error):
            raise
        # Senders are answered 503, and pages say why, until the files can be opened.
        log.warning("web: %s", isolation.as_transient(error))

    def lights() -> "Sequence[Light]":
        with eventlog.open(CONFIG) as event_log:
            return health.read(event_log).lights

    def watch_log_end(stop: Event) -> None:
        with eventlog.open(CONFIG, must_open=False) as event_log:
            LogEndWatch(event_log).run(stop)

    def started(address: str) -> None:
        announce(f"Jetbridge listens at {address}", as_json=as_json)
        if first_run:
            announce(f"Nobody has an account yet. Create yours here: {first_run}", as_json=as_json)

    stop = Event()
    # Sends alerts while the worker does not. Whether sources are silent nobody knows while nothing reads the log.
    standby = Standby(AlertWatch(lambda _: None, lights=lights))
    Thread(target=standby.run, args=(stop,), name="standby", daemon=True).start()
    # Messages come in while no worker runs.
    Thread(target=watch_log_end, args=(stop,), name="end of the log", daemon=True).start()
    server.run(CONFIG, console=asgi.application(), started=started)
    storage.checkpoint()


def stop_event() -> Event:
    """Set by Ctrl-C and SIGTERM."""
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def announce(message: str, *, as_json: bool) -> None:
    """Print a line. A full disk under the log must not end the process."""
    with suppress(OSError):
        echo(json.dumps({"message": message}) if as_json else message)
