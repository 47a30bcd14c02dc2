"""`jetbridge worker`: one process that reads the event log for every destination and source."""

import gc
import logging
import signal
from contextlib import closing
from threading import Event

import click

from jetbridge import config
from jetbridge.control import home_lock


@click.command()
def worker() -> None:
    """Deliver: read the event log for every destination. Usually started by `serve`."""
    from jetbridge.control import database  # noqa: PLC0415 - Django must not load for `--help`

    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with closing(home_lock.take(config.load().home, "worker")):
        database.start()
        database.migrate()
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
        rest_the_collector()
        run(stop)


def rest_the_collector() -> None:
    """Collect garbage less often: a batch of messages makes ten thousand dicts and hardly a cycle."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def run(stop: Event) -> None:
    """Keep the threads of the current configuration running until `stop` is set."""
    from jetbridge.cli import threads_wanted  # noqa: PLC0415
    from jetbridge.delivery.threads import Threads  # noqa: PLC0415

    threads = Threads()
    try:
        while not stop.is_set():
            threads.keep(threads_wanted.now())
            stop.wait(1.0)
    finally:
        threads.stop()
