"""Tasks: what takes too long for an answer. The worker does them; a program asks, and looks again."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec

from jetbridge.console.acts import deliveries
from jetbridge.console.api.caller import Caller
from jetbridge.console.api.destinations import own_destination, own_ref
from jetbridge.console.api.endpoint import endpoint
from jetbridge.console.api.paging import Page, Paging, page_of
from jetbridge.console.api.refusal import Refused
from jetbridge.control.people import Role
from jetbridge.delivery import tasks
from jetbridge.delivery.models import Task as TaskRow
from jetbridge.destinations import tasks as known
from jetbridge.destinations.registry import DEFINITIONS


class TaskWish(msgspec.Struct, forbid_unknown_fields=True):
    """count: what a replay would read. plan: what would be told to Mailjet now. verify: what Mailjet holds
    otherwise than it should; repair: that, and have it mended. The times and `source` are for count only.
    """

    kind: Literal["count", "plan", "verify", "repair"]
    since: datetime | None = None
    until: datetime | None = None
    source: int | None = None


class Task(msgspec.Struct):
    """`done` of `expected`, as far as it is known. `result` is null until it has ended well; else `problem` says why.

    Results are remembered for 30 days.
    """

    id: int
    kind: str
    state: Literal["waiting", "running", "ended", "failed"]
    done: int
    expected: int | None
    asked_at: datetime
    begun_at: datetime | None
    ended_at: datetime | None
    problem: str
    result: dict[str, Any] | None


class Cancelled(msgspec.Struct):
    """False: it had ended."""

    cancelled: bool


@endpoint("GET", "destinations/<int:destination>/tasks")
def list_tasks(caller: Caller, destination: int, query: Paging) -> Page[Task]:
    """Tasks of a destination, newest first."""
    return page_of(TaskRow.objects.filter(destination_id=own_ref(caller, destination).id), query, _shape)


@endpoint("POST", "destinations/<int:destination>/tasks", Role.EDITOR, status=202)
def ask_task(caller: Caller, destination: int, body: TaskWish) -> Task:
    """Have the worker count, plan, verify or repair.

    One that is under way already, with the same options, is not asked for twice.
    """
    ref = own_ref(caller, destination)
    if known.of(ref, DEFINITIONS[ref.kind], body.kind) is None:
        raise Refused(422, f"{ref.name} is of the kind {ref.kind}, which cannot {body.kind}.")
    options = _options(body, ref.source_kinds)
    return _shape(deliveries.ask(caller.actor, own_destination(caller, ref.id), body.kind, options))


@endpoint("GET", "destinations/<int:destination>/tasks/<int:task>")
def get_task(caller: Caller, destination: int, task: int) -> Task:
    """How far a task is, and its result."""
    return _shape(own_task(caller, destination, task))


@endpoint("POST", "destinations/<int:destination>/tasks/<int:task>/cancel", Role.EDITOR)
def cancel_task(caller: Caller, destination: int, task: int) -> Cancelled:
    """Stop a task. What it has done until then stays."""
    row, found = own_destination(caller, destination), own_task(caller, destination, task)
    return Cancelled(deliveries.cancel(caller.actor, row, found))


def own_task(caller: Caller, destination: int, task: int) -> TaskRow:
    """Raises Refused (404)."""
    rows = TaskRow.objects.filter(destination_id=own_ref(caller, destination).id)
    return caller.own(rows, task, "task")


def _options(wish: TaskWish, sources: Mapping[int, str]) -> dict[str, Any]:
    given = {
        "since": wish.since and wish.since.isoformat(),
        "until": wish.until and wish.until.isoformat(),
        "source": wish.source,
    }
    options = {name: value for name, value in given.items() if value is not None}
    if options and wish.kind != known.COUNT:
        raise Refused(422, f"{', '.join(options)}: only a count takes that.")
    if wish.source is not None and wish.source not in sources:
        raise Refused(422, f"source: the destination has no source {wish.source}.")
    return options


def _shape(row: TaskRow) -> Task:
    return Task(
        row.id,
        row.kind,
        _state(row),
        row.done,
        row.expected,
        row.asked_at,
        row.begun_at,
        row.ended_at,
        row.problem,
        tasks.result_of(row),
    )


def _state(row: TaskRow) -> Literal["waiting", "running", "ended", "failed"]:
    if row.ended_at:
        return "failed" if row.problem else "ended"
    return "running" if row.begun_at else "waiting"
