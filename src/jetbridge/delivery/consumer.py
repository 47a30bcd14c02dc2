"""The consumer: reads the log for one destination and never runs ahead of what was accounted for.

One thread per destination, so a destination that hangs delays nobody else. Between two batches of what is
new it takes one of what is to be tried again and one of what is to be replayed; each of the three has its
own deadline, so trouble with an old message does not stop new ones. A message that raises an exception fails
alone (`isolation`). With a schedule all that happens during its syncs, and nothing in between (`syncs`).
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from threading import Event

from django.db import connection, transaction
from django.db.models import F, Min

from jetbridge.delivery import isolation, ledger, metrics, pauses, syncs
from jetbridge.delivery.base import (
    NOT_REPLAYED,
    Batch,
    BatchPolicy,
    DeliveryCounts,
    DeliveryItem,
    DeliveryRecord,
    Feed,
    Sink,
)
from jetbridge.delivery.batch import RoutedBatch, failure_of, of_source, open_batch
from jetbridge.delivery.log_reader import LogReader
from jetbridge.delivery.models import Replay, RetryEntry, destination_consumer
from jetbridge.delivery.pauses import PROBE_SECONDS, PauseRegistry
from jetbridge.delivery.retry import Backoff, RetryDeadline
from jetbridge.delivery.syncs import Schedule, Syncs
from jetbridge.errors import PauseError, TransientError
from jetbridge.eventlog.base import EventLog, PositionRange, Record
from jetbridge.routing.route import USER_SUPPRESSED, Nobody, Route, Suppressed
from jetbridge.spec.message import decode, encode

log = logging.getLogger(__name__)

#: How often an idle consumer looks for news. A look costs about 50 µs.
IDLE_SECONDS = 0.02
#: How many messages of the retry queue are taken between two batches of new ones.
RETRY_ROWS = 500

NEXT_RETRIES = """
SELECT id, position, total, source_id, body FROM delivery_retryentry
WHERE destination_id = %s AND (not_before IS NULL OR not_before <= %s) ORDER BY id LIMIT %s
"""

#: What is postponed once more has waited since it was postponed first.
KEEP_REQUESTED_AT = """
UPDATE delivery_retryentry SET requested_at = (
    SELECT min(earlier.requested_at) FROM delivery_retryentry AS earlier
    WHERE earlier.destination_id = delivery_retryentry.destination_id AND earlier.position = delivery_retryentry.position
) WHERE destination_id = %s AND id > %s
"""

OLDEST_REPLAY = """
SELECT id, source_id, position, upto FROM delivery_replay
WHERE destination_id = %s AND ended_at IS NULL ORDER BY id LIMIT 1
"""


@dataclass
class BatchLimit:
    """How many records are taken at once: `most`; half as many after an exception, twice as many after a success."""

    most: int
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = self.most

    def raised(self, taken: int) -> bool:
        """An exception came of so many records. True if they can be told apart by taking fewer."""
        self.size = max(1, min(self.size, taken) // 2)
        return taken > 1

    def succeeded(self) -> None:
        self.size = min(self.most, self.size * 2)


@dataclass
class _Turn:
    """A feed and its backoff. `not_before` is on the consumer's clock."""

    feed: Feed
    limit: BatchLimit
    backoff: Backoff
    not_before: float = float("-inf")
    #: The last try to read met a log that cannot be read on.
    is_unreadable: bool = False
    #: The last try to read found nothing.
    is_empty: bool = False


class Consumer:
    """`run(stop)` works until `stop` is set, or until the configuration that it was made from is no longer current.

    Nothing is lost if it dies anywhere: the position is in the same transaction as the effects.

    `is_current` is asked after a batch is read and before it is delivered. A message that is acknowledged after a
    change was confirmed is read after it, too: so it is never routed by what was true before. The sources are looked at once
    more in the transaction that ends the batch, because they decide what is counted.
    """

    def __init__(
        self,
        *,
        event_log: EventLog,
        destination_id: int,
        destination: Sink,
        route: Route,
        is_current: Callable[[], bool] = lambda: True,
        policy: BatchPolicy | None = None,
        retry_deadline: RetryDeadline | None = None,
        schedule: Schedule | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = event_log
        self._id = destination_id
        self._consumer = destination_consumer(destination_id)
        self._destination = destination
        self._route = route
        self._is_current = is_current
        self._is_outdated = False
        self._clock, self._now = clock, now
        self._policy = policy or BatchPolicy()
        self._retry_deadline = retry_deadline or RetryDeadline()
        self._pauses = PauseRegistry(clock, now)
        self._syncs = (
            Syncs(destination_id, schedule, event_log, route.source_kinds, now) if schedule else None
        )

    def run(self, stop: Event) -> None:
        ledger.begin_missing(self._id, self._log)
        if self._syncs:
            self._syncs.start()
        else:
            syncs.end_all(self._id)
        turns = [
            _Turn(
                feed,
                BatchLimit(self._policy.records),
                Backoff(cap_seconds=self._policy.retry_cap_seconds),
            )
            for feed in self._feeds()
        ]
        pauses.resume(self._consumer)
        self._pauses.inherit([self._consumer])
        try:
            while not (stop.is_set() or self._is_outdated):
                if self._pauses.resumed():
                    for turn in turns:
                        turn.not_before = float("-inf")
                if self._syncs and not self._syncs.is_due():
                    stop.wait(syncs.LOOK_SECONDS)
                    continue
                worked = [self._take(turn) for turn in turns]
                if not any(worked):
                    if all(turn.is_empty for turn in turns):
                        if self._pauses.has_error and not any(turn.feed.is_waiting for turn in turns):
                            self._pauses.clear_error()  # there is nothing left that could meet it
                        if self._syncs:
                            self._syncs.end()
                    stop.wait(IDLE_SECONDS)
        finally:
            self._destination.close()

    def _feeds(self) -> tuple[Feed, ...]:
        log_reader = LogReader(self._log, self._consumer, self._clock)
        return (
            _LogFeed(log_reader, self._id, self._route, self._policy, clock=self._clock, syncs=self._syncs),
            RetryFeed(self._id, max(1, self._policy.records // 2), self._route.suppressed, self._now),
            ReplayFeed(self._log, self._id, self._route, log_reader.verify),
        )

    def _take(self, turn: _Turn) -> bool:
        """Deliver one batch of a feed. False: there was none, or it is not done and comes again."""
        if self._is_outdated or self._clock() < turn.not_before:
            return False
        with open_batch(self._id):
            return self._take_now(turn)

    def _take_now(self, turn: _Turn) -> bool:
        batch, turn.is_empty = None, False
        try:
            batch = turn.feed.next(turn.limit.size)
            turn.is_empty = batch is None
            if batch is None and turn.is_unreadable:  # it was: the log is in place again
                turn.is_unreadable = False
                self._pauses.resume(self._consumer)
            self._is_outdated = batch is not None and not self._is_current()
            if batch is None or self._is_outdated:
                return False
            self._destination.deliver(batch.items, batch)
        except _SourcesChangedError:
            self._is_outdated = True
        except TransientError as error:
            return self._try_later(turn, error)
        except PauseError as error:
            turn.is_unreadable = batch is None
            return self._pause(turn, error)
        except Exception as error:  # noqa: BLE001 - a message must not stop the others, whatever it does
            return self._isolate(turn, batch, error)
        else:
            turn.limit.succeeded()
            self._went_through(turn)
        return not self._is_outdated

    def _isolate(self, turn: _Turn, batch: Batch | None, error: Exception) -> bool:
        """Take fewer records, until the one that raises is alone: that one fails. Nothing was committed so far.

        True: it can go on at once.
        """
        if isolation.is_environmental(error):
            return self._try_later(turn, isolation.as_transient(error))
        isolation.note(error, f"Destination {self._id}")
        if batch and turn.limit.raised(batch.records):
            return True
        if batch is None or not batch.items:  # nothing of it came to the destination: it is nobody's fault
            return self._pause(turn, isolation.as_pause(error))
        try:
            with batch.commit() as counts:
                for item in batch.items:
                    counts.fail(failure_of(error, item.position, encode(item.message), item.total))
        except Exception as other:  # noqa: BLE001 - what breaks here breaks for every message
            if isolation.is_environmental(other):
                return self._try_later(turn, isolation.as_transient(other))
            isolation.note(other, f"Destination {self._id}")
            return self._pause(turn, isolation.as_pause(other))
        self._went_through(turn)
        return True

    def _went_through(self, turn: _Turn) -> None:
        turn.backoff.reset()
        self._retry_deadline.record_success()
        self._pauses.resume(self._consumer)
        self._pauses.clear_error()

    def _try_later(self, turn: _Turn, error: TransientError) -> bool:
        wait = turn.backoff.next_wait(error)
        log.info("destination %s: %s Next try in %.1f s.", self._id, error, wait)
        turn.not_before = self._clock() + wait
        self._pauses.record_error([self._consumer], error)
        if self._retry_deadline.failed():
            self._pauses.pause(self._consumer, self._retry_deadline.pause_error(error))
        return False

    def _pause(self, turn: _Turn, error: PauseError) -> bool:
        log.warning("destination %s is paused: %s", self._id, error)
        turn.not_before = self._clock() + PROBE_SECONDS
        self._pauses.pause(self._consumer, error)
        return False


class _SourcesChangedError(Exception):
    """A source was connected or disconnected while a batch was delivered: it is read again."""


class _LogFeed:
    """What is new in the log, of the sources that are or were connected then. During a sync: up to its end."""

    def __init__(
        self,
        log: LogReader,
        destination: int,
        route: Route,
        policy: BatchPolicy,
        *,
        clock: Callable[[], float],
        syncs: Syncs | None,
    ) -> None:
        self._log = log
        self._syncs = syncs
        self._policy, self._clock = policy, clock
        #: When the oldest unread record was first seen, on the clock.
        self._unread_since: float | None = None
        self._destination = destination
        self._version = ledger.sources_version(destination)
        self._ranges = ledger.SourceRanges(destination)
        self._route = replace(route, source_kinds={**route.source_kinds, **self._ranges.kinds})
        self.is_waiting = False

    def next(self, limit: int) -> Batch | None:
        if self._policy.linger_seconds and not self._syncs and self._waits_for_more():
            return None
        records = self._log.read(limit)
        if self._syncs and self._syncs.upto is not None:
            upto = self._syncs.upto
            records = [record for record in records if record.position <= upto]
        if not records:
            return None
        routed = RoutedBatch(self._ranges.of(records), self._route)
        return Batch(routed.items, lambda: self._commit(routed, records[-1]), len(records))

    def _waits_for_more(self) -> bool:
        self._log.verify()
        unread = self._log.unread
        self.is_waiting = bool(unread)
        if not unread:
            self._unread_since = None
            return True
        if self._unread_since is None:
            self._unread_since = self._clock()
        waited = self._clock() - self._unread_since
        return unread < self._policy.records and waited < self._policy.linger_seconds

    @contextmanager
    def _commit(self, routed: RoutedBatch, last: Record) -> Iterator[DeliveryCounts]:
        counts, place = routed.counts(), self._log.place_of(last)
        with ledger.commit(self._destination, last.position, routed.consumed, counts, place):
            yield counts
            if ledger.sources_version(self._destination) != self._version:
                raise _SourcesChangedError
        self._log.moved(last.position, place)
        self._unread_since = None


class RetryFeed:
    """The RetryEntries of one destination that are due, oldest first (`base.Feed`)."""

    def __init__(
        self,
        destination: int,
        rows: int = RETRY_ROWS,
        suppressed: Suppressed | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`rows` at the most go into one batch."""
        self._now = now
        self.is_waiting = False
        self._destination, self._rows, self._suppressed = destination, rows, suppressed or Nobody()
        #: Up to which row nothing is due before when: it is asked fifty times a second, and 100,000 rows may wait.
        self._newest, self._next_due = 0, datetime.min.replace(tzinfo=UTC)

    def next(self, limit: int) -> Batch | None:
        waiting, now = RetryEntry.objects.filter(destination_id=self._destination), self._now()
        newest = waiting.order_by("-id").values_list("id", flat=True).first()
        self.is_waiting = newest is not None
        if newest is None or (newest == self._newest and now < self._next_due):
            return None
        with connection.cursor() as cursor:
            at = connection.ops.adapt_datetimefield_value(now)
            cursor.execute(NEXT_RETRIES, [self._destination, at, min(limit, self._rows)])
            rows = cursor.fetchall()
        if not rows:
            self._newest, self._next_due = newest, waiting.aggregate(at=Min("not_before"))["at"] or now
            return None
        self._suppressed.refresh()
        items: list[DeliveryItem] = []
        failures: list[DeliveryRecord] = []
        suppressed = 0
        for _, position, total, source, body in rows:
            try:
                message = decode(body)
                if self._suppressed.covers(message):
                    suppressed += total
                else:
                    items.append(DeliveryItem(position, message, total, source))
            except Exception as error:  # noqa: BLE001 - it was alone: whatever it is, the others go on
                failures.append(failure_of(error, position, body, total))
        ids = [id_ for id_, *_ in rows]
        return Batch(items, lambda: self._commit(ids, failures, suppressed), len(rows))

    @contextmanager
    def _commit(
        self, ids: Sequence[int], failures: Sequence[DeliveryRecord], suppressed: int
    ) -> Iterator[DeliveryCounts]:
        with transaction.atomic():
            counts = DeliveryCounts()
            if suppressed:
                counts.filtered[USER_SUPPRESSED] += suppressed
            for delivery_record in failures:
                counts.fail(delivery_record)
            yield counts
            ledger.add(self._destination, counts)
            with connection.cursor() as cursor:
                cursor.execute(KEEP_REQUESTED_AT, [self._destination, max(ids)])
            gone, _ = RetryEntry.objects.filter(id__in=ids).delete()
            if gone != len(ids):
                raise TransientError("CONFLICT", "Messages to be tried again were withdrawn meanwhile.")


class ReplayFeed:
    """The open replays of one destination, one after the other (`base.Feed`)."""

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
            cursor.execute(OLDEST_REPLAY, [self._destination])
            row = cursor.fetchone()
        if row is None:
            return None
        self._verify()
        id_, source, position, upto = row
        records = [record for record in self._log.read(position, limit=limit) if record.position <= upto]
        self._verify()  # it may have been replaced in between
        routed = RoutedBatch(records, of_source(self._route, source))
        kept = [item for item in routed.items if item.message.type != "delete"]
        if left_out := len(routed.items) - len(kept):
            routed.items, routed.filtered[NOT_REPLAYED] = kept, left_out
        end = records[-1].position if records else upto
        read = PositionRange(position, end)
        return Batch(routed.items, lambda: self._commit(id_, routed, read, last=end == upto), len(records))

    @contextmanager
    def _commit(
        self, replay: int, routed: RoutedBatch, read: PositionRange, *, last: bool
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
                Replay.objects.filter(id=replay).update(ended_at=datetime.now(UTC))
