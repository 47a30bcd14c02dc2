"""Which messages wait for a contact to be acknowledged, and what a job was told about it.

They are kept apart by the list that they asked for: where one of a contact's lists cannot be told, what asked
for the others is acknowledged all the same. Those that named their list themselves have a key of their own: they do not
follow a destination that is given another list.
"""

from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec

from jetbridge.integrations.mailjet.contacts.state import Delivered


class Waiting(msgspec.Struct, array_like=True, gc=False):
    """Messages of one destination that merged into a contact: how many, the last one's place and id, the first
    one's place, and since when they wait (ms; 0: not known).
    """

    total: int
    position: int
    message_id: str
    first: int = 0
    since: int = 0


#: By `key_of` the list that was asked for.
ByList = dict[int, Waiting]

#: By destination id.
Pending = dict[int, ByList]


class Sent(msgspec.Struct, gc=False):
    """What was sent to Mailjet, and the messages that are acknowledged when it confirms."""

    state: Delivered
    pending: Pending


encode = msgspec.json.Encoder().encode
decode_pending = msgspec.json.Decoder(Pending).decode
decode_sent = msgspec.json.Decoder(Sent).decode


Of = TypeVar("Of")


def key_of(list_id: int, *, is_named: bool) -> int:
    """The list's id; the negative of it for messages that named the list themselves."""
    return -list_id if is_named else list_id


def add(pending: dict[Of, Waiting], of: Of, waiting: Waiting) -> None:
    known = pending.get(of)
    if known is None:
        pending[of] = waiting
    else:
        pending[of] = Waiting(
            known.total + waiting.total, waiting.position, waiting.message_id, known.first, known.since
        )


def move(pending: Pending, destination: int, list_id: int, to: int) -> None:
    """Let what waits for a list as the destination's own wait for another one."""
    by_list = pending[destination]
    first, last = by_list.pop(list_id), by_list.pop(to, None)
    if last and last.position < first.position:
        first, last = last, first
    by_list[to] = first
    if last:
        add(by_list, to, last)


def each(pending: Pending) -> Iterator[tuple[int, int, Waiting]]:
    """Destination, key of the list, and what waits."""
    for destination, by_list in pending.items():
        for key, waiting in by_list.items():
            yield destination, key, waiting


def without(pending: Pending, acknowledged: Pending) -> Pending:
    """What still waits when the messages of `acknowledged` are done."""
    left: Pending = {}
    for destination, key, waiting in each(pending):
        done = acknowledged.get(destination, _NOTHING).get(key)
        if done is None:
            left.setdefault(destination, {})[key] = waiting
        elif done.total < waiting.total:
            left.setdefault(destination, {})[key] = Waiting(
                waiting.total - done.total, waiting.position, waiting.message_id, done.position + 1
            )
    return left


def part(pending: Pending, keeps: Callable[[int], bool]) -> Pending:
    """What asked for the lists that it keeps."""
    kept: Pending = {}
    for destination, key, waiting in each(pending):
        if keeps(abs(key)):
            kept.setdefault(destination, {})[key] = waiting
    return kept


def of_list(pending: Pending, list_id: int) -> Pending:
    return part(pending, list_id.__eq__)


def lists(pending: Pending) -> set[int]:
    """Every list that something asked for."""
    return {abs(key) for _, key, _ in each(pending)}


_NOTHING: ByList = {}
