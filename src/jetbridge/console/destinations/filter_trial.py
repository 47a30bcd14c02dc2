"""A filter, tried on recent messages before it is saved."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from jetbridge.console.destinations import tester_messages
from jetbridge.console.destinations.tester_messages import Found
from jetbridge.console.log import event_log
from jetbridge.control.models import Destination
from jetbridge.destinations import changes
from jetbridge.routing.filters import Filter, Filters

#: Recent messages that a filter is tried on, in how much time at the most, and how many of the dropped ones are shown.
TRIED, SECONDS, SHOWN = 200, 0.5, 5


@dataclass(frozen=True)
class Tried:
    """What a filter would have done with recent messages of call types that the destination accepts."""

    total: int
    dropped: list[Found]
    error: str = ""

    @property
    def shown(self) -> list[Found]:
        return self.dropped[:SHOWN]


def tried(row: Destination, wanted: Filter, clock: Callable[[], float] = time.monotonic) -> Tried:
    """As if it was enabled. Raises WrongFilters."""
    ready = Filters([Filter(wanted.name, wanted.conditions, wanted.match, enabled=True)])
    accepted = changes.definition_of(row).accepts
    with event_log() as log:
        found = tester_messages.recent(log, row, accepted, TRIED)
    dropped, ends_at = [], clock() + SECONDS
    for number, each in enumerate(found, start=1):
        if ready.dropped_by(each.message):
            dropped.append(each)
        if clock() > ends_at:
            return Tried(number, dropped)
    return Tried(len(found), dropped)
