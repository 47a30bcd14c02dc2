"""Tasks: what takes too long for a page, requested by a person and done by a thread of the worker.

A task that a dying worker leaves behind is done again from its beginning, so it may be one only that can be.
"""

import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

from django.db.models import Q

from jetbridge.errors import JetbridgeError
from jetbridge.jobs.models import Task
from jetbridge.spec.person import Identity

log = logging.getLogger(__name__)

#: How often progress is stored, and a cancellation noticed (s).
PROGRESS_SECONDS = 0.5
#: How long a task that has ended is remembered.
KEPT = timedelta(days=30)

CANCELLED = "Cancelled."


class Stopped(Exception):
    """Somebody has cancelled the task, or the worker stops: it is done again when the next one starts."""


@dataclass
class Work:
    """The progress of a task. Every method may raise Stopped, which its caller must not catch."""

    task: int
    stop: Event
    clock: Callable[[], float] = time.monotonic
    _done: int = 0
    _stored_at: float = field(default=float("-inf"))

    def expect(self, total: int) -> None:
        """Set how much there is to do from now on."""
        self._done = 0
        self._store(expected=total)

    def advance(self, amount: int = 1) -> None:
        self._done += amount
        if self.clock() - self._stored_at >= PROGRESS_SECONDS:
            self._store()

    def _store(self, **more: int) -> None:
        self._stored_at = self.clock()
        still = Task.objects.filter(id=self.task, ended_at=None).update(done=self._done, **more)
        if self.stop.is_set() or not still:
            raise Stopped


#: Does a task with these options and returns its result, plain values. May raise JetbridgeError: then the task
#: has failed, and the message says why.
TaskFunction = Callable[[Mapping[str, Any], Work], Mapping[str, Any]]


def request(destination: int, kind: str, options: Mapping[str, Any] | None = None) -> Task:
    """Have the worker do it. An open one with the same options is returned instead of a second one."""
    values = dict(options or {})
    open_ = Task.objects.filter(destination_id=destination, kind=kind, ended_at=None)
    same = [row for row in open_ if row.options == values]
    return same[0] if same else Task.objects.create(destination_id=destination, kind=kind, options=values)


def cancel(task: int) -> bool:
    """False if it had ended."""
    return _end(task, problem=CANCELLED)


def pending() -> list[Task]:
    """The oldest open task of each destination."""
    first: dict[int, Task] = {}
    for row in Task.objects.filter(ended_at=None).order_by("id"):
        first.setdefault(row.destination_id, row)
    return list(first.values())


def result_of(task: Task) -> dict[str, Any] | None:
    """None until it has ended well."""
    result: dict[str, Any] | None = json.loads(task.result) if task.result else None
    return result


def trim() -> None:
    Task.objects.filter(ended_at__lt=datetime.now(UTC) - KEPT).delete()


def forget(destinations: Iterable[int], identity: Identity) -> int:
    """Empty results that name this person; returns how many."""
    texts = [json.dumps(user) for user in identity.users]
    texts += [json.dumps(email)[1:-1] for email in identity.emails]
    matches = Q(pk__in=[])
    for text in texts:
        matches |= Q(result__icontains=text)
    rows = Task.objects.filter(matches, destination_id__in=destinations).exclude(result="")
    return (
        rows.update(result="", problem="The result named a person who was forgotten since.") if texts else 0
    )


@dataclass(frozen=True)
class TaskRun:
    """One task at work: `run(stop)` for a thread. Does nothing if it has ended meanwhile."""

    task: Task
    do: TaskFunction

    def run(self, stop: Event) -> None:
        begun = Task.objects.filter(id=self.task.id, ended_at=None)
        if not begun.update(begun_at=datetime.now(UTC), done=0, expected=None):
            return
        try:
            result = self.do(self.task.options, Work(self.task.id, stop))
        except Stopped:
            return
        except JetbridgeError as error:
            _end(self.task.id, problem=str(error))
        except Exception:
            log.exception("task %s (%s) broke", self.task.id, self.task.kind)
            _end(self.task.id, problem="It broke for a reason that the worker's log tells.")
        else:
            _end(self.task.id, result=json.dumps(result))


def _end(task: int, **fields: str) -> bool:
    open_ = Task.objects.filter(id=task, ended_at=None)
    return bool(open_.update(ended_at=datetime.now(UTC), **fields))
