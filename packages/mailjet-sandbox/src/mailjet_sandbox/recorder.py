"""Records what the sandbox receives: counts of API calls and the latest ones, and the calls to the Segment Tracking API."""

from collections import Counter, deque
from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgspec

#: Words that may follow a resource's name or a row's identifier. Anything else in a path is an identifier.
ACTIONS = frozenset(
    {
        "csvdata",
        "csverror",
        "getcontactslists",
        "importlist",
        "jsonerror",
        "managecontact",
        "managecontactslists",
        "managemanycontacts",
        "test",
    }
)

RECENT = 200
_MAX_NAMES = 1_000


def endpoint(segments: list[str]) -> str:
    """Name an API path without its version and identifiers: ``contactslist/managemanycontacts``, ``send``, ``contact``."""
    words = [segment.lower() for segment in segments[1:]]
    if words and words[0] in ("rest", "data"):
        del words[0]
    if not words:
        return "/"
    action = next((word for word in words[1:] if word in ACTIONS), None)
    return f"{words[0][:64]}/{action}" if action else words[0][:64]


@dataclass(frozen=True)
class RecentCall:
    at: float
    method: str
    path: str
    #: 0: there was no response.
    status: int
    #: The kinds of fault that it triggered.
    faults: str = ""


class Calls:
    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.counts: Counter[str] = Counter()
        self.recent: deque[RecentCall] = deque(maxlen=RECENT)

    def record(self, segments: list[str], call: RecentCall) -> None:
        """Count a call, rejected ones included."""
        name = f"{call.method} {endpoint(segments)}"
        if name in self.counts or len(self.counts) < _MAX_NAMES:
            self.counts[name] += 1
        self.recent.append(call)


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
