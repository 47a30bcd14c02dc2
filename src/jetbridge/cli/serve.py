"""`jetbridge serve`: the web and the worker process under one parent.

The parent loads neither Django nor the web server, so it has nothing to die of; it starts what died again.
"""

import signal
from contextlib import closing, suppress
from threading import Event

import click

from jetbridge import config
from jetbridge.cli.listen_options import listen_options
from jetbridge.cli.running import environment
from jetbridge.control import home_lock
from jetbridge.text import echo
from jetbridge.worker.supervisor import CannotStart, Child, supervise

#: Longest pause before a child that dies again and again is started anew. Senders are waiting for the endpoints of
#: `web`, which come back first; what `worker` does not deliver now is delivered later.
PAUSES_SECONDS = {"web": 1.0, "worker": 30.0}


@click.command()
@listen_options
def serve() -> None:
    """Run Jetbridge: the ingest endpoints and the deliveries, until Ctrl-C or SIGTERM."""
    settings = config.load()
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with closing(home_lock.take(settings.home, "serve", environment=environment(settings))) as lock:
        _say(f"Jetbridge at {settings.listen_url}, home {settings.home}. Ctrl-C stops it.")
        children = [Child(name, _say, lock.fileno(), pause) for name, pause in PAUSES_SECONDS.items()]
        try:
            supervise(children, stop)
        except CannotStart as error:
            raise click.ClickException(str(error)) from None
    _say("Jetbridge has stopped.")


def _say(line: str) -> None:
    """A log that lies on the full disk must not end the process that keeps the others alive."""
    with suppress(OSError):
        echo(line)
