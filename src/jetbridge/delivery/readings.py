"""How often a destination has read a message: not before it began, once when it was new, again by replays."""

from jetbridge.delivery.models import Replay
from jetbridge.delivery.source_offsets import Ranges
from jetbridge.eventlog.base import Record


class Readings:
    """For the messages of one destination, up to where it has read."""

    def __init__(self, destination: int) -> None:
        self._ranges = Ranges(destination)
        self._replays = list(Replay.objects.filter(destination_id=destination))

    @property
    def kinds(self) -> dict[int, str]:
        """The kinds of all sources that it reads or has read, by id."""
        return self._ranges.kinds

    def of(self, record: Record) -> int:
        """Once when it was new, if its source was connected; and once per replay that came past it."""
        replayed = sum(
            row.after < record.position <= row.position and row.source_id in {None, record.source}
            for row in self._replays
        )
        return replayed + self._ranges.contains(record)
