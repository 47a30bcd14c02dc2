"""Which messages a destination gets: what is blocked at their source, the integrations object, suppression, and filters.

The integrations object is decided per destination (Segment docs, "Filtering with the Integrations object").
Names are case-sensitive. An object as value enables the destination and carries its options. `All` speaks for
destinations that are not named; without `All` everything not named is enabled.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import msgspec

from jetbridge.routing.blocks import Blocks
from jetbridge.routing.filters import Effect, Filters
from jetbridge.spec.message import Message
from jetbridge.spec.outgoing import has_passed, keep_passed
from jetbridge.spec.person import UNSUBSCRIBED, keep_consent

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


_REASON_OF = {Effect.FILTERED: FILTERED_BY_DESTINATION_FILTER, Effect.ERROR: DESTINATION_FILTER_ERROR}


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
    #: What the destination puts into messages that it sends on: one that has it comes back. "" for none.
    tag: str = ""
    #: What the destination calls email events, by their names in the log: the last thing that is done with a message, so
    #: blocks, `email_events` and filters see the names of the log.
    email_event_names: Mapping[str, str] = field(default_factory=dict)
    #: The traits that carry consent: no filter takes them away.
    consent_traits: Collection[str] = (UNSUBSCRIBED,)
    #: What is blocked at its sources, by their ids.
    blocks: Mapping[int, Blocks] = field(default_factory=dict)
    #: The id of the destination: a call of Engage names the one that it is for. 0 for none.
    destination: int = 0

    def decide(self, message: Message, source: int) -> Decision:
        decision = self._decide_at_source(message, source)
        name = self.email_event_names.get(message.event or "")
        if name is None or decision.reason or not self._is_email_event(message, source):
            return decision
        return decision._replace(message=msgspec.structs.replace(decision.message, event=name))

    def _decide_at_source(self, message: Message, source: int) -> Decision:
        if message.engage is not None and message.engage.destination != self.destination:
            return Decision(FOR_ANOTHER_DESTINATION, message)
        blocks = self.blocks.get(source)
        if blocks is None:
            return self._decide(message, source)
        if blocks.blocks(message):
            return Decision(BLOCKED_AT_SOURCE, message)
        rest = blocks.apply(message)
        if rest is not message:
            rest = keep_consent(message, rest, self.consent_traits)
        return self._decide(rest, source)

    def _decide(self, message: Message, source: int) -> Decision:
        if reason := self._left_out(message, source):
            return Decision(reason, message)
        events = self.email_events
        if events is not None and message.event not in events and self._is_email_event(message, source):
            return Decision(EVENT_TYPE_DISABLED, message)
        if self.suppressed.covers(message):
            return Decision(USER_SUPPRESSED, message)
        if self.filters is None:
            return Decision(None, message)
        effect, changed, detail = self.filters.apply(message)
        if effect is not Effect.PASSES:
            return Decision(_REASON_OF[effect], message, detail)
        if changed is not message:
            changed = keep_passed(message, keep_consent(message, changed, self.consent_traits))
        return Decision(None, changed)

    def _is_email_event(self, message: Message, source: int) -> bool:
        return self.source_kinds.get(source) == "mailjet" and message.type == "track"

    def _left_out(self, message: Message, source: int) -> str | None:
        if self.tag and has_passed(message, self.tag):
            return ALREADY_PASSED
        integrations = message.integrations
        if not integrations:
            return None
        for name in (*self.names, "All"):
            value = integrations.get(name)
            if value is None or (name == "All" and self.source_kinds.get(source) == "segment"):
                continue
            return None if value or isinstance(value, dict) else FILTERED_BY_INTEGRATIONS_OBJECT
        return None
