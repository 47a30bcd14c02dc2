"""The account of each destination and source, read for people: `status`, `check`, `/metrics`.

Two sides of one sum, measured apart: what came (the log's totals, and what replays read again) and what
became of it (the ledger, what is unread, what is in flight, what is to be tried again). `balanced`
compares them; nothing here makes them equal.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import Sum

from jetbridge.control.models import Destination, Source
from jetbridge.delivery import ledger
from jetbridge.delivery.base import DELIVERED, FAILED, FILTERED, IN_FLIGHT
from jetbridge.delivery.models import (
    ConsumerOffset,
    Outcome,
    Replay,
    RetryEntry,
    SourceOffset,
    destination_consumer,
    source_consumer,
)
from jetbridge.delivery.retry import RETRIES_EXHAUSTED
from jetbridge.eventlog.base import EMAIL_EVENT, INVALID, Counts

RUNNING, PAUSED, DISABLED = "running", "paused", "disabled"


@dataclass(frozen=True)
class DestinationReport:
    """`unread`, `in_flight` and `awaiting_retry` make up `pending`; `received` includes `replayed`.

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
        return sum(self.reasons[FILTERED].values())

    @property
    def failed(self) -> int:
        return sum(self.reasons[FAILED].values())

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
    outcomes: dict[int, dict[str, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
    with _snapshot():
        destinations = list(Destination.objects.order_by("id"))
        offsets = {row.consumer: row for row in ConsumerOffset.objects.all()}
        for outcome in Outcome.objects.exclude(total=0).order_by("outcome", "reason"):
            outcomes[outcome.destination_id][outcome.outcome][outcome.reason] = outcome.total
        source_offsets = list(SourceOffset.objects.all())
        awaiting_retry = dict(RetryEntry.objects.values_list("destination_id").annotate(Sum("total")))
        replayed = dict(Replay.objects.values_list("destination_id").annotate(Sum("done")))
    # After the snapshot: the log only grows, so what the snapshot has consumed is within these totals.
    counts = read_counts()
    logged: Counter[int] = Counter()
    consumed: Counter[int] = Counter()
    for row in source_offsets:
        logged[row.destination_id] += ledger.received_messages(row, counts)
        consumed[row.destination_id] += row.consumed
    reports = []
    for destination in destinations:
        id_, offset = destination.id, offsets.get(destination_consumer(destination.id))
        stopped_at = None
        if offset:
            # What is paused after hours of tries has not moved for all of them.
            is_exhausted = offset.pause_code == RETRIES_EXHAUSTED and offset.retrying_since
            stopped_at = offset.retrying_since if is_exhausted else offset.paused_at or offset.retrying_since
        reports.append(
            DestinationReport(
                id=id_,
                name=destination.name,
                kind=destination.kind,
                state=state_of(destination, offset),
                pause_code=offset.pause_code if offset else "",
                pause_reason=offset.pause_reason if offset else "",
                last_error=offset.last_error if offset else "",
                received=logged[id_] + replayed.get(id_, 0),
                delivered=sum(outcomes[id_][DELIVERED].values()),
                unread=logged[id_] - consumed[id_],
                in_flight=sum(outcomes[id_][IN_FLIGHT].values()),
                awaiting_retry=awaiting_retry.get(id_, 0),
                replayed=replayed.get(id_, 0),
                reasons={outcome: outcomes[id_][outcome] for outcome in (FILTERED, FAILED)},
                stopped_at=stopped_at,
            )
        )
    return reports


def errors(destinations: Collection[int]) -> dict[int, str]:
    """Why these are paused, or wait and try again: by id, those for which there is a reason."""
    consumers = {destination_consumer(id_): id_ for id_ in destinations}
    rows = (
        ConsumerOffset.objects.filter(consumer__in=consumers).exclude(pause_reason="", last_error="")
        if consumers
        else ()
    )
    return {consumers[row.consumer]: row.pause_reason or row.last_error for row in rows}


def sources(counts: Counts) -> list[SourceReport]:
    rows = list(Source.objects.order_by("id"))
    offsets = ConsumerOffset.objects.in_bulk([source_consumer(row.id) for row in rows])
    totals = counts.by_source_and_type
    reports = []
    for row in rows:
        offset = offsets.get(source_consumer(row.id)) or ConsumerOffset()
        reports.append(
            SourceReport(
                id=row.id,
                name=row.name,
                kind=row.kind,
                enabled=row.enabled,
                messages=ledger.accepted_messages(counts, row.id),
                invalid=totals.get((row.id, INVALID), 0),
                email_events=totals.get((row.id, EMAIL_EVENT), 0) - offset.retried,
                incomplete=counts.incomplete.get(row.id, 0),
                repeated=offset.repeated,
                failed_events=offset.failed - offset.retried,
                retried=offset.retried,
            )
        )
    return reports


def state_of(row: Destination, offset: ConsumerOffset | None) -> str:
    if not row.enabled:
        return DISABLED
    return PAUSED if offset and offset.pause_code else RUNNING


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
