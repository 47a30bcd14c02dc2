"""The consumer: reads the log for one destination and never runs ahead of what was accounted for.

One thread per destination, so a destination that hangs delays nobody else. Between two batches of what is
new it takes one of what is to be tried again and one of what is to be replayed; each of the three has its
own patience, so trouble with an old message does not stop new ones.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event

from jetbridge.delivery import ledger, reading_sources
from jetbridge.delivery.again import AgainFeed
from jetbridge.delivery.base import Destination
from jetbridge.delivery.batch import BATCH_RECORDS, Batch, Feed, Routed
from jetbridge.delivery.hold import Holds
from jetbridge.delivery.replay import ReplayFeed
from jetbridge.delivery.retry import Backoff, Patience
from jetbridge.delivery.tally import Tally
from jetbridge.errors import HoldError, TransientError
from jetbridge.eventlog.base import EventLog
from jetbridge.routing.route import Route

log = logging.getLogger(__name__)

#: How often an idle consumer looks for news. A look costs about 50 µs.
IDLE_SECONDS = 0.02
#: How long a held destination waits before it tries the same messages again.
PROBE_SECONDS = 30.0


@dataclass
class _Turn:
    """A feed and its patience. `not_before` is on the consumer's clock."""

    feed: Feed
    backoff: Backoff = field(default_factory=Backoff)
    not_before: float = float("-inf")


class Consumer:
    """`run(stop)` works until `stop` is set.

    Nothing is lost if it dies anywhere: the position is in the same transaction as the effects.
    """

    def __init__(
        self,
        *,
        event_log: EventLog,
        destination_id: int,
        destination: Destination,
        route: Route,
        patience: Patience | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = event_log
        self._id = destination_id
        self._reader = ledger.destination_reader(destination_id)
        self._destination = destination
        self._route = route
        self._clock = clock
        self._patience = patience or Patience()
        self._holds = Holds()

    def run(self, stop: Event) -> None:
        reading_sources.keep(self._id, self._route.source_kinds, self._log)
        turns = [_Turn(feed) for feed in self._feeds()]
        ledger.release(self._reader)
        ledger.end_trouble([self._reader])
        try:
            while not stop.is_set():
                if self._holds.released():
                    for turn in turns:
                        turn.not_before = float("-inf")
                worked = [self._take(turn) for turn in turns]
                if not any(worked):
                    stop.wait(IDLE_SECONDS)
        finally:
            self._destination.close()

    def _feeds(self) -> tuple[Feed, ...]:
        return (
            _LogFeed(self._log, self._id, self._route),
            AgainFeed(self._id),
            ReplayFeed(self._log, self._id, self._route),
        )

    def _take(self, turn: _Turn) -> bool:
        """Deliver one batch of a feed. False: there was none, or it is not done and comes again."""
        if self._clock() < turn.not_before:
            return False
        batch = turn.feed.next()
        if batch is None:
            return False
        try:
            self._destination.deliver(batch.items, batch)
        except TransientError as error:
            wait = turn.backoff.next_wait(error)
            self._holds.trouble([self._reader], error)
            if self._patience.failed():
                self._holds.put(self._reader, self._patience.hold(error))
            log.info("destination %s: %s Next try in %.1f s.", self._id, error, wait)
            turn.not_before = self._clock() + wait
            return False
        except HoldError as error:
            log.warning("destination %s is held: %s", self._id, error)
            self._holds.put(self._reader, error)
            turn.not_before = self._clock() + PROBE_SECONDS
            return False
        turn.backoff.reset()
        self._patience.answered()
        self._holds.lift(self._reader)
        self._holds.end_trouble()
        return True


class _LogFeed:
    """What is new in the log."""

    def __init__(self, event_log: EventLog, destination: int, route: Route) -> None:
        self._log = event_log
        self._destination = destination
        self._route = route
        self._position = ledger.position(ledger.destination_reader(destination))

    def next(self) -> Batch | None:
        records = self._log.read(self._position, limit=BATCH_RECORDS)
        if not records:
            return None
        routed = Routed(records, self._route)
        return Batch(routed.items, lambda: self._commit(routed, records[-1].position))

    @contextmanager
    def _commit(self, routed: Routed, end: int) -> Iterator[Tally]:
        tally = Tally(filtered=routed.filtered.copy(), received=routed.received)
        with ledger.commit(self._destination, end, routed.consumed, tally):
            yield tally
        self._position = end
