"""Which threads a worker runs, made from the configuration as it is now."""

from functools import cache, partial
from threading import Event

from django.conf import settings

from jetbridge.config import Config
from jetbridge.control import directory
from jetbridge.control.directory import DestinationRef
from jetbridge.delivery import ledger, tasks
from jetbridge.delivery.alerting.notices import NoticeSender
from jetbridge.delivery.alerting.watch import AlertWatch, version_of_rules
from jetbridge.delivery.base import Destination
from jetbridge.delivery.consumer import PROBE_SECONDS, Consumer
from jetbridge.delivery.erasure import Eraser, Keeper
from jetbridge.delivery.hold import Holds
from jetbridge.delivery.retention import Retention
from jetbridge.delivery.retry import Patience
from jetbridge.delivery.threads import Runnable
from jetbridge.destinations import tasks as destination_tasks
from jetbridge.destinations.definition import Definition
from jetbridge.destinations.registry import DEFINITIONS
from jetbridge.errors import HoldError
from jetbridge.eventlog.base import EventLog
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.routing.route import Route
from jetbridge.schema.hearing import Hearing
from jetbridge.schema.reader import SchemaReader
from jetbridge.sources import registry as sources

Wanted = dict[str, tuple[object, Runnable]]


def now() -> Wanted:
    """For `Threads.keep`: name -> what the thread is made from, and what it runs."""
    config: Config = settings.CONFIG
    event_log = _event_log(config)
    wanted: Wanted = {
        "retention": (config, Retention(event_log, config.retention_days, config.retention_mb).run),
        "erasures": (config, Eraser(event_log, keepers).run),
        "schema": (config, SchemaReader(event_log).run),
        "alerts": ((config, version_of_rules()), AlertWatch(Hearing(event_log)).run),
        "notices": (config, NoticeSender().run),
    }
    for ref in directory.load_destinations():
        if definition := DEFINITIONS.get(ref.kind):
            wanted |= _of_destination(event_log, ref, definition)
    return wanted | sources.threads(event_log) | _tasks()


def _tasks() -> Wanted:
    """One thread per destination that was asked for something, for as long as that takes."""
    wanted: Wanted = {}
    for task in tasks.to_do():
        ref = directory.destination(task.destination_id)
        known = ref and DEFINITIONS.get(ref.kind)
        do = destination_tasks.of(ref, known, task.kind) if ref and known else None
        if do:
            wanted[f"task {task.id} ({task.kind})"] = (task.id, tasks.Doing(task, do).run)
        else:
            tasks.cancel(task.id)
    return wanted


def keepers(workspace: int) -> list[Keeper]:
    refs = [ref for ref in directory.destinations_of(workspace) if ref.kind in DEFINITIONS]
    return [keeper for ref in refs if (keeper := DEFINITIONS[ref.kind].keeper(ref))]


@cache
def _event_log(config: Config) -> EventLog:
    return SqliteEventLog(config.log_path)


def _of_destination(event_log: EventLog, ref: DestinationRef, definition: Definition) -> Wanted:
    consume = partial(_consume, event_log, ref, definition)
    companions = definition.companions(ref)
    # Its companions go when what its settings name is gone, such as a key that has ended: then it must open anew.
    return {f"destination {ref.id} ({ref.name})": ((ref, *companions), consume), **companions}


def _consume(event_log: EventLog, ref: DestinationRef, definition: Definition, stop: Event) -> None:
    if opened := _open(ref, definition, stop):
        destination, route = opened
        Consumer(
            event_log=event_log,
            destination_id=ref.id,
            destination=destination,
            route=route,
            patience=Patience(settings.CONFIG.retry_seconds),
        ).run(stop)


def _open(ref: DestinationRef, definition: Definition, stop: Event) -> tuple[Destination, Route] | None:
    """Open the destination, however long it is held before it opens; None if `stop` came first."""
    holds = Holds()
    while not stop.is_set():
        try:
            route = definition.route(ref)
            return definition.open(ref), route
        except HoldError as error:
            holds.put(ledger.destination_reader(ref.id), error)
            holds.wait(stop, PROBE_SECONDS)
    return None
