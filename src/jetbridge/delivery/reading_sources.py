"""Which sources a destination reads, kept in line with its configuration without losing count.

Done by the consumer itself when it starts (it is started anew when its sources change), because only its own
thread moves its position: between a position and a count nothing may be read.
"""

from collections import Counter
from collections.abc import Collection

from django.db import transaction

from jetbridge.delivery import ledger, span
from jetbridge.delivery.models import ReadingSource
from jetbridge.delivery.span import Span
from jetbridge.eventlog.base import EMAIL_EVENT, INVALID, Counts, EventLog


def keep(destination: int, sources: Collection[int], event_log: EventLog) -> None:
    """Begin sources that are new to the destination at its position; close those it was taken from.

    One query if nothing changed. Else the unread part of the log is counted.
    """
    rows = {row.source_id: row for row in ReadingSource.objects.filter(destination_id=destination)}
    opened = [source for source in sources if source not in rows or rows[source].closed]
    closed = [row for row in rows.values() if row.source_id not in sources and not row.closed]
    with transaction.atomic():
        for row in closed:
            row.closed = True
            row.save(update_fields=["closed"])
        if opened:
            _open(destination, opened, rows, event_log)


def _open(destination: int, sources: list[int], rows: dict[int, ReadingSource], event_log: EventLog) -> None:
    position = ledger.position(ledger.destination_reader(destination))
    counts = event_log.counts()
    unread = _unread(event_log, position, counts)
    for source in sources:
        row = rows.get(source) or ReadingSource(destination_id=destination, source_id=source)
        row.baseline = ledger.accepted_messages(counts, source) - unread[source] - row.consumed
        row.since, row.closed = position, False
        row.save()


def _unread(event_log: EventLog, position: int, counts: Counts) -> Counter[int]:
    """Messages after a position, by source."""
    return Counter(
        record.source
        for records in span.read(event_log, Span(position, counts.end))
        for record in records
        if record.type not in {INVALID, EMAIL_EVENT}
    )
