"""What is under way at a destination: its tasks and replays, and the pauses it has had."""

from dataclasses import dataclass
from typing import Any

from jetbridge.delivery import ledger, metrics
from jetbridge.delivery.models import PauseRow, Replay
from jetbridge.jobs import tasks
from jetbridge.jobs.models import Task
from jetbridge.services.replays import state_of

#: Pauses and replays that are shown.
SHOWN = 20
#: Minutes that the pace is taken from.
PACE_MINUTES = 10


@dataclass(frozen=True)
class Asked:
    """The last task of a kind. `result` None: it has not ended well, or not yet."""

    task: Task
    result: dict[str, Any] | None

    @property
    def is_open(self) -> bool:
        return self.task.ended_at is None

    @property
    def share(self) -> int | None:
        """How much is done, in percent; None if that is not known."""
        return percent(self.task.done, self.task.expected)


@dataclass(frozen=True)
class ReplayLine:
    """`state` is open, ended or cancelled."""

    row: Replay
    state: str
    share: int | None
    source: str


def last_tasks(destination: int) -> dict[str, Asked]:
    """By kind. One query; tasks are kept for a month, and are few."""
    found: dict[str, Asked] = {}
    for row in Task.objects.filter(destination_id=destination).order_by("id"):
        found[row.kind] = Asked(row, tasks.result_of(row))
    return found


def replays(destination: int, sources: dict[int, str]) -> list[ReplayLine]:
    """Newest first."""
    return [
        ReplayLine(row, state_of(row), percent(row.done, row.messages), _source(row, sources))
        for row in Replay.objects.filter(destination_id=destination).order_by("-id")[:SHOWN]
    ]


def pauses(destination: int) -> list[PauseRow]:
    """Newest first."""
    rows = PauseRow.objects.filter(consumer=ledger.destination_consumer(destination))
    return list(rows.order_by("-id")[:SHOWN])


def pace(destination: int) -> int:
    """Messages that were delivered in the last PACE_MINUTES."""
    points = metrics.course(destination, metrics.now() - PACE_MINUTES + 1, 1)
    return sum(point.outcomes[ledger.DELIVERED] for point in points)


def percent(done: int, of: int | None) -> int | None:
    return min(100, 100 * done // of) if of else None


def _source(row: Replay, sources: dict[int, str]) -> str:
    return "all" if row.source_id is None else sources.get(row.source_id, str(row.source_id))
