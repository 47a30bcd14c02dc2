"""A light: something that stops or delays deliveries. `services/queries/health.py` says which are on."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from jetbridge.eventlog.base import EventLog

State = Literal["ok", "warn", "fail"]

#: Lights of rooms that `services/queries/health.py` does not import, by their names; their apps register them.
providers: dict[str, Callable[[EventLog, datetime], Iterable["Light"]]] = {}


@dataclass(frozen=True)
class Light:
    """Something that stops or delays deliveries. `text` is `message: fix`.

    `thing` is such as worker, thread:schema, destination:3; `destinations` are those that it stops or delays, None: all.
    `workspace` is the one that it concerns, beside these.
    """

    code: str
    state: State
    thing: str
    message: str
    fix: str
    since: datetime | None = None
    destinations: frozenset[int] | None = frozenset()
    workspace: int | None = None

    @property
    def text(self) -> str:
        return f"{self.message}: {self.fix}"

    def is_of(self, destination: int) -> bool:
        return self.destinations is None or destination in self.destinations

    def is_within(self, workspace: int, destinations: Collection[int], sources: Collection[int]) -> bool:
        """Whether it concerns a workspace with these destinations and sources."""
        kind, _, id_ = self.thing.partition(":")
        if self.workspace is not None:
            return self.workspace == workspace
        if self.destinations:
            return not self.destinations.isdisjoint(destinations)
        if kind == "source":
            return int(id_) in sources
        # The names of other threads name what is in a workspace.
        return self.destinations is None or id_.isalpha()
