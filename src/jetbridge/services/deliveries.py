"""What a destination is asked to do: syncs, failures again, tasks, replays."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from jetbridge.control.audit import Actor
from jetbridge.control.models import Destination
from jetbridge.delivery import replay, retry_queue
from jetbridge.delivery.delivery_records import Choice
from jetbridge.delivery.models import Replay
from jetbridge.delivery.retry_queue import Retried
from jetbridge.errors import ConfigurationError, ConflictError
from jetbridge.eventlog.base import PositionRange
from jetbridge.jobs import tasks
from jetbridge.jobs.models import Task
from jetbridge.services import schedules
from jetbridge.services.log import event_log
from jetbridge.services.task_types import COUNT


def sync(actor: Actor, row: Destination) -> None:
    """Have a sync begin at once, or when the one under way has ended. Raises ConflictError without a schedule."""
    with transaction.atomic():
        schedules.request(row)
        actor.audit("destination.sync-requested", row)


def retry(actor: Actor, row: Destination, choice: Choice) -> Retried:
    """Let these failures be tried again."""
    with event_log() as log, transaction.atomic():
        done = retry_queue.retry(row.id, choice, log)
        if done.messages:
            details = {"messages": done.messages, "lost": done.lost, "reason": choice.reason or "any"}
            actor.audit("destination.retried", row, details)
    return done


def request_task(actor: Actor, row: Destination, kind: str, options: Mapping[str, Any] | None = None) -> Task:
    """Have the worker do a task. Counting what a replay would read is nobody's business: it is not written down."""
    with transaction.atomic():
        task = tasks.request(row.id, kind, options)
        if kind != COUNT:
            actor.audit(f"destination.{kind}-asked", row)
    return task


def cancel(actor: Actor, row: Destination, task: Task) -> bool:
    """What it has done stays; False if it had ended."""
    with transaction.atomic():
        cancelled = tasks.cancel(task.id)
        if cancelled and task.kind != COUNT:
            actor.audit(f"destination.{task.kind}-cancelled", row)
    return cancelled


def request_replay(actor: Actor, row: Destination, task: Task) -> Replay:
    """Read again exactly what a count has counted. Once: the count is used up by it."""
    with transaction.atomic():
        counted = tasks.result_of(task)
        if task.kind != COUNT or counted is None:
            message = f"Task {task.id} is no count that has ended: ask for one, and wait for its end."
            raise ConflictError(message)
        if not counted["messages"]:
            raise ConfigurationError("The log retains no messages there.")
        span = PositionRange(counted["after"], counted["upto"])
        requested = replay_span(actor, row, span, counted["source"], counted["messages"])
        task.delete()
    return requested


def replay_span(
    actor: Actor, row: Destination, span: PositionRange, source: int | None, messages: int
) -> Replay:
    """Read a span of the log again, of so many messages; only those of `source`, if it is given."""
    with transaction.atomic():
        requested = replay.request(row.id, span, source, messages)
        actor.audit("destination.replayed", row, {"replay": requested.id, "messages": requested.messages})
    return requested


def cancel_replay(actor: Actor, row: Destination, requested: Replay) -> bool:
    """It reads no further; False if it had ended."""
    with transaction.atomic():
        cancelled = replay.cancel(requested.id)
        if cancelled:
            actor.audit("destination.replay-cancelled", row, {"replay": requested.id})
    return cancelled
