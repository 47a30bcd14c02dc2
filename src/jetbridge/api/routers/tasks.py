"""Tasks: what takes too long for a response. The worker does them; a program starts one, and polls it."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from ninja import Query
from pydantic import Field

from jetbridge.api.errors import HTTPError
from jetbridge.api.pagination import Page, Paging, page_of
from jetbridge.api.routing import ApiRequest, ApiRouter, Caller, editor
from jetbridge.api.schemas import Id, InSchema, Moment, OutSchema, Timestamp, example
from jetbridge.integrations import registry
from jetbridge.jobs import tasks
from jetbridge.jobs.models import Task
from jetbridge.services import deliveries
from jetbridge.services import task_types as kinds

router = ApiRouter(tags=["Tasks"])

TaskState = Literal["waiting", "running", "ended", "failed"]


class TaskIn(InSchema):
    """count: what a replay would read. plan: what would be sent to Mailjet now. verify: what Mailjet holds
    otherwise than it should; repair: that, and correct it. The times and `source` are for count only.
    """

    kind: Annotated[str, Field(max_length=100, examples=["count"])]
    since: Moment | None = None
    until: Annotated[Moment | None, example(None)] = None
    source: Annotated[Id | None, example(None)] = None


class TaskOut(OutSchema):
    """`done` of `expected`, as far as it is known. `result` is null until it has ended well; else `problem` says why.

    Results are kept for 30 days.
    """

    id: Id
    kind: Annotated[str, example("count")]
    state: TaskState
    done: Annotated[int, example(0)]
    expected: Annotated[int | None, example(None)]
    requested_at: Timestamp
    begun_at: Timestamp | None
    ended_at: Timestamp | None
    problem: Annotated[str, example("")]
    result: Annotated[dict[str, Any] | None, example(None)]


class CancelledOut(OutSchema):
    """False: it had ended."""

    cancelled: bool


@router.get("/destinations/{int:destination}/tasks", response=Page[TaskOut])
def list_tasks(request: ApiRequest, destination: Id, paging: Query[Paging]) -> Page[TaskOut]:
    """Tasks of a destination, newest first."""
    rows = Task.objects.filter(destination_id=request.auth.destination_ref(destination).id)
    return page_of(rows, paging, _task)


@router.post("/destinations/{int:destination}/tasks", auth=editor, response={202: TaskOut})
def request_task(request: ApiRequest, destination: Id, body: TaskIn) -> TaskOut:
    """Have the worker count, plan, verify or repair.

    While one with the same options runs or waits, it is returned, and no second one starts.
    """
    ref = request.auth.destination_ref(destination)
    if kinds.of(ref, registry.destination(ref.kind), body.kind) is None:
        raise HTTPError("INVALID_VALUE", f"{ref.name} is of the kind {ref.kind}, which cannot {body.kind}.")
    options = _options(body, ref.source_kinds)
    row = request.auth.destination(ref.id)
    return _task(deliveries.request_task(request.auth.actor, row, body.kind, options))


@router.get("/destinations/{int:destination}/tasks/{int:task}", response=TaskOut)
def get_task(request: ApiRequest, destination: Id, task: Id) -> TaskOut:
    """How far a task is, and its result."""
    return _task(find_task(request.auth, destination, task))


@router.post("/destinations/{int:destination}/tasks/{int:task}/cancel", auth=editor, response=CancelledOut)
def cancel_task(request: ApiRequest, destination: Id, task: Id) -> CancelledOut:
    """Stop a task. What it has done until then stays."""
    row, task_row = request.auth.destination(destination), find_task(request.auth, destination, task)
    return CancelledOut(cancelled=deliveries.cancel(request.auth.actor, row, task_row))


def find_task(caller: Caller, destination: int, task: int) -> Task:
    """Raises HTTPError (404)."""
    rows = Task.objects.filter(destination_id=caller.destination_ref(destination).id)
    return caller.find(rows, task, "task")


def _options(body: TaskIn, sources: Mapping[int, str]) -> dict[str, Any]:
    given = {
        "since": body.since and body.since.isoformat(),
        "until": body.until and body.until.isoformat(),
        "source": body.source,
    }
    options = {name: value for name, value in given.items() if value is not None}
    if options and body.kind != kinds.COUNT:
        raise HTTPError("INVALID_REQUEST", f"{', '.join(options)}: only a count takes that.")
    if body.source is not None and body.source not in sources:
        raise HTTPError("INVALID_VALUE", f"source: the destination has no source {body.source}.")
    return options


def _task(row: Task) -> TaskOut:
    state: TaskState = "running" if row.begun_at else "waiting"
    if row.ended_at:
        state = "failed" if row.problem else "ended"
    return TaskOut(
        id=row.id,
        kind=row.kind,
        state=state,
        done=row.done,
        expected=row.expected,
        requested_at=row.requested_at,
        begun_at=row.begun_at,
        ended_at=row.ended_at,
        problem=row.problem,
        result=tasks.result_of(row),
    )
