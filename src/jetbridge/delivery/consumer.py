"""The consumer: reads the log for one destination and never runs ahead of what was accounted for.

One thread per destination, so a destination that hangs delays nobody else.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from threading import Event

from jetbridge.delivery import ledger
from jetbridge.delivery.base import Destination, Item
from jetbridge.delivery.retry import Backoff
from jetbridge.delivery.tally import Tally
from jetbridge.errors import HoldError, TransientError
from jetbridge.eventlog.base import EMAIL_EVENT, INVALID, EventLog, Record
from jetbridge.routing.route import UNSUPPORTED_EVENT_TYPE, Route
from jetbridge.spec.message import decode

log = logging.getLogger(__name__)

#: How often an idle consumer looks for news. A look costs about 15 µs.
IDLE_SECONDS = 0.02
#: How long a held destination waits before it tries the same messages again.
PROBE_SECONDS = 30.0
#: How many records one batch takes at the most. Fewer syncs the larger, but 2,000 calls and their contacts
#: outgrow the processor's cache: folding is a tenth slower than with 1,000.
BATCH_RECORDS = 1_000


class Consumer:
    """`run(stop)` works until `stop` is set.

    Nothing is lost if it dies anywhere: the position is in the same transaction as the effects.
    """

    def __init__(
        self, *, event_log: EventLog, destination_id: int, destination: Destination, route: Route
    ) -> None:
        self._log = event_log
        self._id = destination_id
        self._reader = ledger.destination_reader(destination_id)
        self._destination = destination
        self._route = route
        self._backoff = Backoff()
        self._held = False

    def run(self, stop: Event) -> None:
        position = ledger.position(self._reader)
        ledger.release(self._reader)
        try:
            while not stop.is_set():
                records = self._log.read(position, limit=BATCH_RECORDS)
                if not records:
                    stop.wait(IDLE_SECONDS)
                elif self._take(records, stop):
                    position = records[-1].position
        finally:
            self._destination.close()

    def _take(self, records: Sequence[Record], stop: Event) -> bool:
        """Deliver one batch. False: not done, the same records are read again."""
        batch = _Batch(self._id, records, self._route)
        try:
            self._destination.deliver(batch.items, batch)
        except TransientError as error:
            wait = self._backoff.next_wait(error)
            log.info("destination %s: %s Next try in %.1f s.", self._id, error, wait)
            stop.wait(wait)
            return False
        except HoldError as error:
            log.warning("destination %s is held: %s", self._id, error)
            ledger.hold(self._reader, error.code, str(error))
            self._held = True
            stop.wait(PROBE_SECONDS)
            return False
        self._backoff.reset()
        if self._held:  # only its own hold: what works behind the destination may hold it, too
            ledger.release(self._reader)
            self._held = False
        return True


class _Batch:
    """The records of one read, routed, and the transaction that ends them (`Progress`)."""

    def __init__(self, destination: int, records: Sequence[Record], route: Route) -> None:
        self._destination = destination
        self._end = records[-1].position
        self._consumed: Counter[int] = Counter()
        self._filtered: Counter[str] = Counter()
        self.items: list[Item] = []
        for record in records:
            self._add(record, route)

    def commit(self) -> AbstractContextManager[Tally]:
        tally = Tally(filtered=Counter(self._filtered))
        return ledger.commit(self._destination, self._end, self._consumed, tally)

    def _add(self, record: Record, route: Route) -> None:
        if record.type in _NO_MESSAGES or record.source not in route.source_kinds:
            return
        self._consumed[record.source] += 1
        if record.type not in route.accepts:
            self._filtered[UNSUPPORTED_EVENT_TYPE] += 1
            return
        message = decode(record.body)
        if reason := route.why_not(message, record.source):
            self._filtered[reason] += 1
        else:
            self.items.append(Item(record.position, message))


_NO_MESSAGES = {INVALID, EMAIL_EVENT}
