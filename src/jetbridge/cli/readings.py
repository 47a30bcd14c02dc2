"""How often a destination has read a message of the log, which nobody stores per message."""

from collections import Counter

from jetbridge.delivery import ledger, span
from jetbridge.delivery.batch import takes
from jetbridge.delivery.models import ReadingSource, Replay
from jetbridge.delivery.span import Span
from jetbridge.eventlog.base import EventLog, Record
from jetbridge.routing.route import Route


class Readings:
    """For the messages of a destination after a position, asked in their order and up to where it has read."""

    def __init__(self, destination: int, route: Route, event_log: EventLog, after: int) -> None:
        self._before = _before_baseline(destination, route, event_log, after)
        self._replays = list(Replay.objects.filter(destination_id=destination))

    def of(self, record: Record) -> int:
        """Once when it was new, if the destination had begun; and once per replay that came past it."""
        times = sum(
            row.after < record.position <= row.position and row.source_id in {None, record.source}
            for row in self._replays
        )
        if self._before[record.source] > 0:
            self._before[record.source] -= 1
            return times
        return times + 1


def _before_baseline(destination: int, route: Route, event_log: EventLog, after: int) -> Counter[int]:
    """Per source, how many messages in the log after a position came before the destination began.

    Reads the log to its end, unless the destination began with its sources.
    """
    rows = ReadingSource.objects.filter(destination_id=destination).exclude(baseline=0)
    baselines = dict(rows.values_list("source_id", "baseline"))
    if not baselines:
        return Counter()
    counts = event_log.counts()
    retained = Counter(
        record.source
        for records in span.read(event_log, Span(after, counts.end))
        for record in records
        if takes(record, route)
    )
    return Counter(
        {
            source: baseline - (ledger.accepted_messages(counts, source) - retained[source])
            for source, baseline in baselines.items()
        }
    )
