"""Messages that wait for a contact to be acknowledged, and the history of the calls and jobs that acknowledged it.

Waiting messages are kept apart by the list that they name: if one of a contact's lists cannot be updated, the messages for
the others are acknowledged all the same. Messages that name their list themselves have a key of their own: they do not
follow a destination that is given another list.

The history is for `jetbridge messages trace`. It is kept on the contact and written when the contact is acknowledged anyway, so that
a message costs no row of its own.
"""

from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec

#: Entries of the history kept per contact.
HISTORY_ENTRIES = 10


class Waiting(msgspec.Struct, array_like=True, gc=False):
    """Messages of one destination that merged into a contact: how many, the last one's position and id, the first
    one's position, and since when they wait (ms; 0: not known).
    """

    total: int
    position: int
    message_id: str
    first: int = 0
    since: int = 0


#: By `key_of` the list that they name.
ByList = dict[int, Waiting]

#: By destination id.
Pending = dict[int, ByList]

decode_pending = msgspec.json.Decoder(Pending).decode

Key = TypeVar("Key")


def key_of(list_id: int, *, is_named: bool) -> int:
    """The list's id; the negative of it for messages that named the list themselves."""
    return -list_id if is_named else list_id


def add(pending: dict[Key, Waiting], key: Key, waiting: Waiting) -> None:
    known = pending.get(key)
    if known is None:
        pending[key] = waiting
    else:
        pending[key] = Waiting(
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


def flatten(pending: Pending) -> Iterator[tuple[int, int, Waiting]]:
    """Destination, key of the list, and what waits."""
    for destination, by_list in pending.items():
        for key, waiting in by_list.items():
            yield destination, key, waiting


def without(pending: Pending, acknowledged: Pending) -> Pending:
    """What still waits when the messages of `acknowledged` are done."""
    left: Pending = {}
    for destination, key, waiting in flatten(pending):
        done = acknowledged.get(destination, _NOTHING).get(key)
        if done is None:
            left.setdefault(destination, {})[key] = waiting
        elif done.total < waiting.total:
            left.setdefault(destination, {})[key] = Waiting(
                waiting.total - done.total, waiting.position, waiting.message_id, done.position + 1
            )
    return left


_NOTHING: ByList = {}


def part(pending: Pending, keeps: Callable[[int], bool]) -> Pending:
    """The messages for the lists that it keeps."""
    kept: Pending = {}
    for destination, key, waiting in flatten(pending):
        if keeps(abs(key)):
            kept.setdefault(destination, {})[key] = waiting
    return kept


def of_list(pending: Pending, list_id: int) -> Pending:
    return part(pending, list_id.__eq__)


def lists(pending: Pending) -> set[int]:
    """Every list that messages wait for."""
    return {abs(key) for _, key, _ in flatten(pending)}


# ---- history


class HistoryEntry(msgspec.Struct, omit_defaults=True, gc=False):
    """One acknowledgement, at `at` (ms), of `total` messages in `first` to `last` (positions in the log).

    `by` is the call or job that carried them; empty if there was nothing to send. `response` is what came back.
    Of those that failed it is the code, and `failed_at` and `failed_for` are their destination and key of the list.
    """

    at: int
    first: int
    last: int
    total: int
    by: str = ""
    response: str = ""
    failed_at: int = 0
    failed_for: int = 0

    def carried(self, position: int) -> bool:
        return self.first <= position <= self.last


_encode_entry = msgspec.json.Encoder().encode
_decode_entry = msgspec.json.Decoder(HistoryEntry).decode


def add_acknowledged(
    history: bytes | None, at: int, by: str, response: str, acknowledged: Pending
) -> bytes | None:
    """The history with one entry more, in front; unchanged if no message was acknowledged."""
    if not acknowledged:
        return history
    messages = [waiting for _, _, waiting in flatten(acknowledged)]
    entry = HistoryEntry(
        at,
        min([min(waiting.first, waiting.position) for waiting in messages]),
        max([waiting.position for waiting in messages]),
        sum([waiting.total for waiting in messages]),
        by,
        response,
    )
    return _in_front(entry, history)


def add_failed(history: bytes | None, at: int, by: str, code: str, failed: Pending) -> bytes | None:
    """The history with an entry for each destination and list whose messages have failed."""
    for destination, key, waiting in flatten(failed):
        first = min(waiting.first, waiting.position)
        entry = HistoryEntry(at, first, waiting.position, waiting.total, by, code, destination, key)
        history = _in_front(entry, history)
    return history


def _in_front(entry: HistoryEntry, history: bytes | None) -> bytes:
    # Lines, so that nothing has to be decoded to add one.
    lines = history.split(b"\n", HISTORY_ENTRIES - 1)[: HISTORY_ENTRIES - 1] if history else []
    return b"\n".join([_encode_entry(entry), *lines])


def read_history(history: bytes | None) -> Iterator[HistoryEntry]:
    """Newest first."""
    if history:
        yield from map(_decode_entry, history.split(b"\n"))


def history_reaches(history: bytes | None, position: int) -> bool:
    """Whether a call that carried a message would still be remembered."""
    entries = list(read_history(history))
    return len(entries) < HISTORY_ENTRIES or entries[-1].first <= position
