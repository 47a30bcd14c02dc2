"""Replays: a span of the log that a destination reads once more. First counted by a task, then asked for."""

from datetime import datetime

import msgspec

from jetbridge.console.acts import deliveries
from jetbridge.console.api.caller import Caller
from jetbridge.console.api.destinations import own_destination
from jetbridge.console.api.endpoint import endpoint
from jetbridge.console.api.paging import Page, Paging, page_of
from jetbridge.console.api.tasks import Cancelled, own_task
from jetbridge.control.people import Role
from jetbridge.delivery.models import Replay as ReplayRow
from jetbridge.destinations import replaying


class ReplayWish(msgspec.Struct, forbid_unknown_fields=True):
    """`task` is a count that has ended: exactly what it counted is read again, and the count is used up by it."""

    task: int


class Replay(msgspec.Struct):
    """The records after position `after` up to `upto`; `source` null: of all sources."""

    id: int
    state: str
    source: int | None
    after: int
    upto: int
    position: int
    messages: int
    done: int
    asked_at: datetime
    ended_at: datetime | None


@endpoint("GET", "destinations/<int:destination>/replays")
def list_replays(caller: Caller, destination: int, query: Paging) -> Page[Replay]:
    """Replays of a destination, newest first, and how far each is."""
    row = own_destination(caller, destination)
    return page_of(ReplayRow.objects.filter(destination_id=row.id), query, _shape)


@endpoint("POST", "destinations/<int:destination>/replays", Role.EDITOR, status=202)
def ask_replay(caller: Caller, destination: int, body: ReplayWish) -> Replay:
    """Let a destination read messages again: those that a count has counted."""
    row = own_destination(caller, destination)
    return _shape(deliveries.ask_replay(caller.actor, row, own_task(caller, destination, body.task)))


@endpoint("POST", "destinations/<int:destination>/replays/<int:replay>/cancel", Role.EDITOR)
def cancel_replay(caller: Caller, destination: int, replay: int) -> Cancelled:
    """Read no further. What was read stays delivered."""
    row = own_destination(caller, destination)
    found = caller.own(ReplayRow.objects.filter(destination_id=row.id), replay, "replay")
    return Cancelled(deliveries.cancel_replay(caller.actor, row, found))


def _shape(row: ReplayRow) -> Replay:
    return Replay(
        row.id,
        replaying.state_of(row),
        row.source_id,
        row.after,
        row.upto,
        row.position,
        row.messages,
        row.done,
        row.asked_at,
        row.ended_at,
    )
