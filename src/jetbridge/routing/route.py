"""Which messages a destination gets: the integrations object, suppression, and the destination's own filters.

The integrations object is decided per destination (Segment docs, "Filtering with the Integrations object").
Names are case-sensitive. An object as value enables the destination and carries its options. `All` speaks for
destinations that are not named; without `All` everything not named is enabled.
"""

from dataclasses import dataclass, field
from typing import Protocol

from jetbridge.routing.filters import Filters
from jetbridge.spec.message import Message

FILTERED_BY_INTEGRATIONS_OBJECT = "FILTERED_BY_INTEGRATIONS_OBJECT"
FILTERED_BY_DESTINATION_FILTER = "FILTERED_BY_DESTINATION_FILTER"
UNSUPPORTED_EVENT_TYPE = "UNSUPPORTED_EVENT_TYPE"
EVENT_TYPE_OFF = "EVENT_TYPE_OFF"
USER_SUPPRESSED = "USER_SUPPRESSED"

#: All for which a message does not come to a destination.
REASONS = (
    UNSUPPORTED_EVENT_TYPE,
    FILTERED_BY_INTEGRATIONS_OBJECT,
    EVENT_TYPE_OFF,
    USER_SUPPRESSED,
    FILTERED_BY_DESTINATION_FILTER,
)


class Suppressed(Protocol):
    """The people of whom a workspace takes no messages."""

    def refresh(self) -> None:
        """Learn who was added. Called for every batch."""

    def covers(self, message: Message) -> bool: ...


class Nobody:
    """Nobody is suppressed."""

    def refresh(self) -> None: ...

    def covers(self, message: Message) -> bool:  # noqa: ARG002 - whatever it is
        return False


@dataclass(frozen=True)
class Route:
    """What one destination takes: call types, and the names it answers to in the integrations object.

    `source_kinds` maps the ids of its sources to their kinds. Calls of a "segment" source were addressed to
    us by a Segment workspace, which has applied `All` already, for destinations that are not ours.
    """

    accepts: frozenset[str]
    names: tuple[str, ...]
    source_kinds: dict[int, str]
    suppressed: Suppressed = field(default_factory=Nobody)
    #: None without one that is enabled.
    filters: Filters | None = None
    #: The email events that it gets, by name; None: all. What else its sources bring is not concerned.
    email_events: frozenset[str] | None = None

    def why_not(self, message: Message, source: int) -> str | None:
        """The reason for which the message does not go there, or None."""
        if reason := self._left_out(message, source):
            return reason
        if self.email_events is not None and self._is_off(message, source):
            return EVENT_TYPE_OFF
        if self.suppressed.covers(message):
            return USER_SUPPRESSED
        if self.filters and self.filters.dropped_by(message):
            return FILTERED_BY_DESTINATION_FILTER
        return None

    def _is_off(self, message: Message, source: int) -> bool:
        return self.source_kinds[source] == "mailjet" and message.event not in (self.email_events or ())

    def _left_out(self, message: Message, source: int) -> str | None:
        integrations = message.integrations
        if not integrations:
            return None
        for name in (*self.names, "All"):
            value = integrations.get(name)
            if value is None or (name == "All" and self.source_kinds[source] == "segment"):
                continue
            return None if value or isinstance(value, dict) else FILTERED_BY_INTEGRATIONS_OBJECT
        return None
