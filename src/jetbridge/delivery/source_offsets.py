"""Which sources a destination reads, and which records of each are the destination's.

A change of the sources is written together with the end of the log at that moment. What is acknowledged after the change
was confirmed follows it, and what was acknowledged before does not, however far behind the destination's consumer is.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from django.db import connection, transaction

from jetbridge.control.models import Destination, Source
from jetbridge.delivery import ledger
from jetbridge.delivery.models import SourceOffset
from jetbridge.eventlog.base import EventLog, Record


def connect(source: Source, destination: Destination, event_log: EventLog) -> bool:
    """From now on the destination gets its messages; False if it does already."""
    with transaction.atomic():
        if destination.sources.filter(id=source.id).exists():
            return False
        destination.sources.add(source)
        ledger.begin_source(destination.id, source.id, event_log.counts())
        return True


def disconnect(source: Source, destination: Destination, event_log: EventLog) -> bool:
    """From now on no more; False if it got none. What the source has sent before is still delivered."""
    with transaction.atomic():
        if not destination.sources.filter(id=source.id).exists():
            return False
        destination.sources.remove(source)
        ledger.end_source(destination.id, source.id, event_log.counts())
        return True


def begin_missing(destination: int, event_log: EventLog) -> None:
    """Begin connections that were made without `connect`, as earlier versions did it: silence would be a loss."""
    with transaction.atomic():
        begun = SourceOffset.objects.filter(destination_id=destination, ended_total=None)
        rows = Source.objects.filter(destinations=destination).exclude(id__in=begun.values("source_id"))
        for source in rows.values_list("id", flat=True):
            ledger.begin_source(destination, source, event_log.counts())


#: As text: two of them are only compared.
VERSION = "SELECT source_id, ranges FROM delivery_sourceoffset WHERE destination_id = %s ORDER BY source_id"


def version(destination: int) -> object:
    """Differs once a source was connected or disconnected, even if all is as before again."""
    with connection.cursor() as cursor:
        cursor.execute(VERSION, [destination])
        return cursor.fetchall()


def unread_sources(positions: Mapping[int, int]) -> dict[int, set[int]]:
    """By destination, the sources of which there may be messages that it has not read; `positions` says where each stands."""
    found: defaultdict[int, set[int]] = defaultdict(set)
    for row in SourceOffset.objects.filter(destination_id__in=positions):
        if any(upto is None or upto > positions[row.destination_id] for _, upto in row.ranges):
            found[row.destination_id].add(row.source_id)
    return found


class Ranges:
    """The records that are one destination's, as its sources stood when this was made."""

    def __init__(self, destination: int) -> None:
        rows = list(SourceOffset.objects.filter(destination_id=destination))
        #: Every source that it reads or has read, by id.
        self.kinds = {row.source_id: row.kind for row in rows}
        self._ranges = {row.source_id: _bounds(row.ranges) for row in rows}
        #: From the record after this position on, connected sources are read whole, and no others.
        self._settled_at = max(
            (at for row in rows for bounds in row.ranges for at in bounds if at), default=0
        )
        self._connected = {row.source_id for row in rows if row.ended_total is None}

    def of(self, records: Sequence[Record]) -> Sequence[Record]:
        """Those of the records that are the destination's."""
        if records and records[0].position > self._settled_at:
            return [record for record in records if record.source in self._connected]
        return [record for record in records if self.contains(record)]

    def contains(self, record: Record) -> bool:
        bounds = self._ranges.get(record.source, ())
        return any(
            after < record.position and (upto is None or record.position <= upto) for after, upto in bounds
        )


def _bounds(ranges: Iterable[Sequence[int | None]]) -> tuple[tuple[int, int | None], ...]:
    return tuple((after or 0, upto) for after, upto in ranges)
