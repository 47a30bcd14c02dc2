"""`jetbridge worker`: one process that reads the event log for every destination and source."""

import signal
from contextlib import closing
from threading import Event

import click

from jetbridge import config
from jetbridge.control import home_lock
from jetbridge.text import log_to_stderr


@click.command()
def worker() -> None:
    """Deliver: read the event log for every destination. Usually started by `serve`."""
    from jetbridge.control import database  # noqa: PLC0415 - Django must not load for `--help`

    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with closing(home_lock.take(config.load().home, "worker")):
        database.start()
        from jetbridge.worker import process  # noqa: PLC0415 - after Django

        log_to_stderr()
        process.run(stop)
