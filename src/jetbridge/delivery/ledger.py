"""The account of every message at every destination, and which messages of which sources are a destination's.

For each destination, always: received = delivered + filtered + failed + pending. `received` comes from the log's totals and the
replays, the next three are counted here, `pending` is what was not read yet, plus what is in flight at the destination, plus what
is to be tried again; `report.py` puts them together and `jetbridge doctor` compares the two sides.

A change of the sources is written together with the end of the log at that moment. What is acknowledged after the change was
confirmed follows it, and what was acknowledged before does not, however far behind the destination's consumer is.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from django.db import connection, transaction

from jetbridge.control.models import Destination, Source
from jetbridge.delivery.base import DELIVERED, FAILED, FILTERED, IN_FLIGHT, RECEIVED, DeliveryCounts
from jetbridge.delivery.models import (
    ConsumerOffset,
    DeliveryRecordRow,
    Outcome,
    Replay,
    SourceOffset,
    destination_consumer,
    source_consumer,
)
from jetbridge.eventlog.base import EMAIL_EVENT, INVALID, Counts, EventLog, Place, Record

#: Earlier connections of a source that are remembered for traces, beside those of which something is unread.
READ_RANGES_KEPT = 100
#: Delivery records kept per destination, outcome and reason. Counters are exact; the list is bounded.
DELIVERY_RECORDS_KEPT = 10_000
#: What is at a position is not known.
NOWHERE = Place()

MOVE = "UPDATE delivery_consumeroffset SET position = %s, log = %s, mark = %s WHERE consumer = %s"

COUNT_EVENTS = """
UPDATE delivery_consumeroffset
SET repeated = repeated + %s, failed = failed + %s, retried = retried + %s, made_upto = %s WHERE consumer = %s
"""

CONSUME = """
UPDATE delivery_sourceoffset SET consumed = consumed + %s
WHERE destination_id = %s AND source_id = %s
"""

ADD_OUTCOME = """
INSERT INTO delivery_outcome (destination_id, outcome, reason, total) VALUES (%s, %s, %s, %s)
ON CONFLICT (destination_id, outcome, reason) DO UPDATE SET total = delivery_outcome.total + excluded.total
"""

ADD_METRIC = """
INSERT INTO delivery_metricbucket (destination_id, minute, outcome, reason, total) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (destination_id, minute, outcome, reason)
DO UPDATE SET total = delivery_metricbucket.total + excluded.total
"""

ADD_LATENCY = """
INSERT INTO delivery_latencybucket (destination_id, minute, bucket, total) VALUES (%s, %s, %s, %s)
ON CONFLICT (destination_id, minute, bucket) DO UPDATE SET total = delivery_latencybucket.total + excluded.total
"""

#: As text: two of them are only compared.
VERSION = "SELECT source_id, ranges FROM delivery_sourceoffset WHERE destination_id = %s ORDER BY source_id"


def accepted_messages(counts: Counts, source: int) -> int:
    """Messages of a source that the log ever took; records that are no messages do not count."""
    return sum(
        total
        for (of, kind), total in counts.by_source_and_type.items()
        if of == source and kind not in {INVALID, EMAIL_EVENT}
    )


def received_messages(row: SourceOffset, counts: Counts) -> int:
    """Messages that its source sent to its destination while the two were connected."""
    ever = accepted_messages(counts, row.source_id) if row.ended_total is None else row.ended_total
    return ever - row.baseline


def begin(consumer: str, counts: Counts) -> None:
    """Let a new consumer start at the end of the log. Does nothing for one that has begun."""
    place = counts.place._asdict()
    start = {"position": counts.end, "made_upto": counts.end, **place}
    ConsumerOffset.objects.get_or_create(consumer=consumer, defaults=start)


def begin_destination(destination: int, sources: Iterable[int], counts: Counts) -> None:
    """Let a new destination start at the end of the log, for these sources."""
    with transaction.atomic():
        begin(destination_consumer(destination), counts)
        for source in sources:
            begin_source(destination, source, counts)


def begin_source(destination: int, source: int, counts: Counts) -> None:
    """What the source sends from now on is the destination's. Does nothing if it is already."""
    row = SourceOffset.objects.filter(destination_id=destination, source_id=source).first()
    total = accepted_messages(counts, source)
    if row is None:
        row = SourceOffset(destination_id=destination, source_id=source, baseline=total)
        row.kind = Source.objects.filter(id=source).values_list("kind", flat=True).first() or ""
    elif row.ended_total is not None:
        row.baseline += total - row.ended_total
        row.ended_total = None
        at = position(destination_consumer(destination))
        read = [bounds for bounds in row.ranges if bounds[1] <= at]
        row.ranges = [*read[-READ_RANGES_KEPT:], *row.ranges[len(read) :]]
    else:
        return
    row.ranges.append([counts.end, None])
    row.save()


def end_source(destination: int, source: int, counts: Counts) -> None:
    """What the source sends from now on is no longer the destination's. What it has sent before still is."""
    row = SourceOffset.objects.filter(destination_id=destination, source_id=source, ended_total=None).first()
    if row:
        row.ranges[-1][1] = counts.end
        row.ended_total = accepted_messages(counts, source)
        row.save()


def connect(source: Source, destination: Destination, event_log: EventLog) -> bool:
    """From now on the destination gets its messages; False if it does already."""
    with transaction.atomic():
        if destination.sources.filter(id=source.id).exists():
            return False
        destination.sources.add(source)
        begin_source(destination.id, source.id, event_log.counts())
        return True


def disconnect(source: Source, destination: Destination, event_log: EventLog) -> bool:
    """From now on no more; False if it got none. What the source has sent before is still delivered."""
    with transaction.atomic():
        if not destination.sources.filter(id=source.id).exists():
            return False
        destination.sources.remove(source)
        end_source(destination.id, source.id, event_log.counts())
        return True


def begin_missing(destination: int, event_log: EventLog) -> None:
    """Begin connections that were made without `connect`, as earlier versions did it: silence would be a loss."""
    with transaction.atomic():
        begun = SourceOffset.objects.filter(destination_id=destination, ended_total=None)
        rows = Source.objects.filter(destinations=destination).exclude(id__in=begun.values("source_id"))
        for source in rows.values_list("id", flat=True):
            begin_source(destination, source, event_log.counts())


def sources_version(destination: int) -> object:
    """Differs once a source was connected or disconnected, even if all is as before again."""
    with connection.cursor() as cursor:
        cursor.execute(VERSION, [destination])
        return cursor.fetchall()


def unread_sources(positions: Mapping[int, int]) -> dict[int, set[int]]:
    """By destination, the sources of which there may be messages that it has not read; `positions` says where each stands."""
    unread: defaultdict[int, set[int]] = defaultdict(set)
    for row in SourceOffset.objects.filter(destination_id__in=positions):
        if any(upto is None or upto > positions[row.destination_id] for _, upto in row.ranges):
            unread[row.destination_id].add(row.source_id)
    return unread


def position(consumer: str) -> int:
    return ConsumerOffset.objects.values_list("position", flat=True).get(consumer=consumer)


def offset(consumer: str) -> ConsumerOffset:
    """How far it has come, and what pauses it."""
    return ConsumerOffset.objects.get(consumer=consumer)


def positions() -> dict[str, int]:
    return dict(ConsumerOffset.objects.values_list("consumer", "position"))


def move(consumer: str, to: int, place: Place = NOWHERE) -> None:
    """`place` is what is at `to`; `log_reader` finds it out where it is not said."""
    with connection.cursor() as cursor:
        cursor.execute(MOVE, [to, *place, consumer])


def count_events(consumer: str, *, repeated: int, failed: int, retried: int, made_upto: int) -> None:
    """Of a source, with `move` in one transaction: see `Reading`."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT_EVENTS, [repeated, failed, retried, made_upto, consumer])


def repeated_events(source: int) -> int:
    """Email events of a source that became no call, because Mailjet had sent them before."""
    rows = ConsumerOffset.objects.filter(consumer=source_consumer(source))
    return rows.values_list("repeated", flat=True).first() or 0


@contextmanager
def commit(
    destination: int, to: int, consumed: Mapping[int, int], counts: DeliveryCounts, place: Place = NOWHERE
) -> Iterator[DeliveryCounts]:
    """One transaction for a batch: the block's own writes, the counts, the messages read and the position."""
    with transaction.atomic():
        yield counts
        add(destination, counts)
        with connection.cursor() as cursor:
            cursor.executemany(CONSUME, [(total, destination, source) for source, total in consumed.items()])
        move(destination_consumer(destination), to, place)


def add(destination: int, counts: DeliveryCounts) -> None:
    """Add counts to the account. Inside the caller's transaction."""
    rows = [(FILTERED, *pair) for pair in counts.filtered.items()]
    rows += [(FAILED, *pair) for pair in counts.failed.items()]
    rows += [(DELIVERED, "", counts.delivered), (IN_FLIGHT, "", counts.in_flight)]
    with connection.cursor() as cursor:
        cursor.executemany(ADD_OUTCOME, [(destination, *row) for row in rows if row[2]])
    add_metrics(destination, counts)
    if counts.delivery_records:
        now = datetime.now(UTC)
        DeliveryRecordRow.objects.bulk_create(
            [
                DeliveryRecordRow(destination_id=destination, at=now, **row._asdict())
                for row in counts.delivery_records
            ],
            batch_size=500,
        )


def add_metrics(destination: int, counts: DeliveryCounts) -> None:
    """Inside the caller's transaction. A retry reverts a failure in the account, not in its minute."""
    minute = int(time.time() // 60)
    ended = ((DELIVERED, {"": counts.delivered}), (FILTERED, counts.filtered), (FAILED, counts.failed))
    rows = [
        (destination, minute, outcome, reason, total)
        for outcome, totals in ended
        for reason, total in totals.items()
        if total > 0
    ]
    rows += [(destination, at, RECEIVED, "", total) for at, total in counts.received.items() if total]
    with connection.cursor() as cursor:
        if rows:
            cursor.executemany(ADD_METRIC, rows)
        if counts.latencies:
            cursor.executemany(
                ADD_LATENCY,
                [(destination, minute, bucket, total) for bucket, total in counts.latencies.items()],
            )


def revert_failure(destination: int, reason: str, position: int, total: int) -> bool:
    """So many messages have not failed after all: they are in flight at the destination again. Inside the caller's
    transaction. False if their failure is not there any more: somebody tries it again already.
    """
    # By place alone, which is one index; any other condition leads SQLite through all failures of the reason.
    rows = DeliveryRecordRow.objects.filter(destination_id=destination, position=position)
    failures = [row for row in rows if (row.outcome, row.reason, row.total) == (FAILED, reason, total)]
    if not failures:
        return False
    failures[-1].delete()
    add(destination, DeliveryCounts(in_flight=total, failed=Counter({reason: -total})))
    return True


def trim_delivery_records() -> None:
    """Drop the oldest delivery records beyond DELIVERY_RECORDS_KEPT of each kind."""
    for destination, outcome, reason in Outcome.objects.values_list("destination_id", "outcome", "reason"):
        rows = DeliveryRecordRow.objects.filter(destination_id=destination, outcome=outcome, reason=reason)
        oldest_kept = rows.order_by("-id").values_list("id", flat=True)[
            DELIVERY_RECORDS_KEPT - 1 : DELIVERY_RECORDS_KEPT
        ]
        if newest_gone := list(oldest_kept):
            rows.filter(id__lt=newest_gone[0]).delete()


def in_flight(destination: int) -> int:
    """Messages that the destination has taken and not settled yet."""
    rows = Outcome.objects.filter(destination_id=destination, outcome=IN_FLIGHT)
    return sum(rows.values_list("total", flat=True))


class SourceRanges:
    """The records that are one destination's, as its sources stood when this was made."""

    def __init__(self, destination: int) -> None:
        rows = list(SourceOffset.objects.filter(destination_id=destination))
        #: Every source that it reads or has read, by id.
        self.kinds = {row.source_id: row.kind for row in rows}
        self._ranges = {
            row.source_id: tuple((after or 0, upto) for after, upto in row.ranges) for row in rows
        }
        #: From the record after this position on, connected sources are read whole, and no others.
        self._last_change = max(
            (at for row in rows for bounds in row.ranges for at in bounds if at), default=0
        )
        self._connected = {row.source_id for row in rows if row.ended_total is None}

    def of(self, records: Sequence[Record]) -> Sequence[Record]:
        """Those of the records that are the destination's."""
        if records and records[0].position > self._last_change:
            return [record for record in records if record.source in self._connected]
        return [record for record in records if self.contains(record)]

    def contains(self, record: Record) -> bool:
        bounds = self._ranges.get(record.source, ())
        return any(
            after < record.position and (upto is None or record.position <= upto) for after, upto in bounds
        )


class ReadCounter:
    """How often a destination has read a message, as far as it has read: not before it began, once when it was new, again by replays."""

    def __init__(self, destination: int) -> None:
        self._ranges = SourceRanges(destination)
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
