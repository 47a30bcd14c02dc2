"""The schema in a log that took the place of the one it was counted from: nothing is counted twice."""

from django.db import connection
from django.db.models import Max

from jetbridge.delivery import log_reader
from jetbridge.delivery.models import ConsumerOffset
from jetbridge.eventlog.base import EventLog
from jetbridge.source_schema.models import MetricBucket

#: Where records of the earlier log were, there are others now. The counts stay, at the place where the two logs part.
LEAVE_POSITIONS = """
UPDATE source_schema_minute SET first = CASE WHEN first > %s THEN %s ELSE first END, last = %s WHERE last > %s
"""


def begin(event_log: EventLog, reading: ConsumerOffset, start: int) -> int:
    """Where the schema goes on, at `start` at the earliest. In the transaction that moves its position.

    An older copy of the same log begins with what was counted: all that was received up to the last record that was. What
    came after that to the copy, and all of another log, is new.
    """
    counted = 0
    until = MetricBucket.objects.aggregate(at=Max("last_at"))["at"]
    if until is not None and reading.log == event_log.identity:
        counted = min(reading.position, log_reader.position_before(event_log, until + 1))
    with connection.cursor() as cursor:
        cursor.execute(LEAVE_POSITIONS, [counted] * 4)
    return max(start, counted)
