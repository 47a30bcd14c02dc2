"""Delivers messages to Segment in batches within its limits; one bad message does not spoil its batch."""

from collections import deque
from collections.abc import Iterator, Sequence

from jetbridge.delivery.base import Item, Progress
from jetbridge.delivery.tally import Exhibit, Tally
from jetbridge.destinations.segment.client import (
    BATCH_BYTES,
    BATCH_MESSAGES,
    MESSAGE_BYTES,
    BatchRefused,
    SegmentClient,
)
from jetbridge.destinations.segment.outgoing import render
from jetbridge.errors import HoldError
from jetbridge.spec.message import Message, encode

#: So many messages refused without one taken in between: the fault is not theirs.
REFUSALS_TO_HOLD = 20
#: How much of a failed message is kept for a person to read.
REQUEST_CHARACTERS = 2_000

_Rendered = tuple[Item, bytes]


class SegmentDestination:
    """Remembers what Segment took of items whose delivery did not end, so that it is not sent again."""

    def __init__(self, client: SegmentClient) -> None:
        self._client = client
        self._taken: set[int] = set()
        self._failed: dict[int, Exhibit] = {}
        self._refused_in_a_row: list[int] = []

    def deliver(self, items: Sequence[Item], progress: Progress) -> None:
        for batch in _batches(self._rendered(items)):
            self._send(batch)
        with progress.commit() as tally:
            self._account(items, tally)
        for item in items:  # of others the delivery may not have ended
            self._taken.discard(item.position)
            self._failed.pop(item.position, None)

    def close(self) -> None:
        """Nothing is kept open but pooled connections."""

    def _rendered(self, items: Sequence[Item]) -> Iterator[_Rendered]:
        """What is still to be sent, rendered; what is too large fails here."""
        for item in items:
            if item.position in self._taken or item.position in self._failed:
                continue
            body = render(item.message)
            if len(body) <= MESSAGE_BYTES:
                yield item, body
            else:
                sentence = f"Segment takes calls of up to {MESSAGE_BYTES:,} bytes; this has {len(body):,}."
                self._fail(item, body, "MESSAGE_TOO_LARGE", sentence)

    def _send(self, batch: list[_Rendered]) -> None:
        """Send a batch; while Segment refuses one, halve it until the bad message is alone."""
        waiting = deque([batch])
        while waiting:
            part = waiting.popleft()
            try:
                self._client.send([body for _, body in part])
            except BatchRefused as error:
                if len(part) == 1:
                    self._refuse(*part[0], error)
                else:
                    middle = len(part) // 2
                    waiting.extendleft((part[middle:], part[:middle]))
            else:
                self._taken.update(item.position for item, _ in part)
                self._refused_in_a_row.clear()

    def _refuse(self, item: Item, body: bytes, error: BatchRefused) -> None:
        self._fail(item, body, error.code, str(error), error.answer)
        self._refused_in_a_row.append(item.position)
        if len(self._refused_in_a_row) < REFUSALS_TO_HOLD:
            return
        for position in self._refused_in_a_row:
            self._failed.pop(position, None)
        self._refused_in_a_row.pop()  # the next refusal holds again
        raise HoldError(
            "EVERYTHING_REFUSED",
            f"Segment refused {REFUSALS_TO_HOLD} calls in a row, the last with: {error} Check the write key.",
            status=error.status,
            answer=error.answer,
        )

    def _fail(self, item: Item, body: bytes, reason: str, sentence: str, answer: str = "") -> None:
        message = item.message
        self._failed[item.position] = Exhibit(
            outcome="failed",
            reason=reason,
            sentence=sentence,
            position=item.position,
            message_id=message.message_id[:200],
            person=_person(message),
            request=body[:REQUEST_CHARACTERS].decode("utf-8", "replace"),
            answer=answer,
            body=encode(message),
        )

    def _account(self, items: Sequence[Item], tally: Tally) -> None:
        for item in items:
            if item.position in self._failed:
                tally.fail(self._failed[item.position]._replace(total=item.total))
            else:
                tally.delivered += item.total


def _person(message: Message) -> str:
    return message.user_id or message.anonymous_id or ""


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
