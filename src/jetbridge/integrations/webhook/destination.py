"""Delivers messages to a webhook: in order for each person, at least once, and nobody waits for another one's failure.

A request that may have been received is sent again with the same messages, so under the same webhook-id, after a restart, too
(`cuts`). A request that is refused is halved until the bad message is alone; that one fails. A request that meets no good response,
while others do, goes to the retry queue as it is, and so does everything of the same people until it is through. It is halved only
when it has had all its time: whatever it then fails of is one of its messages.
Where nothing gets through, everything stays where it is, and the consumer tries again.
"""

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from jetbridge.delivery import metrics, pauses, retry_queue
from jetbridge.delivery.base import DeliveryItem, DeliveryRecord, Progress
from jetbridge.delivery.circuit_breaker import CircuitBreaker, CircuitOpen
from jetbridge.delivery.models import destination_consumer
from jetbridge.delivery.retry import REFUSED, BatchRefused, RetryDeadline, send_bisected
from jetbridge.errors import TransientError
from jetbridge.integrations.webhook.client import BATCH_BYTES, WebhookClient
from jetbridge.integrations.webhook.cuts import Cuts
from jetbridge.integrations.webhook.payload import Payload, encode
from jetbridge.privacy import erasure
from jetbridge.routing.route import Nobody, Suppressed
from jetbridge.spec.message import encode as encode_message

#: Messages that may wait in the retry queue. Beyond, new ones wait in the event log.
MOST_WAITING = 10_000
#: How long messages wait in the retry queue between two tries; doubled from 2 s on.
LONGEST_WAIT_SECONDS = 60.0
#: Requests in a row without a good response, after which the fault is the receiver's and not theirs.
MOST_IN_A_ROW = 3
#: How often at least a request has to fail before it is given up, be it half of one that was, since the receiver takes others:
#: one error alone says nothing.
LEAST_FAILURES = 3
#: How much of a failed message is kept for a person to read.
REQUEST_CHARACTERS = 2_000

#: A message and its encoded payload.
_Encoded = tuple[DeliveryItem, bytes]


@dataclass
class _Batch:
    """Messages of one request. It stays together while it is tried again, so that it keeps its webhook-id."""

    items: list[DeliveryItem]
    since: float = 0.0
    tried_at: float = 0.0
    tries: int = 0
    #: Of the tries, since the receiver takes others.
    failures: int = 0

    @property
    def place(self) -> int:
        return self.items[0].position

    @property
    def people(self) -> set[str]:
        return {item.message.person for item in self.items}


class _Queue:
    """Whose earlier messages are not through, so that later ones have to wait; `waiting` has people by place."""

    def __init__(self, waiting: Mapping[int, str]) -> None:
        self._first: dict[str, int] = {}
        self._add(waiting.items())

    def add_behind(self, batch: _Batch) -> None:
        self._add((item.position, item.message.person) for item in batch.items)

    def _add(self, calls: Iterable[tuple[int, str]]) -> None:
        for at, person in calls:
            self._first[person] = min(at, self._first.get(person, at))

    def is_behind(self, item: DeliveryItem) -> bool:
        first = self._first.get(item.message.person)
        return first is not None and first < item.position


def _out_of_order(batches: Sequence[Sequence[DeliveryItem]]) -> set[int]:
    """Places of requests that hold a call of a person which another request has an earlier call of, and comes later."""
    latest: dict[str, tuple[int, int]] = {}
    misplaced: set[int] = set()
    for batch in batches:
        place = batch[0].position
        for item in batch:
            position, where = latest.get(item.message.person, (0, 0))
            if position > item.position:
                misplaced |= {place, where}
            else:
                latest[item.message.person] = item.position, place
    return misplaced


@dataclass
class WebhookDestination:
    """For one thread. `restore` it with what the retry queue holds already; `waiting` are those of it, with their places."""

    id: int
    workspace: int
    client: WebhookClient
    payload: Payload
    batch_size: int
    breaker: CircuitBreaker
    retry_deadline: RetryDeadline
    cuts: Cuts
    waiting: dict[int, str] = field(default_factory=dict)
    suppressed: Suppressed = field(default_factory=Nobody)
    #: What became of items whose delivery did not end; None: taken.
    _done: dict[int, DeliveryRecord | None] = field(default_factory=dict)
    #: Requests that met no good response yet, by the place of their first message.
    _failing: dict[int, _Batch] = field(default_factory=dict)
    #: The items of the request that was sent last.
    _sent: Sequence[DeliveryItem] = ()
    #: When something got through.
    _took_at: float = 0.0
    #: Nothing has got through since everything was to wait.
    _stands_still: bool = False
    #: The last of the errors for which messages are in the retry queue.
    _last_error: TransientError | None = None
    #: The highest position that was taken.
    _newest: int = 0

    def deliver(self, items: Sequence[DeliveryItem], progress: Progress) -> None:
        calls = [item for item in items if item.message.type != "delete"]
        self.suppressed.refresh()
        for place, batch in list(self._failing.items()):
            # Who is forgotten is in no request any more. The others of it are another request.
            kept = [item for item in batch.items if not self.suppressed.covers(item.message)]
            if len(kept) < len(batch.items):
                del self._failing[place]
                if kept:
                    self._failing[kept[0].position] = replace(batch, items=kept)
                    self._keep_cuts([kept])
        self._send(calls)
        later = [item for item in calls if item.position not in self._done]
        here = {item.position for item in calls}
        completed = [item for item in calls if item.position in self._done]
        with progress.commit() as counts:
            # A request may have had messages that the retry queue did not bring this time.
            completed += retry_queue.take(self.id, [at for at in self._done if at not in here])
            for item in completed:
                if failure := self._done[item.position]:
                    counts.fail(failure)
                    continue
                counts.delivered += item.total
                if item.position > self._newest:  # of what is read again the time says nothing
                    self._newest = item.position
                    metrics.count_latency(counts, item.message.received_at, time.time())
            erasure.request_by_calls(
                self.workspace, self.id, items, counts
            )  # the receiver learns of it: see erasure.py
            if later:
                people = {item.message.person for item in later}
                failing = (batch.tries for batch in self._failing.values() if batch.people & people)
                wait = min(LONGEST_WAIT_SECONDS, 2.0 ** min(max(failing, default=0), 10))
                retry_queue.postpone(self.id, later, wait)
                if self._last_error:
                    reason = f"Others get through, but some messages wait: {self._last_error}"
                    pauses.record_error([self._reader], reason)
            ended = self.cuts.completed({item.position for item in completed})
        self.cuts.forget(ended)
        for item in completed:
            del self._done[item.position]
            self.waiting.pop(item.position, None)
        self.waiting |= {item.position: item.message.person for item in later}
        if self._last_error and not retry_queue.waiting(self.id):
            self.waiting.clear()  # what is left there was of people who are forgotten
            pauses.clear_error([self._reader])
            self._last_error = None

    @property
    def _reader(self) -> str:
        return destination_consumer(self.id)

    def close(self) -> None:
        """Nothing is kept open but pooled connections."""

    def restore(self, queued: Mapping[int, DeliveryItem]) -> None:
        """Take up the requests that a process before this one has sent and whose messages are all in the retry queue, which may bring
        them in parts.
        """
        self.waiting = {position: item.message.person for position, item in queued.items()}
        cuts = self.cuts.within(queued, self.batch_size) if self.batch_size > 1 else []
        while True:
            taken = {position for cut in cuts for position in cut}
            alone = [(position,) for position in queued if position not in taken]
            batches = [[queued[position] for position in cut] for cut in sorted([*cuts, *alone])]
            misplaced = _out_of_order(batches)
            if not misplaced:
                break
            cuts = [cut for cut in cuts if cut[0] not in misplaced]
        now = self.retry_deadline.clock()
        self._failing = {cut[0]: _Batch([queued[position] for position in cut], now, tries=1) for cut in cuts}

    def _send(self, items: Sequence[DeliveryItem]) -> None:
        """Send what can be sent. What is not in `_done` then waits, because others got through. Raises TransientError where
        nothing does, or where the receiver asks for a pause.
        """
        here = {item.position: item for item in items if item.position not in self._done}
        failing = [batch for at, batch in self._failing.items() if at in here]
        tried = {item.position for batch in failing for item in batch.items}
        # The retry queue may bring the end of a request without its beginning: that end goes in no other one.
        parts = {item.position for batch in self._failing.values() for item in batch.items}
        queue = _Queue({at: person for at, person in self.waiting.items() if at not in here})
        for batch in failing:
            queue.add_behind(batch)
        last_error, in_a_row = None, 0
        for planned in self._plan([here[at] for at in sorted(here.keys() - parts)], queue):
            calls = [
                call for call in planned if not queue.is_behind(call[0])
            ]  # a batch just now may have failed
            if not calls:
                continue
            batch = _Batch([item for item, _ in calls])
            self._keep_cuts([batch.items])
            error = self._try(batch, calls)
            if error is None:
                in_a_row = 0
                continue
            last_error, in_a_row = error, in_a_row + 1
            queue.add_behind(batch)
            if in_a_row == MOST_IN_A_ROW or error.retry_after_seconds:
                self._stands_still = True
                raise error
        last_error = last_error or self._retry(failing, here, tried)
        since = min((self._failing[at].since for at in here if at in self._failing), default=0.0)
        if last_error and (
            self._took_at < since
            or last_error.retry_after_seconds
            or len(self.waiting) + len(here) > MOST_WAITING
        ):
            self._stands_still = True
            raise last_error

    def _retry(
        self, failing: Sequence[_Batch], here: Mapping[int, DeliveryItem], tried: Collection[int]
    ) -> TransientError | None:
        """Send failed requests again. The one that has waited longest since its last try comes first. One that fails again is
        enough for now: each may take as long as the receiver is waited for.
        """
        # What is behind others and was held back with them, too.
        elsewhere = _Queue(
            {at: person for at, person in self.waiting.items() if at not in here and at not in tried}
            | {at: item.message.person for at, item in here.items() if at not in tried}
        )
        for failed in sorted(failing, key=lambda batch: (batch.tried_at, batch.place)):
            if any(elsewhere.is_behind(item) for item in failed.items):
                continue
            if items := self._behind_no_other(failed, failing):
                batch = self._failing[items[0].position]
                if error := self._try(batch, [self._encoded(item) for item in items]):
                    return error
        return None

    def _behind_no_other(self, batch: _Batch, failing: Sequence[_Batch]) -> Sequence[DeliveryItem]:
        """The items of a batch that may go before other failing ones. A half has items of people who are in the first one, too:
        it goes without them, unless it was sent with them already.
        """
        others = _Queue({})
        for other in failing:
            if other is not batch and other.place in self._failing:
                others.add_behind(other)
        free = [item for item in batch.items if not others.is_behind(item)]
        if len(free) == len(batch.items):
            return free
        if batch.tries or not free:
            return []
        rest = [item for item in batch.items if others.is_behind(item)]
        self._keep_cuts((free, rest))
        for part in (free, rest):
            self._failing[part[0].position] = replace(batch, items=part)
        return free

    def _plan(self, items: Sequence[DeliveryItem], queue: _Queue) -> list[list[_Encoded]]:
        """Requests for items that were not tried yet, by this process: what one before it put into a request stays there, but
        where a person's calls would not go in order.
        """
        calls = {item.position: self._encoded(item) for item in items}
        kept = self.cuts.within(calls, self.batch_size) if self.batch_size > 1 else []
        while True:
            taken = {position for cut in kept for position in cut}
            planned = [[calls[position] for position in cut] for cut in kept]
            planned += self._batches([calls[at] for at in calls if at not in taken], queue)
            planned.sort(key=lambda batch: batch[0][0].position)
            misplaced = _out_of_order([[item for item, _ in batch] for batch in planned])
            if not misplaced:
                break
            kept = [cut for cut in kept if cut[0] not in misplaced]
        self._keep_cuts([[item for item, _ in batch] for batch in planned])
        return planned

    def _keep_cuts(self, batches: Iterable[Sequence[DeliveryItem]]) -> None:
        """Store what goes in one request. Of one message alone it is clear."""
        if self.batch_size > 1:
            self.cuts.keep(tuple(item.position for item in items) for items in batches)

    def _batches(self, calls: Sequence[_Encoded], queue: _Queue) -> Iterator[list[_Encoded]]:
        """Requests of at most `batch_size` messages and BATCH_BYTES, of those that may go by now."""
        batch: list[_Encoded] = []
        size = 0
        for call in calls:
            item, body = call
            length = len(body) + 1
            if batch and (len(batch) == self.batch_size or size + length > BATCH_BYTES):
                yield batch
                batch, size = [], 0
            if not queue.is_behind(item):
                batch.append(call)
                size += length
        if batch:
            yield batch

    def _encoded(self, item: DeliveryItem) -> _Encoded:
        return item, encode(self.payload(item.message))

    def _try(self, batch: _Batch, calls: Sequence[_Encoded]) -> TransientError | None:
        """Send one request; None once its messages are completed. What fails for now stays in `_failing`."""
        try:
            send_bisected(calls, self._send_whole, self._reject)
        except TransientError as error:
            now = self.retry_deadline.clock()
            sent = {item.position for item in self._sent}
            left = [item for item in batch.items if item.position not in self._done]
            behind = [item for item in left if item.position not in sent]
            self._failing.pop(batch.place, None)
            batch = _Batch(list(self._sent), batch.since or now, now, batch.tries + 1, batch.failures + 1)
            self._failing[batch.place] = batch
            self._last_error = error
            self._keep_cuts([batch.items])
            if behind:  # of a request that was refused; they were sent in no other one
                self._failing[behind[0].position] = replace(batch, items=behind, tries=0, failures=0)
                self._keep_cuts([behind])
            self._give_up_if_over(batch, error)
            return error
        self._failing.pop(batch.place, None)
        return None

    def _give_up_if_over(self, batch: _Batch, error: TransientError) -> None:
        """A request that fails while others get through, and has had all its time, is halved: one of its messages is the cause. A
        message that is alone fails.
        """
        is_over = self._took_at > batch.since and self.retry_deadline.is_expired(batch.since)
        if not is_over or batch.failures < LEAST_FAILURES:
            return
        if len(batch.items) > 1:
            middle = len(batch.items) // 2
            halves = (batch.items[:middle], batch.items[middle:])
            self._keep_cuts(halves)
            for half in halves:
                self._failing[half[0].position] = replace(batch, items=half, tries=0, failures=0)
        else:
            given_up = self.retry_deadline.exhausted_error(error)
            self._fail(self._encoded(batch.items[0]), given_up.code, str(given_up), given_up.response)
            del self._failing[batch.place]

    def _send_whole(self, calls: Sequence[_Encoded]) -> None:
        """Send messages in one request. Raises BatchRefused, TransientError or PauseError."""
        self._sent = [item for item, _ in calls]
        self.client.send(self._body(calls), [item.message.message_id for item, _ in calls])
        self._done |= dict.fromkeys((item.position for item, _ in calls), None)
        self._took_at = self.retry_deadline.clock()
        if self._stands_still:
            self._stands_still = False
            for batch in self._failing.values():
                batch.failures = 0
        self.breaker.record_success(len(calls))

    def _body(self, calls: Sequence[_Encoded]) -> bytes:
        """One message is an object, several are an array; where batches are wanted it is always an array."""
        return b"[" + b",".join(body for _, body in calls) + b"]" if self.batch_size > 1 else calls[0][1]

    def _reject(self, call: _Encoded, error: BatchRefused) -> None:
        try:
            self.breaker.record_rejection(error)
        except CircuitOpen:
            # What is not written as failed stays pending.
            self._done = {at: row for at, row in self._done.items() if row is None or row.reason != REFUSED}
            raise
        self._fail(call, error.code, str(error), error.response)

    def _fail(self, call: _Encoded, reason: str, detail: str, response: str = "") -> None:
        item = call[0]
        message = item.message
        self._done[item.position] = DeliveryRecord(
            outcome="failed",
            reason=reason,
            detail=detail,
            position=item.position,
            total=item.total,
            message_id=message.message_id[:200],
            person=message.person,
            request=self.client.mask(self._body([call])[:REQUEST_CHARACTERS].decode("utf-8", "replace")),
            response=response,
            body=encode_message(message),
        )
