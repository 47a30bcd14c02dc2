"""`jetbridge worker`: one process that reads the event log for every destination and source."""

import gc
import logging
import signal
from contextlib import closing, suppress
from threading import Event, Thread

import click

from jetbridge import config
from jetbridge.control import home_lock
from jetbridge.text import log_to_stderr

log = logging.getLogger(__name__)


@click.command()
def worker() -> None:
    """Deliver: read the event log for every destination. Usually started by `serve`."""
    from jetbridge.control import database  # noqa: PLC0415 - Django must not load for `--help`

    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with closing(home_lock.take(config.load().home, "worker")):
        database.start()
        from jetbridge.control import storage  # noqa: PLC0415 - after Django

        log_to_stderr()
        rest_the_collector()
        if _can_begin(stop):
            run(stop)
            storage.checkpoint()


def _can_begin(stop: Event) -> bool:
    """Wait until the state database can be opened and brought up to date; False if `stop` came first."""
    from jetbridge.control import database  # noqa: PLC0415 - Django must not load for `--help`

    said = ""
    while not stop.is_set():
        try:
            database.make_ready()
        except Exception as error:  # noqa: BLE001 - raised again unless it is about the files
            said = _say_once(error, said)
        else:
            return True
        stop.wait(1.0)
    return False


def _say_once(error: Exception, said: str) -> str:
    """Log why the disk or the database makes us wait, if it was not said already. Raises any other error."""
    from jetbridge.delivery import isolation  # noqa: PLC0415 - Django must not load for `--help`

    if not isolation.is_environmental(error):
        raise error
    sentence = str(isolation.as_transient(error))
    if sentence != said:
        log.warning("worker: %s", sentence)
    return sentence


def rest_the_collector() -> None:
    """Collect garbage less often: a batch of messages makes ten thousand dicts and hardly a cycle."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def run(stop: Event) -> None:
    """Keep the threads of the current configuration running until `stop` is set."""
    from django.db import DatabaseError  # noqa: PLC0415 - Django must not load for `--help`

    from jetbridge.cli import threads_wanted  # noqa: PLC0415
    from jetbridge.delivery import heartbeats  # noqa: PLC0415
    from jetbridge.delivery.threads import Threads, Vitals  # noqa: PLC0415
    from jetbridge.heartbeat import Heartbeat  # noqa: PLC0415

    threads, own = Threads(), Heartbeat()
    own.adopt()
    wanted: threads_wanted.Wanted = {}
    said = ""

    def vitals() -> list[Vitals]:
        return [Vitals(heartbeats.SUPERVISOR, own.silent_seconds), *threads.vitals()]

    writer = heartbeats.HeartbeatWriter(vitals, lambda: threads_wanted.dependents(wanted))
    writing = Thread(target=writer.run, args=(stop,), name="heartbeats", daemon=True)
    writing.start()
    try:
        while not stop.is_set():
            if not writing.is_alive():
                raise RuntimeError(
                    "The thread that writes the heartbeats has died."
                )  # its trace is in the log
            own.beat()
            try:
                wanted = threads_wanted.now()
                said = ""
            except Exception as error:  # noqa: BLE001 - raised again unless it is about the files
                said = _say_once(error, said)
            threads.keep(wanted)  # those of before go on
            stop.wait(1.0)
    finally:
        threads.stop()
    writing.join(5.0)
    with suppress(DatabaseError):
        heartbeats.end_cleanly()
