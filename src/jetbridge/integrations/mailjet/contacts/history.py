"""History: the last calls and jobs that acknowledged a contact, for `jetbridge trace`.

Kept on the contact and written when it acknowledges anyway, so that a message costs no row of its own.
"""

from collections.abc import Iterator

import msgspec

from jetbridge.integrations.mailjet.contacts import pending as pending_
from jetbridge.integrations.mailjet.contacts.pending import Pending

#: Entries kept per contact.
KEPT = 10


class HistoryEntry(msgspec.Struct, omit_defaults=True, gc=False):
    """One settlement, at `at` (ms), of `total` messages in `first` to `last` (positions in the log).

    `by` is the call or job that carried them; empty if there was nothing to tell. `answer` is what came back.
    Of those that failed it is the code, and `failed_at` and `failed_for` are their destination and list.
    """

    at: int
    first: int
    last: int
    total: int
    by: str = ""
    answer: str = ""
    failed_at: int = 0
    failed_for: int = 0

    def carried(self, position: int) -> bool:
        return self.first <= position <= self.last


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(HistoryEntry).decode


def added(history: bytes | None, at: int, by: str, answer: str, pending: Pending) -> bytes | None:
    """The history with one entry more, in front; unchanged if no message was acknowledged."""
    if not pending:
        return history
    waiting = [each for _, _, each in pending_.each(pending)]
    entry = HistoryEntry(
        at,
        min([min(each.first, each.position) for each in waiting]),
        max([each.position for each in waiting]),
        sum([each.total for each in waiting]),
        by,
        answer,
    )
    return _in_front(entry, history)


def failed(history: bytes | None, at: int, by: str, code: str, pending: Pending) -> bytes | None:
    """The history with an entry for each destination and list whose messages have failed."""
    for destination, list_id, each in pending_.each(pending):
        first = min(each.first, each.position)
        entry = HistoryEntry(at, first, each.position, each.total, by, code, destination, list_id)
        history = _in_front(entry, history)
    return history


def _in_front(entry: HistoryEntry, history: bytes | None) -> bytes:
    # Lines, so that nothing has to be read to add one.
    lines = history.split(b"\n", KEPT - 1)[: KEPT - 1] if history else []
    return b"\n".join([_encode(entry), *lines])


def reaches(history: bytes | None, position: int) -> bool:
    """Whether a call that carried a message would still be remembered."""
    known = list(read(history))
    return len(known) < KEPT or known[-1].first <= position


def read(history: bytes | None) -> Iterator[HistoryEntry]:
    """Newest first."""
    if history:
        yield from map(_decode, history.split(b"\n"))
