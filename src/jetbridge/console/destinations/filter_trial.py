"""A filter, tried on recent messages before it is saved."""

from dataclasses import dataclass

from jetbridge.console.destinations import tester_messages
from jetbridge.console.destinations.tester_messages import Found
from jetbridge.console.log import event_log
from jetbridge.control.models import Destination
from jetbridge.destinations import changes
from jetbridge.routing.filters import Filter, Filters

#: Recent messages that a filter is tried on, and how many of the dropped ones are shown.
TRIED, SHOWN = 200, 5


@dataclass(frozen=True)
class Tried:
    """What a filter would have done with recent messages of call types that the destination accepts."""

    total: int
    dropped: list[Found]
    error: str = ""

    @property
    def shown(self) -> list[Found]:
        return self.dropped[:SHOWN]


def tried(row: Destination, wanted: Filter) -> Tried:
    """As if it was enabled. Raises WrongFilters."""
    ready = Filters([Filter(wanted.name, wanted.conditions, wanted.match, enabled=True)])
    accepted = changes.definition_of(row).accepts
    with event_log() as log:
        found = tester_messages.recent(log, row, accepted, TRIED)
    return Tried(len(found), [each for each in found if ready.dropped_by(each.message)])
