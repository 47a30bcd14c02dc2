"""The syncs of destinations that have a schedule, for pages, the API, commands and health."""

from collections.abc import Collection
from datetime import UTC, datetime

from jetbridge.control import directory
from jetbridge.control.models import Destination
from jetbridge.delivery import syncs
from jetbridge.delivery.syncs import Schedule, SyncState
from jetbridge.errors import ConflictError
from jetbridge.integrations import registry
from jetbridge.text import duration


def of_all(kinds: Collection[str], now: datetime) -> dict[int, SyncState]:
    """By id, of those of these kinds that are enabled and have a schedule. Costs nothing where no kind can have one."""
    known = registry.destinations()
    kinds = {kind for kind in kinds if kind in known and known[kind].can_be_scheduled}
    if not kinds:
        return {}
    schedules = {
        ref.id: registry.destination(ref.kind).schedule(ref) for ref in directory.load_destinations(kinds)
    }
    return syncs.states({id_: schedule for id_, schedule in schedules.items() if schedule}, now)


def schedule_of(destination: int) -> Schedule | None:
    """None if it delivers continuously."""
    ref = directory.destination(destination)
    known = registry.destinations().get(ref.kind) if ref else None
    return known.schedule(ref) if ref and known else None


def state_of(destination: int) -> SyncState | None:
    """None if it delivers continuously."""
    schedule = schedule_of(destination)
    return syncs.states({destination: schedule}, datetime.now(UTC))[destination] if schedule else None


def request(row: Destination) -> None:
    """Have a sync begin at once, or when the one under way has ended. Raises ConflictError."""
    if schedule_of(row.id) is None:
        raise ConflictError(
            f"{row} delivers continuously: nothing waits for a sync. A schedule is in its settings."
        )
    syncs.request(row.id)


def in_words(sync: SyncState, now: datetime) -> str:
    """Such as "Next sync in 12 min (14:00)", on the clock of the workspace."""
    if sync.is_running:
        share = f", {sync.share} % read" if sync.share is not None else ""
        after = "; another one follows" if sync.is_requested or sync.next_at <= now else ""
        return f"Syncing since {_clock(sync, sync.began_at or now)}{share}{after}"
    if sync.is_requested or sync.next_at <= now:
        return "Next sync now"
    return f"Next sync in {duration((sync.next_at - now).total_seconds())} ({_clock(sync, sync.next_at)})"


def _clock(sync: SyncState, moment: datetime) -> str:
    return f"{sync.schedule.local(moment):%H:%M}"
