"""When a source last sent something, known only when it is certain: our own lag must not raise an alert of silence."""

from collections.abc import Collection

from jetbridge.delivery.models import ConsumerOffset
from jetbridge.eventlog.base import EventLog
from jetbridge.source_schema import volumes
from jetbridge.source_schema.reader import READER


class LastSeen:
    """Called now and then: it knows when all has been read that was in the log at the call before."""

    def __init__(self, event_log: EventLog) -> None:
        self._event_log = event_log
        self._end_before: int | None = None

    def __call__(self, sources: Collection[int]) -> dict[int, int] | None:
        """Source id -> time (ms), without sources that never sent anything; None if it is not known."""
        end_before, self._end_before = self._end_before, self._event_log.counts().end
        position = ConsumerOffset.objects.filter(consumer=READER).values_list("position", flat=True).first()
        if end_before is None or position is None or position < end_before:
            return None
        return volumes.last_received(sources)
