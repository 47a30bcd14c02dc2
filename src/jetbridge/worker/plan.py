"""Which threads a worker runs, made from the configuration as it is now."""

from collections import defaultdict
from functools import cache, partial
from itertools import chain
from threading import Event
from typing import NamedTuple

from django.conf import settings

from jetbridge import eventlog
from jetbridge.alerts.notifications import NotificationSender
from jetbridge.alerts.watch import AlertWatch, version_of_rules
from jetbridge.config import Config
from jetbridge.control import directory
from jetbridge.control.directory import DestinationRef
from jetbridge.delivery.consumer import Consumer
from jetbridge.delivery.log_recovery import LogEndWatch
from jetbridge.delivery.models import destination_consumer
from jetbridge.delivery.pauses import PROBE_SECONDS, PauseRegistry
from jetbridge.delivery.retention import Retention
from jetbridge.delivery.retry import RetryDeadline
from jetbridge.delivery.threads import Runnable
from jetbridge.engage import consumer as engage
from jetbridge.engage import erasure as engage_erasure
from jetbridge.errors import PauseError
from jetbridge.eventlog.base import EventLog
from jetbridge.imports import run, store
from jetbridge.integrations import base, registry
from jetbridge.jobs import tasks
from jetbridge.privacy.erasure import Eraser, ErasureHandler
from jetbridge.services import task_types as destination_tasks
from jetbridge.services.queries import health
from jetbridge.source_schema.reader import SchemaReader
from jetbridge.source_schema.volumes import LastSeen

#: Name -> what the thread is made from, and what it runs; for `Threads.keep`.
ThreadSpecs = dict[str, tuple[object, Runnable]]


class _MadeFrom(NamedTuple):
    """What the thread of a destination is made from."""

    ref: DestinationRef
    #: Names of its further threads.
    more_threads: tuple[str, ...]


def thread_specs() -> ThreadSpecs:
    """Every thread that the current configuration asks for."""
    config: Config = settings.CONFIG
    event_log = _event_log(config)
    specs: ThreadSpecs = {
        "retention": (config, Retention(event_log, config.retention_days, config.retention_mb).run),
        "erasures": (config, Eraser(event_log, erasure_handlers).run),
        "schema": (config, SchemaReader(event_log).run),
        "end of the log": (config, LogEndWatch(event_log).run),
        "alerts": ((config, version_of_rules()), alert_watch(event_log).run),
        "notifications": (config, NotificationSender().run),
        "files of imports": (config, store.keep_trimming),
    }
    for integration in registry.integrations():
        specs |= integration.background_threads(event_log)
    for ref in directory.load_destinations():
        if destination := registry.destinations().get(ref.kind):
            consume = partial(_consume, event_log, ref, destination)
            more_threads = destination.companion_threads(ref)
            # They go when what its settings name is gone, such as a key that has ended: then it must open anew.
            specs[f"destination {ref.id} ({ref.name})"] = (_MadeFrom(ref, (*more_threads,)), consume)
            specs |= more_threads
    specs |= engage.threads(event_log)
    # A thread per destination with a task, for as long as that takes.
    for task in tasks.pending():
        task_ref = directory.destination(task.destination_id)
        known = task_ref and registry.destinations().get(task_ref.kind)
        do = destination_tasks.of(task_ref, known, task.kind) if task_ref and known else None
        if do:
            specs[f"task {task.id} ({task.kind})"] = (task.id, tasks.TaskRun(task, do).run)
        else:
            tasks.cancel(task.id)
    # A thread per file that is read or sent; another one for each of both.
    for row in run.to_do():
        specs[f"import {row.id}"] = ((row.id, row.state, str(row.options)), run.Job(row, event_log).run)
    return specs


def alert_watch(event_log: EventLog) -> AlertWatch:
    return AlertWatch(LastSeen(event_log), lights=lambda: health.read(event_log).lights)


def dependents(specs: ThreadSpecs) -> dict[str, set[int]]:
    """By thread, the destinations that stand still without it: those whose own it is, or a companion of it."""
    dependents_of: defaultdict[str, set[int]] = defaultdict(set)
    for name, (made_from, _) in specs.items():
        if isinstance(made_from, _MadeFrom):
            for thread in (name, *made_from.more_threads):
                dependents_of[thread].add(made_from.ref.id)
    return dependents_of


def erasure_handlers(workspace: int) -> list[ErasureHandler]:
    of_kinds = (kind.erasure_handlers(workspace) for kind in registry.destinations().values())
    return [*engage_erasure.handlers(workspace), *chain.from_iterable(of_kinds)]


@cache
def _event_log(config: Config) -> EventLog:
    return eventlog.open(config)


def _consume(event_log: EventLog, ref: DestinationRef, integration: base.Destination, stop: Event) -> None:
    """Until `stop`, or until the destination is no longer what `ref` says: then a new thread goes on."""
    version = directory.destination_version(ref.id)
    if ref not in directory.load_destinations([ref.kind]):
        return  # changed, disabled or removed since `ref` was read
    pauses = PauseRegistry()
    while not stop.is_set():
        try:
            route = integration.route(ref)
            sink = integration.open(ref)
        except PauseError as error:
            pauses.pause(destination_consumer(ref.id), error)
            pauses.wait(stop, PROBE_SECONDS)
            continue
        Consumer(
            event_log=event_log,
            destination_id=ref.id,
            destination=sink,
            route=route,
            is_current=lambda: directory.destination_version(ref.id) == version,
            policy=integration.batch_policy(ref),
            schedule=integration.schedule(ref),
            retry_deadline=RetryDeadline(settings.CONFIG.retry_seconds),
        ).run(stop)
        return
