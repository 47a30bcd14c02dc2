"""`jetbridge serve`: the web and the worker process under one parent.

The parent loads neither Django nor the web server, so it has nothing to die of; it starts what died again.
"""

import signal
import time
from contextlib import closing
from threading import Event

import click

from jetbridge import config
from jetbridge.cli.children import CannotStart, Child
from jetbridge.control import home_lock

LOOK_SECONDS = 0.05
#: How long the children may take to stop before they are killed.
STOP_SECONDS = 15.0


@click.command()
def serve() -> None:
    """Run Jetbridge: the doors and the deliveries, until Ctrl-C or SIGTERM."""
    settings = config.load()
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with closing(home_lock.take(settings.home, "serve")) as lock:
        _say(f"Jetbridge at http://{settings.host}:{settings.port}, home {settings.home}. Ctrl-C stops it.")
        _supervise([Child(name, _say, lock.fileno()) for name in ("web", "worker")], stop)
    _say("Jetbridge has stopped.")


def _supervise(children: list[Child], stop: Event) -> None:
    try:
        while not stop.is_set():
            for child in children:
                child.look()
            stop.wait(LOOK_SECONDS)
    except CannotStart as error:
        raise click.ClickException(str(error)) from None
    finally:
        deadline = time.monotonic() + STOP_SECONDS
        for child in children:
            child.terminate()
        for child in children:
            child.wait(deadline)


def _say(line: str) -> None:
    click.echo(line)
