"""When sources were last heard of, said only when it is certain: silence must not be an alarm of our own lag."""

from collections.abc import Collection

from jetbridge.delivery.models import Reading
from jetbridge.eventlog.base import EventLog
from jetbridge.schema import volumes
from jetbridge.schema.reader import READER


class Hearing:
    """Called now and then: it knows when all has been read that was in the log at the call before."""

    def __init__(self, event_log: EventLog) -> None:
        self._event_log = event_log
        self._end_before: int | None = None

    def __call__(self, sources: Collection[int]) -> dict[int, int] | None:
        """Source id -> time (ms), without those never heard of; None if it is not known."""
        end_before, self._end_before = self._end_before, self._event_log.counts().end
        position = Reading.objects.filter(reader=READER).values_list("position", flat=True).first()
        if end_before is None or position is None or position < end_before:
            return None
        return volumes.last_received(sources)
