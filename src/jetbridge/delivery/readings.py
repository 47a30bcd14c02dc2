"""How often a destination has read a message: not before it began, once when it was new, again by replays."""

from jetbridge.delivery.models import ReadingSource, Replay
from jetbridge.eventlog.base import Record


class Readings:
    """For the messages of one destination, up to where it has read."""

    def __init__(self, destination: int) -> None:
        rows = ReadingSource.objects.filter(destination_id=destination)
        self._since = dict(rows.values_list("source_id", "since"))
        self._replays = list(Replay.objects.filter(destination_id=destination))

    def of(self, record: Record) -> int:
        """Once when it was new, if the destination had begun; and once per replay that came past it."""
        replayed = sum(
            row.after < record.position <= row.position and row.source_id in {None, record.source}
            for row in self._replays
        )
        return replayed + (record.position > self._since.get(record.source, 0))
