"""The account of every message at every destination. The only writer of its tables, but for `retry_queue.py` and
`replay.py`, which keep a table each.

For each destination, always: received = delivered + filtered + failed + pending. `received` comes from the
log's totals and the replays, the next three are counted here, `pending` is what was not read yet, plus what
is in flight at the destination, plus what is to be tried again; `report.py` puts them together and `jetbridge doctor`
compares the two sides.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from django.db import connection, transaction

from jetbridge.control.models import Source
from jetbridge.delivery import metrics
from jetbridge.delivery.delivery_counts import DeliveryCounts, DeliveryRecord
from jetbridge.delivery.models import ConsumerOffset, DeliveryRecordRow, Outcome, PauseRow, SourceOffset
from jetbridge.eventlog.base import EMAIL_EVENT, INVALID, Counts, Place

DELIVERED, FILTERED, FAILED = "delivered", "filtered", "failed"
#: Messages that a destination has taken and not settled yet. Not an outcome: with the unread ones, pending.
IN_FLIGHT = "in_flight"

#: Earlier connections of a source that are remembered for traces, beside those of which something is unread.
READ_RANGES_KEPT = 100
#: Delivery records kept per destination, outcome and reason. Counters are exact; the list is bounded.
DELIVERY_RECORDS_KEPT = 10_000
#: How long a pause that has ended is remembered.
PAUSES_KEPT = timedelta(days=90)

#: The code of a pause because nearly everything is refused. Whoever resumes it accepts that messages fail.
CIRCUIT_OPEN = "CIRCUIT_OPEN"

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

ADD = """
INSERT INTO delivery_outcome (destination_id, outcome, reason, total) VALUES (%s, %s, %s, %s)
ON CONFLICT (destination_id, outcome, reason) DO UPDATE SET total = delivery_outcome.total + excluded.total
"""


def destination_consumer(destination: int) -> str:
    return f"destination:{destination}"


def source_consumer(source: int) -> str:
    return f"source:{source}"


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
    """Let a new reader start at the end of the log. Does nothing for one that has begun."""
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


def position(consumer: str) -> int:
    return ConsumerOffset.objects.values_list("position", flat=True).get(consumer=consumer)


def reading(consumer: str) -> ConsumerOffset:
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
        cursor.executemany(ADD, [(destination, *row) for row in rows if row[2]])
    metrics.add(destination, counts)
    if counts.delivery_records:
        _add_delivery_records(destination, counts.delivery_records)


def _add_delivery_records(destination: int, delivery_records: list[DeliveryRecord]) -> None:
    now = datetime.now(UTC)
    DeliveryRecordRow.objects.bulk_create(
        [DeliveryRecordRow(destination_id=destination, at=now, **row._asdict()) for row in delivery_records],
        batch_size=500,
    )


def revert_failure(destination: int, reason: str, position: int, total: int) -> bool:
    """So many messages have not failed after all: they are in flight at the destination again. Inside the caller's
    transaction. False if their failure is not there any more: somebody tries it again already.
    """
    # By place alone, which is one index; any other condition leads SQLite through all failures of the reason.
    rows = DeliveryRecordRow.objects.filter(destination_id=destination, position=position)
    found = [row for row in rows if (row.outcome, row.reason, row.total) == (FAILED, reason, total)]
    if not found:
        return False
    found[-1].delete()
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


def pause(consumer: str, code: str, reason: str, at: datetime | None = None) -> None:
    """Say why a reader stands still, since `at` (now). A pause with the same code keeps its first time."""
    row, now = ConsumerOffset.objects.filter(consumer=consumer), at or datetime.now(UTC)
    with transaction.atomic():
        if row.exclude(pause_code=code).update(pause_code=code, paused_at=now, resumed_at=None):
            _end_pauses(consumer)
            PauseRow.objects.create(consumer=consumer, code=code, reason=reason, began_at=now)
        if row.exclude(pause_reason=reason).update(pause_reason=reason):
            PauseRow.objects.filter(consumer=consumer, ended_at=None).update(reason=reason)


def resume(consumer: str) -> None:
    """The cause of a pause is gone."""
    paused_rows = ConsumerOffset.objects.filter(consumer=consumer).exclude(pause_code="")
    with transaction.atomic():
        if paused_rows.update(pause_code="", pause_reason="", paused_at=None):
            _end_pauses(consumer)


def resume_by_hand(consumer: str) -> bool:
    """A person wants it to go on. False if it was not paused. That of a CIRCUIT_OPEN stands until `forget_resume`
    or the next pause.
    """
    paused_rows = ConsumerOffset.objects.filter(consumer=consumer).exclude(pause_code="")
    with transaction.atomic():
        paused_rows.filter(pause_code=CIRCUIT_OPEN).update(resumed_at=datetime.now(UTC))
        resumed = paused_rows.update(pause_code="", pause_reason="", paused_at=None)
        if resumed:
            _end_pauses(consumer, by_hand=True)
    return bool(resumed)


def _end_pauses(consumer: str, *, by_hand: bool = False) -> None:
    PauseRow.objects.filter(consumer=consumer, ended_at=None).update(
        ended_at=datetime.now(UTC), by_hand=by_hand
    )


def trim_pauses() -> None:
    PauseRow.objects.filter(ended_at__lt=datetime.now(UTC) - PAUSES_KEPT).delete()


def record_error(consumers: Collection[str], detail: str, at: datetime | None = None) -> None:
    """Say why readers wait and try again, since `at` (now). Keeps the first time."""
    rows = ConsumerOffset.objects.filter(consumer__in=consumers)
    with transaction.atomic():
        rows.filter(last_error="").update(retrying_since=at or datetime.now(UTC))
        rows.exclude(last_error=detail).update(last_error=detail)


def clear_error(consumers: Collection[str]) -> None:
    ConsumerOffset.objects.filter(consumer__in=consumers).exclude(last_error="").update(
        last_error="", retrying_since=None
    )


def forget_resume(consumers: Collection[str]) -> None:
    """What a person resumed has succeeded since."""
    ConsumerOffset.objects.filter(consumer__in=consumers).exclude(resumed_at=None).update(resumed_at=None)


def are_resumed(consumers: Collection[str]) -> bool:
    """Whether a person has resumed one of them, and nothing has succeeded since."""
    return ConsumerOffset.objects.filter(consumer__in=consumers).exclude(resumed_at=None).exists()


def paused_consumers(consumers: Collection[str]) -> set[str]:
    """Those of them that are paused."""
    rows = ConsumerOffset.objects.filter(consumer__in=consumers).exclude(pause_code="")
    return set(rows.values_list("consumer", flat=True))
