"""Replay: a span of the log that one destination reads once more, routed as if it were new.

What it reads counts as received again when it is read (`Replay.done`), in the same transaction as what
became of it. It cannot overwrite newer values: destinations that keep state merge by message time.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from django.db import connection, transaction
from django.db.models import F, Min

from jetbridge.delivery import ledger, metrics
from jetbridge.delivery.batch import Batch, RoutedBatch
from jetbridge.delivery.delivery_counts import DeliveryCounts
from jetbridge.delivery.models import Replay
from jetbridge.delivery.span import Span, position_before
from jetbridge.errors import ConfigurationError, TransientError
from jetbridge.eventlog.base import EventLog
from jetbridge.routing.route import Route

#: Why a replay passes over Segment's `delete` calls.
NOT_REPLAYED = "NOT_REPLAYED"

OLDEST = """
SELECT id, source_id, position, upto FROM delivery_replay
WHERE destination_id = %s AND ended_at IS NULL ORDER BY id LIMIT 1
"""


def wanted(
    event_log: EventLog,
    destination: int,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    after: int = 0,
    upto: int | None = None,
) -> Span:
    """The span that fits all that is given, as far as the destination has read: what follows comes anyway.

    Raises ConfigurationError for a destination that has not begun.
    """
    end = ledger.positions().get(ledger.destination_consumer(destination))
    if end is None:
        raise ConfigurationError(f"Destination {destination} has not begun: there is nothing to replay.")
    if since:
        after = max(after, position_before(event_log, _ms(since)))
    if until:
        end = min(end, position_before(event_log, _ms(until)))
    return Span(after, end if upto is None else min(end, upto))


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def ask(destination: int, span: Span, source: int | None, messages: int) -> Replay:
    """Let the consumer read a span of `messages` messages again; only those of `source`, if it is given."""
    return Replay.objects.create(
        destination_id=destination,
        source_id=source,
        after=span.after,
        position=span.after,
        upto=span.upto,
        messages=messages,
    )


def cancel(replay: int) -> bool:
    """Read no further; False if it had ended. A batch that is under way is still accounted for."""
    return _end(replay) == 1


def needed_after() -> int | None:
    """The position after which open replays need the log; None if there are none."""
    first: int | None = Replay.objects.filter(ended_at__isnull=True).aggregate(p=Min("position"))["p"]
    return first


def of_source(route: Route, source: int | None) -> Route:
    """The route for messages of one source only."""
    if source is None:
        return route
    return replace(
        route, source_kinds={id_: kind for id_, kind in route.source_kinds.items() if id_ == source}
    )


def _end(replay: int) -> int:
    return Replay.objects.filter(id=replay, ended_at__isnull=True).update(ended_at=datetime.now(UTC))


def _leave_out_deletes(routed: RoutedBatch) -> None:
    """Who was let in again since must not be forgotten by an old call."""
    kept = [item for item in routed.items if item.message.type != "delete"]
    if left_out := len(routed.items) - len(kept):
        routed.items, routed.filtered[NOT_REPLAYED] = kept, left_out


class ReplayFeed:
    """The open replays of one destination, one after the other (`batch.Feed`)."""

    is_waiting = False

    def __init__(
        self, event_log: EventLog, destination: int, route: Route, verify: Callable[[], None] = lambda: None
    ) -> None:
        """`verify` raises PauseError if the log is another one than that whose positions replays name."""
        self._log = event_log
        self._destination = destination
        self._route = route
        self._verify = verify

    def next(self, limit: int) -> Batch | None:
        with connection.cursor() as cursor:
            cursor.execute(OLDEST, [self._destination])
            row = cursor.fetchone()
        if row is None:
            return None
        self._verify()
        id_, source, position, upto = row
        records = [each for each in self._log.read(position, limit=limit) if each.position <= upto]
        self._verify()  # it may have been replaced in between
        routed = RoutedBatch(records, of_source(self._route, source))
        _leave_out_deletes(routed)
        end = records[-1].position if records else upto
        read = Span(position, end)
        return Batch(routed.items, lambda: self._commit(id_, routed, read, last=end == upto), len(records))

    @contextmanager
    def _commit(
        self, replay: int, routed: RoutedBatch, read: Span, *, last: bool
    ) -> Iterator[DeliveryCounts]:
        with transaction.atomic():
            counts = routed.counts(
                Counter({metrics.now(): routed.consumed.total()})
            )  # received once more, now
            yield counts
            ledger.add(self._destination, counts)
            moved = Replay.objects.filter(id=replay, position=read.after).update(
                position=read.upto, done=F("done") + routed.consumed.total()
            )
            if not moved:
                raise TransientError("CONFLICT", "The replay was moved on meanwhile.")
            if last:
                _end(replay)
