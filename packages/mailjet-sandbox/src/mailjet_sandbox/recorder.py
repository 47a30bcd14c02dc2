"""Keeps the latest calls that the Segment Tracking API has received."""

from collections import Counter, deque
from itertools import islice
from typing import Any

import msgspec

#: Calls that are kept.
KEPT = 10_000

#: Types of calls, which are counted by name.
TYPES = ("identify", "track", "page", "screen", "group", "alias", "delete")


class Received(msgspec.Struct, frozen=True):
    """One call, and when it was received."""

    #: Counts from 1, and goes on after a reset.
    number: int
    received_at: int
    write_key: str
    call: dict[str, Any]


class Recorder:
    def __init__(self) -> None:
        self._last_number = 0
        self.clear()

    def clear(self) -> None:
        self.calls: deque[Received] = deque(maxlen=KEPT)
        self.counts: Counter[str] = Counter()
        #: Calls that Segment would drop after a 200, by reason.
        self.dropped: Counter[str] = Counter()

    def add(self, received_at: int, write_key: str, call: dict[str, Any]) -> None:
        self._last_number += 1
        self.calls.append(Received(self._last_number, received_at, write_key, call))
        self.counts[call["type"] if call.get("type") in TYPES else "other"] += 1

    def after(self, number: int, limit: int) -> list[Received]:
        """Return the calls that follow a number, oldest first."""
        first = self._last_number - len(self.calls)
        return list(islice(self.calls, max(0, number - first), max(0, number - first) + limit))

    def latest(self, limit: int) -> list[Received]:
        return self.after(self._last_number - limit, limit)
