"""Syncs of destinations that have a schedule."""

from typing import Annotated

from jetbridge.api.routing import ApiRequest, ApiRouter, editor
from jetbridge.api.schemas import Id, OutSchema, Timestamp, example
from jetbridge.delivery.syncs import SyncState
from jetbridge.services import deliveries, schedules

router = ApiRouter(tags=["Syncs"])


class SyncOut(OutSchema):
    """`schedule` and `next_at` are null for a destination that delivers continuously. `next_at` is in the past if the next sync
    is overdue, or follows the one under way. `requested`: somebody has asked for one that has not begun. `began_at` and
    `ended_at` are of the latest, null before the first; of one that is running, `ended_at` is null and `progress` the share of
    its messages that are read, in percent.
    """

    schedule: Annotated[str | None, example("every 15 min")]
    next_at: Timestamp | None
    requested: bool
    running: bool
    began_at: Timestamp | None
    ended_at: Timestamp | None
    progress: Annotated[int | None, example(None)]


@router.get("/destinations/{int:destination}/sync", response=SyncOut)
def get_sync(request: ApiRequest, destination: Id) -> SyncOut:
    """When a destination with a schedule syncs next, and how its latest sync went."""
    row = request.auth.destination(destination)
    return sync_out(schedules.state_of(row.id))


@router.post("/destinations/{int:destination}/sync", auth=editor, response={202: SyncOut})
def sync_destination(request: ApiRequest, destination: Id) -> SyncOut:
    """Sync a destination with a schedule now, or after the sync that is under way. The schedule stays as it is.

    One that is disabled or paused syncs once it goes on. 409 for one that delivers continuously.
    """
    row = request.auth.destination(destination)
    deliveries.sync(request.auth.actor, row)
    return sync_out(schedules.state_of(row.id))


def sync_out(sync: SyncState | None) -> SyncOut:
    return SyncOut(
        schedule=str(sync.schedule) if sync else None,
        next_at=sync.next_at if sync else None,
        requested=bool(sync and sync.is_requested),
        running=bool(sync and sync.is_running),
        began_at=sync.began_at if sync else None,
        ended_at=sync.ended_at if sync else None,
        progress=sync.share if sync else None,
    )
