"""The account of each destination and source, read for people: `status`, `check`, `/metrics`.

Two sides of one sum, measured apart: what came (the log's totals, and what replays read again) and what
became of it (the ledger, what is unread, what is in flight, what is to be tried again). `balanced`
compares them; nothing here makes them equal.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import Sum

from jetbridge.control.models import Destination, Source
from jetbridge.delivery import ledger
from jetbridge.delivery.models import ConsumerOffset, Outcome, Replay, RetryEntry, SourceOffset
from jetbridge.delivery.retry import RETRIES_EXHAUSTED
from jetbridge.eventlog.base import EMAIL_EVENT, INVALID, Counts

RUNNING, PAUSED, DISABLED = "running", "paused", "disabled"


@dataclass(frozen=True)
class DestinationReport:
    """`unread`, `in_flight` and `again` make up `pending`; `received` includes `replayed`.

    `reasons` is {"filtered": {reason: n}, "failed": {...}}. `last_error`: why it waits and tries again; mostly empty.
    """

    id: int
    name: str
    kind: str
    state: str
    pause_code: str
    pause_reason: str
    last_error: str
    received: int
    delivered: int
    unread: int
    in_flight: int
    awaiting_retry: int
    replayed: int
    reasons: dict[str, dict[str, int]]
    #: Since when it is paused, or tries again.
    stopped_at: datetime | None = None

    @property
    def filtered(self) -> int:
        return sum(self.reasons[ledger.FILTERED].values())

    @property
    def failed(self) -> int:
        return sum(self.reasons[ledger.FAILED].values())

    @property
    def pending(self) -> int:
        return self.unread + self.in_flight + self.awaiting_retry

    @property
    def balanced(self) -> bool:
        """Both sides are equal, and nothing is owed by a log that holds less than was read of it."""
        total = self.delivered + self.filtered + self.failed + self.pending
        return self.received == total and self.unread >= 0 and self.pending >= 0


@dataclass(frozen=True)
class SourceReport:
    """`messages` entered the log as calls, `incomplete` of them without values that could not be read; `invalid` failed on
    ingest; `email_events` are Mailjet's own, `repeated` of them became no call, because Mailjet had sent them before, and
    `failed_events` failed. Once all are read, email_events = messages + repeated + failed_events: what failed and is read again is
    the same event still.
    """

    id: int
    name: str
    kind: str
    enabled: bool
    messages: int
    invalid: int
    email_events: int
    incomplete: int = 0
    repeated: int = 0
    failed_events: int = 0
    #: Records of email events that are in the log once more, because they failed.
    retried: int = 0


def report(read_counts: Callable[[], Counts]) -> list[DestinationReport]:
    """One report per destination, enabled or not, all of one moment."""
    with _snapshot():
        destinations = list(Destination.objects.order_by("id"))
        readings = {row.consumer: row for row in ConsumerOffset.objects.all()}
        outcomes = _outcomes()
        source_offsets = list(SourceOffset.objects.all())
        awaiting_retry = _sums(RetryEntry.objects.values_list("destination_id").annotate(Sum("total")))
        replayed = _sums(Replay.objects.values_list("destination_id").annotate(Sum("done")))
    # After the snapshot: the log only grows, so what the snapshot has consumed is within these totals.
    counts = read_counts()
    logged, consumed = _logged(source_offsets, counts), _consumed(source_offsets)
    return [
        _destination(
            row,
            readings.get(ledger.destination_consumer(row.id)),
            outcomes[row.id],
            logged=logged[row.id],
            unread=logged[row.id] - consumed[row.id],
            awaiting_retry=awaiting_retry[row.id],
            replayed=replayed[row.id],
        )
        for row in destinations
    ]


def errors(destinations: Collection[int]) -> dict[int, str]:
    """Why these are paused, or wait and try again: by id, those for which there is a reason."""
    consumers = {ledger.destination_consumer(id_): id_ for id_ in destinations}
    rows = (
        ConsumerOffset.objects.filter(consumer__in=consumers).exclude(pause_reason="", last_error="")
        if consumers
        else ()
    )
    return {consumers[row.consumer]: row.pause_reason or row.last_error for row in rows}


def sources(counts: Counts) -> list[SourceReport]:
    rows = list(Source.objects.order_by("id"))
    readings = ConsumerOffset.objects.in_bulk([ledger.source_consumer(row.id) for row in rows])
    return [_source(row, counts, readings.get(ledger.source_consumer(row.id))) for row in rows]


def _source(row: Source, counts: Counts, reading: ConsumerOffset | None) -> SourceReport:
    totals = counts.by_source_and_type
    repeated, failed, retried = (reading.repeated, reading.failed, reading.retried) if reading else (0, 0, 0)
    return SourceReport(
        id=row.id,
        name=row.name,
        kind=row.kind,
        enabled=row.enabled,
        messages=ledger.accepted_messages(counts, row.id),
        invalid=totals.get((row.id, INVALID), 0),
        email_events=totals.get((row.id, EMAIL_EVENT), 0) - retried,
        incomplete=counts.incomplete.get(row.id, 0),
        repeated=repeated,
        failed_events=failed - retried,
        retried=retried,
    )


def _destination(
    row: Destination,
    reading: ConsumerOffset | None,
    outcomes: dict[str, dict[str, int]],
    *,
    logged: int,
    unread: int,
    awaiting_retry: int,
    replayed: int,
) -> DestinationReport:
    return DestinationReport(
        id=row.id,
        name=row.name,
        kind=row.kind,
        state=state_of(row, reading),
        pause_code=reading.pause_code if reading else "",
        pause_reason=reading.pause_reason if reading else "",
        last_error=reading.last_error if reading else "",
        received=logged + replayed,
        delivered=sum(outcomes[ledger.DELIVERED].values()),
        unread=unread,
        in_flight=sum(outcomes[ledger.IN_FLIGHT].values()),
        awaiting_retry=awaiting_retry,
        replayed=replayed,
        reasons={of: outcomes[of] for of in (ledger.FILTERED, ledger.FAILED)},
        stopped_at=_stopped_at(reading) if reading else None,
    )


def _stopped_at(reading: ConsumerOffset) -> datetime | None:
    """Since when nothing gets through: what is paused after hours of tries has not moved for all of them."""
    if reading.pause_code == RETRIES_EXHAUSTED and reading.retrying_since:
        return reading.retrying_since
    return reading.paused_at or reading.retrying_since


def state_of(row: Destination, reading: ConsumerOffset | None) -> str:
    if not row.enabled:
        return DISABLED
    return PAUSED if reading and reading.pause_code else RUNNING


def _outcomes() -> dict[int, dict[str, dict[str, int]]]:
    outcomes: dict[int, dict[str, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
    for row in Outcome.objects.exclude(total=0).order_by("outcome", "reason"):
        outcomes[row.destination_id][row.outcome][row.reason] = row.total
    return outcomes


def _logged(rows: list[SourceOffset], counts: Counts) -> Counter[int]:
    """What the log took of the sources while they were connected."""
    totals: Counter[int] = Counter()
    for row in rows:
        totals[row.destination_id] += ledger.received_messages(row, counts)
    return totals


def _consumed(rows: list[SourceOffset]) -> Counter[int]:
    totals: Counter[int] = Counter()
    for row in rows:
        totals[row.destination_id] += row.consumed
    return totals


def _sums(pairs: Iterable[tuple[int, int]]) -> Counter[int]:
    return Counter(dict(pairs))


@contextmanager
def _snapshot() -> Iterator[None]:
    """Read from one moment without the write lock that `atomic` would take."""
    if connection.in_atomic_block:
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        try:
            yield
        finally:
            cursor.execute("COMMIT")
