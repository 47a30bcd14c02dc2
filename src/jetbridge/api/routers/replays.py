"""Replays: a range of the log that a destination reads once more. First counted by a task, then started."""

from typing import Annotated

from ninja import Query

from jetbridge.api.pagination import Page, Paging, page_of
from jetbridge.api.routers.tasks import CancelledOut, find_task
from jetbridge.api.routing import ApiRequest, ApiRouter, editor
from jetbridge.api.schemas import Id, InSchema, OutSchema, Timestamp, example
from jetbridge.delivery.models import Replay
from jetbridge.services import deliveries, replays

router = ApiRouter(tags=["Replays"])


class ReplayIn(InSchema):
    """`task` is a count that has ended: exactly what it counted is read again, and the count is used up by it."""

    task: Annotated[Id, example(7)]


class ReplayOut(OutSchema):
    """The records after position `after` up to `upto`; `source` null: of all sources."""

    id: Id
    state: Annotated[str, example("open")]
    source: Annotated[int | None, example(None)]
    after: Annotated[int, example(0)]
    upto: Annotated[int, example(120)]
    position: Annotated[int, example(60)]
    messages: Annotated[int, example(118)]
    done: Annotated[int, example(59)]
    requested_at: Timestamp
    ended_at: Timestamp | None


@router.get("/destinations/{int:destination}/replays", response=Page[ReplayOut])
def list_replays(request: ApiRequest, destination: Id, paging: Query[Paging]) -> Page[ReplayOut]:
    """Replays of a destination, newest first, and how far each is."""
    row = request.auth.destination(destination)
    return page_of(Replay.objects.filter(destination_id=row.id), paging, _replay)


@router.post("/destinations/{int:destination}/replays", auth=editor, response={202: ReplayOut})
def request_replay(request: ApiRequest, destination: Id, body: ReplayIn) -> ReplayOut:
    """Replay messages to a destination: those that a count has counted."""
    row = request.auth.destination(destination)
    task = find_task(request.auth, destination, body.task)
    return _replay(deliveries.request_replay(request.auth.actor, row, task))


@router.post(
    "/destinations/{int:destination}/replays/{int:replay}/cancel", auth=editor, response=CancelledOut
)
def cancel_replay(request: ApiRequest, destination: Id, replay: Id) -> CancelledOut:
    """Cancel a replay. What was read stays delivered."""
    row = request.auth.destination(destination)
    replay_row = request.auth.find(Replay.objects.filter(destination_id=row.id), replay, "replay")
    return CancelledOut(cancelled=deliveries.cancel_replay(request.auth.actor, row, replay_row))


def _replay(row: Replay) -> ReplayOut:
    return ReplayOut(
        id=row.id,
        state=replays.state_of(row),
        source=row.source_id,
        after=row.after,
        upto=row.upto,
        position=row.position,
        messages=row.messages,
        done=row.done,
        requested_at=row.requested_at,
        ended_at=row.ended_at,
    )
