"""The last events that became track calls: what Mailjet sends again is known by them.

In memory, so a worker that starts anew knows none: then a repetition goes on once more, under the same messageId.
"""

from collections.abc import Iterable
from typing import Final

#: So many events at the least, and twice as many at the most; each takes some 60 bytes. Mailjet repeats a call after 30 s.
KEPT: Final = 100_000


class RecentEvents:
    """Keys of events, the oldest half forgotten at once. Used by one thread."""

    def __init__(self) -> None:
        self._newer: set[int] = set()
        self._older: set[int] = set()

    def __contains__(self, key: int) -> bool:
        return key in self._newer or key in self._older

    def add(self, keys: Iterable[int]) -> None:
        self._newer.update(keys)
        if len(self._newer) >= KEPT:
            self._older, self._newer = self._newer, set()


def key_of(message_id: str) -> int:
    """64 bits of an id that `track` made: that a new event has the key of a known one has a chance of one in 10^14."""
    return int(message_id[-16:], 16)
