"""Delivers messages to Segment in batches within its limits; one bad message does not spoil its batch.

A batch that is refused is halved until the bad message is alone. A batch that gets no good answer for as
long as is tried goes message by message: who does not get through where others do, is at fault.
"""

import time
from collections.abc import Iterator, Sequence

from jetbridge.delivery import metrics
from jetbridge.delivery.base import DeliveryCounts, DeliveryItem, DeliveryRecord, Progress
from jetbridge.delivery.circuit_breaker import CircuitBreaker, CircuitOpen
from jetbridge.delivery.retry import REFUSED, BatchRefused, RetryDeadline, send_bisected
from jetbridge.errors import TransientError
from jetbridge.integrations.segment.client import (
    BATCH_BYTES,
    BATCH_MESSAGES,
    MESSAGE_BYTES,
    SegmentClient,
)
from jetbridge.spec.message import encode
from jetbridge.spec.outgoing import pass_on, render

#: So many single messages in a row without a good answer: the fault is not theirs.
SILENT_IN_A_ROW = 20
#: The code of a call that is larger than Segment takes.
MESSAGE_TOO_LARGE = "MESSAGE_TOO_LARGE"
#: How much of a failed message is kept for a person to read.
REQUEST_CHARACTERS = 2_000

_Rendered = tuple[DeliveryItem, bytes]


class SegmentDestination:
    """Remembers what Segment took of items whose delivery did not end, so that it is not sent again."""

    def __init__(
        self, client: SegmentClient, breaker: CircuitBreaker, retry_deadline: RetryDeadline, tag: str = ""
    ) -> None:
        self._client, self._tag = client, tag
        self._breaker = breaker
        self._retry_deadline = retry_deadline
        self._taken: set[int] = set()
        self._failed: dict[int, DeliveryRecord] = {}
        #: When the batch that begins at a position first got no good answer.
        self._failing: dict[int, float] = {}
        #: The highest position that was taken.
        self._newest = 0

    def deliver(self, items: Sequence[DeliveryItem], progress: Progress) -> None:
        for batch in _batches(self._rendered(items)):
            send_bisected(batch, self._send, self._reject)
        with progress.commit() as counts:
            self._account(items, counts)
        for item in items:  # of others the delivery may not have ended
            self._taken.discard(item.position)
            self._failed.pop(item.position, None)
            self._failing.pop(item.position, None)

    def close(self) -> None:
        """Nothing is kept open but pooled connections."""

    def _rendered(self, items: Sequence[DeliveryItem]) -> Iterator[_Rendered]:
        """What is still to be sent, rendered; what is too large fails here."""
        for item in items:
            if item.position in self._taken or item.position in self._failed:
                continue
            body = render(pass_on(item.message, self._tag))
            if len(body) <= MESSAGE_BYTES:
                yield item, body
            else:
                detail = f"Segment takes calls of up to {MESSAGE_BYTES:,} bytes; this has {len(body):,}."
                self._fail(item, body, MESSAGE_TOO_LARGE, detail)

    def _send(self, part: Sequence[_Rendered]) -> None:
        try:
            self._client.send([body for _, body in part])
        except TransientError:
            if not self._is_exhausted(part):
                raise
            self._send_singly(part)
        else:
            self._took(part)

    def _took(self, part: Sequence[_Rendered]) -> None:
        self._taken.update(item.position for item, _ in part)
        self._failing.pop(part[0][0].position, None)
        self._breaker.record_success(len(part))

    def _is_exhausted(self, part: Sequence[_Rendered]) -> bool:
        """Whether this batch, known by its first message, has failed for as long as is tried."""
        return self._retry_deadline.is_expired(
            self._failing.setdefault(part[0][0].position, self._retry_deadline.clock())
        )

    def _send_singly(self, part: Sequence[_Rendered]) -> None:
        """Find the messages that are at fault. Raises TransientError if none gets through."""
        silent: list[tuple[DeliveryItem, bytes, TransientError]] = []
        took, in_a_row = False, 0
        for item, body in part:
            try:
                self._client.send([body])
            except BatchRefused as error:
                self._reject((item, body), error)
            except TransientError as error:
                silent.append((item, body, error))
                in_a_row += 1
                if in_a_row == SILENT_IN_A_ROW:
                    raise
            else:
                self._took([(item, body)])
                took, in_a_row = True, 0
        if silent and not took:
            raise silent[-1][2]
        for item, body, last_error in silent:
            given_up = self._retry_deadline.exhausted_error(last_error)
            self._fail(item, body, given_up.code, str(given_up), given_up.response)

    def _reject(self, call: _Rendered, error: BatchRefused) -> None:
        try:
            self._breaker.record_rejection(error)
        except CircuitOpen:
            # What is not written as failed stays pending.
            self._failed = {at: record for at, record in self._failed.items() if record.reason != REFUSED}
            raise
        self._fail(*call, error.code, str(error), error.response)

    def _fail(self, item: DeliveryItem, body: bytes, reason: str, detail: str, response: str = "") -> None:
        message = item.message
        self._failed[item.position] = DeliveryRecord(
            outcome="failed",
            reason=reason,
            detail=detail,
            position=item.position,
            message_id=message.message_id[:200],
            person=message.person,
            request=body[:REQUEST_CHARACTERS].decode("utf-8", "replace"),
            response=response,
            body=encode(message),
        )

    def _account(self, items: Sequence[DeliveryItem], counts: DeliveryCounts) -> None:
        now = time.time()
        for item in items:
            if item.position in self._failed:
                counts.fail(self._failed[item.position]._replace(total=item.total))
            else:
                counts.delivered += item.total
                if item.position > self._newest:  # of what is read again it tells nothing
                    self._newest = item.position
                    metrics.count_latency(counts, item.message.received_at, now)


def _batches(rendered: Iterator[_Rendered]) -> Iterator[list[_Rendered]]:
    """Cut into batches within Segment's limits."""
    batch: list[_Rendered] = []
    size = 0
    for pair in rendered:
        length = len(pair[1]) + 1
        if batch and (size + length > BATCH_BYTES or len(batch) == BATCH_MESSAGES):
            yield batch
            batch, size = [], 0
        batch.append(pair)
        size += length
    if batch:
        yield batch
