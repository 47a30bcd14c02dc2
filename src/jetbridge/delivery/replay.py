"""Replay: a range of the log that one destination reads once more, routed as if it were new.

What it reads counts as received again when it is read (`Replay.done`), in the same transaction as its outcomes. It cannot
overwrite newer values: destinations that keep state merge by message time.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from jetbridge.delivery.batch import RoutedBatch, is_received
from jetbridge.delivery.log_reader import position_before, read_range
from jetbridge.delivery.models import ConsumerOffset, Replay, destination_consumer
from jetbridge.errors import ConfigurationError
from jetbridge.eventlog.base import EventLog, PositionRange
from jetbridge.routing.route import Route


@dataclass
class ReplayCount:
    """Messages of a range by call type, and how many of them routing would let through."""

    by_type: Counter[str] = field(default_factory=Counter)
    let_through: int = 0

    @property
    def messages(self) -> int:
        return self.by_type.total()


def replayable(
    event_log: EventLog,
    destination: int,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    after: int = 0,
    upto: int | None = None,
) -> PositionRange:
    """The positions that fit all that is given, as far as the destination has read: what follows comes anyway.

    Raises ConfigurationError for a destination that has not begun.
    """
    offset = ConsumerOffset.objects.filter(consumer=destination_consumer(destination)).first()
    if offset is None:
        raise ConfigurationError(f"Destination {destination} has not begun: there is nothing to replay.")
    end = offset.position
    if since:
        after = max(after, position_before(event_log, int(since.timestamp() * 1000)))
    if until:
        end = min(end, position_before(event_log, int(until.timestamp() * 1000)))
    return PositionRange(after, end if upto is None else min(end, upto))


def request(destination: int, positions: PositionRange, source: int | None, messages: int) -> Replay:
    """Let the consumer read a range of `messages` messages again; only those of `source`, if it is given."""
    return Replay.objects.create(
        destination_id=destination,
        source_id=source,
        after=positions.after,
        position=positions.after,
        upto=positions.upto,
        messages=messages,
    )


def cancel(replay: int) -> bool:
    """Read no further; False if it had ended. A batch that is under way is still accounted for."""
    return bool(Replay.objects.filter(id=replay, ended_at__isnull=True).update(ended_at=datetime.now(UTC)))


def count(
    event_log: EventLog, positions: PositionRange, route: Route, on_records: Callable[[int], object] = int
) -> ReplayCount:
    """Reads the whole range; `on_records` is told how many records of each batch were looked at."""
    replay_count = ReplayCount()
    for records in read_range(event_log, positions):
        replay_count.by_type.update(record.type for record in records if is_received(record, route))
        replay_count.let_through += len(RoutedBatch(records, route).items)
        on_records(len(records))
    return replay_count
