"""Counts API calls for tests, and keeps the latest ones for the page."""

from collections import Counter, deque
from dataclasses import dataclass

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
