"""The worker process: it waits for its database, then keeps the threads of the current configuration running."""

import gc
import logging
from contextlib import suppress
from threading import Event, Thread

from django.db import DatabaseError

from jetbridge.control import database, storage
from jetbridge.delivery import isolation
from jetbridge.delivery.threads import SUPERVISOR, HeartbeatWriter, Threads, Vitals, end_cleanly
from jetbridge.heartbeat import Heartbeat
from jetbridge.worker import plan

log = logging.getLogger(__name__)


def run(stop: Event) -> None:
    """Deliver until `stop` is set."""
    tune_gc()
    logged = ""
    while not stop.is_set():  # until the state database can be opened and brought up to date
        try:
            database.make_ready()
        except Exception as error:  # noqa: BLE001 - raised again unless it is about the files
            logged = _log_once(error, logged)
            stop.wait(1.0)
        else:
            keep_threads(stop)
            storage.checkpoint()
            return


def tune_gc() -> None:
    """Collect garbage less often: a batch of messages makes ten thousand dicts and hardly a cycle."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def keep_threads(stop: Event) -> None:
    """Keep the threads of the current configuration running until `stop` is set."""
    threads, own = Threads(), Heartbeat()
    own.adopt()
    specs: plan.ThreadSpecs = {}
    logged = ""

    def vitals() -> list[Vitals]:
        return [Vitals(SUPERVISOR, own.silent_seconds), *threads.vitals()]

    writer = HeartbeatWriter(vitals, lambda: plan.dependents(specs))
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
                specs = plan.thread_specs()
                logged = ""
            except Exception as error:  # noqa: BLE001 - raised again unless it is about the files
                logged = _log_once(error, logged)
            threads.keep(specs)  # those of before go on
            stop.wait(1.0)
    finally:
        threads.stop()
    writing.join(5.0)
    with suppress(DatabaseError):
        end_cleanly()


def _log_once(error: Exception, logged: str) -> str:
    """Log why the disk or the database makes us wait, unless it is `logged` already. Raises any other error."""
    if not isolation.is_environmental(error):
        raise error
    message = str(isolation.as_transient(error))
    if message != logged:
        log.warning("worker: %s", message)
    return message
