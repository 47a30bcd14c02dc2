"""Which messages a destination gets: what is blocked at their source, the integrations object, suppression, and filters.

The integrations object is decided per destination (Segment docs, "Filtering with the Integrations object").
Names are case-sensitive. An object as value enables the destination and carries its options. `All` speaks for
destinations that are not named; without `All` everything not named is enabled.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

from jetbridge.spec.message import Message
from jetbridge.spec.outgoing import has_passed, keep_passed
from jetbridge.spec.person import UNSUBSCRIBED, keep_consent

if TYPE_CHECKING:
    from jetbridge.routing.filters import Filters
    from jetbridge.routing.properties import Blocks

FILTERED_BY_INTEGRATIONS_OBJECT = "FILTERED_BY_INTEGRATIONS_OBJECT"
FILTERED_BY_DESTINATION_FILTER = "FILTERED_BY_DESTINATION_FILTER"
DESTINATION_FILTER_ERROR = "DESTINATION_FILTER_ERROR"
UNSUPPORTED_EVENT_TYPE = "UNSUPPORTED_EVENT_TYPE"
FOR_ANOTHER_DESTINATION = "FOR_ANOTHER_DESTINATION"
ALREADY_PASSED = "ALREADY_PASSED"
EVENT_TYPE_DISABLED = "EVENT_TYPE_DISABLED"
USER_SUPPRESSED = "USER_SUPPRESSED"
BLOCKED_AT_SOURCE = "BLOCKED_AT_SOURCE"

#: All for which a message does not come to a destination.
REASONS = (
    UNSUPPORTED_EVENT_TYPE,
    FOR_ANOTHER_DESTINATION,
    BLOCKED_AT_SOURCE,
    ALREADY_PASSED,
    FILTERED_BY_INTEGRATIONS_OBJECT,
    EVENT_TYPE_DISABLED,
    USER_SUPPRESSED,
    FILTERED_BY_DESTINATION_FILTER,
    DESTINATION_FILTER_ERROR,
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


class Decision(NamedTuple):
    """`reason` is the code for which a message does not go to a destination, or None. `message` is what goes there:
    filters may take properties away. `detail` names the filter that decided.
    """

    reason: str | None
    message: Message
    detail: str = ""


@dataclass(frozen=True)
class Route:
    """What one destination takes: call types, and its names in the integrations object.

    `source_kinds` maps the ids of its sources to their kinds. Calls of a "segment" source were addressed to
    us by a Segment workspace, which has applied `All` already, for destinations that are not ours.
    """

    accepts: frozenset[str]
    names: tuple[str, ...]
    source_kinds: dict[int, str]
    suppressed: Suppressed = field(default_factory=Nobody)
    #: None without one that is enabled.
    filters: "Filters | None" = None
    #: The email events that it gets, by name; None: all. What else its sources bring is not concerned.
    email_events: frozenset[str] | None = None
    #: What the destination puts into messages that it sends on: one that has it comes back. "" for none.
    tag: str = ""
    #: What the destination calls email events, by their names in the log: the last thing that is done with a message, so
    #: blocks, `email_events` and filters see the names of the log.
    email_event_names: Mapping[str, str] = field(default_factory=dict)
    #: The traits that carry consent: no filter takes them away.
    consent_traits: Collection[str] = (UNSUBSCRIBED,)
    #: What is blocked at its sources, by their ids.
    blocks: "Mapping[int, Blocks]" = field(default_factory=dict)
    #: The id of the destination: a call of Engage names the one that it is for. 0 for none.
    destination: int = 0

    def decide(self, message: Message, source: int) -> Decision:
        if message.engage is not None and message.engage.destination != self.destination:
            return Decision(FOR_ANOTHER_DESTINATION, message)
        blocks = self.blocks.get(source)
        if blocks is not None:
            if blocks.blocks(message):
                return Decision(BLOCKED_AT_SOURCE, message)
            rest = blocks.apply(message)
            if rest is not message:
                message = keep_consent(message, rest, self.consent_traits)
        if self.tag and has_passed(message, self.tag):
            return Decision(ALREADY_PASSED, message)
        if message.integrations and self.is_disabled(message.integrations, source):
            return Decision(FILTERED_BY_INTEGRATIONS_OBJECT, message)
        is_email_event = message.type == "track" and self.source_kinds.get(source) == "mailjet"
        if is_email_event and self.email_events is not None and message.event not in self.email_events:
            return Decision(EVENT_TYPE_DISABLED, message)
        if self.suppressed.covers(message):
            return Decision(USER_SUPPRESSED, message)
        detail = ""
        if self.filters is not None:
            reason, changed, detail = self.filters.apply(message)
            if reason:
                return Decision(reason, message, detail)
            if changed is not message:
                message = keep_passed(message, keep_consent(message, changed, self.consent_traits))
        if is_email_event and (name := self.email_event_names.get(message.event or "")) is not None:
            message = msgspec.structs.replace(message, event=name)
        return Decision(None, message, detail)

    def is_disabled(self, integrations: Mapping[str, Any], source: int) -> bool:
        """Whether the integrations object disables this destination."""
        for name in (*self.names, "All"):
            value = integrations.get(name)
            if value is None or (name == "All" and self.source_kinds.get(source) == "segment"):
                continue
            return not (value or isinstance(value, dict))
        return False
