"""A dry run of a call: the way it would take to a destination, step by step, without being sent."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec

from jetbridge.control import directory
from jetbridge.control.directory import DestinationRef
from jetbridge.control.models import Destination, Source
from jetbridge.errors import ConfigurationError, DeliveryError, MessageRejected
from jetbridge.integrations import base, registry
from jetbridge.integrations.base import Preview
from jetbridge.routing.route import (
    ALREADY_PASSED,
    BLOCKED_AT_SOURCE,
    DESTINATION_FILTER_ERROR,
    EVENT_TYPE_DISABLED,
    FILTERED_BY_DESTINATION_FILTER,
    FILTERED_BY_INTEGRATIONS_OBJECT,
    FOR_ANOTHER_DESTINATION,
    REASONS,
    UNSUPPORTED_EVENT_TYPE,
    USER_SUPPRESSED,
    Decision,
)
from jetbridge.services import destination_settings
from jetbridge.spec.message import Message, decode
from jetbridge.spec.normalise import Arrival
from jetbridge.spec.outgoing import render
from jetbridge.spec.parse import Accepted, parse_single
from jetbridge.spec.untrusted import JSON_ERRORS, read_untrusted

#: What is looked at, by the reason for which a message would not come.
TITLES = {
    UNSUPPORTED_EVENT_TYPE: "Call type",
    FOR_ANOTHER_DESTINATION: "Engage",
    BLOCKED_AT_SOURCE: "Schema of the source",
    FILTERED_BY_INTEGRATIONS_OBJECT: "Integrations object",
    ALREADY_PASSED: "Loops",
    EVENT_TYPE_DISABLED: "Email events",
    USER_SUPPRESSED: "Forgotten people",
    FILTERED_BY_DESTINATION_FILTER: "Filters",
    DESTINATION_FILTER_ERROR: "Filters",
}


#: In the context of a message that is sent as a test call.
TEST = "test"
#: In place of a value that a call was accepted without.
UNREADABLE = "(could not be read)"


@dataclass(frozen=True)
class Step:
    """`passed` None: not reached. `code` and `detail` say why it stopped here."""

    title: str
    passed: bool | None
    code: str = ""
    detail: str = ""


@dataclass(frozen=True)
class DryRunResult:
    """`problem`: why it went no further. `receivers`: where it would go if it was really sent."""

    message: Message | None = None
    steps: list[Step] = field(default_factory=list)
    preview: Preview = field(default_factory=Preview)
    problem: str = ""
    receivers: list[DestinationRef] = field(default_factory=list)

    @property
    def arrives(self) -> bool:
        return bool(self.steps) and all(step.passed for step in self.steps)


def message_of(text: str) -> Message:
    """A call that a person typed, as an endpoint would take it now. Raises MessageRejected."""
    return decode(accepted(text).body)


def run(row: Destination, text: str, source: Source) -> DryRunResult:
    """The way of a call that was typed, as far as it goes."""
    try:
        message = message_of(text)
    except MessageRejected as error:
        return DryRunResult(problem=f"No ingest endpoint would take this call: {error}")
    integration, ref = destination_settings.integration_of(row), directory.destination(row.id)
    assert ref
    try:
        decision = decide(ref, integration, message, source.id)
        way = steps(ref, integration, message, decision)
        refs = directory.destinations_of(row.workspace_id)
        enabled = set(row.workspace.destinations.filter(enabled=True).values_list("id", flat=True))
        others = [ref for ref in receivers(refs, message, source.id) if ref.id in enabled]
    except DeliveryError as error:
        return DryRunResult(message, problem=str(error))
    if decision.reason:
        return DryRunResult(message, way, receivers=others)
    preview = integration.preview(ref, decision.message)
    return DryRunResult(message, way, preview, preview.error, others)


def readable(message: Message) -> str:
    """A call as a person may change and send it again: without what the server makes, and what came in confidence.

    What it came without has a text in its place: a consent that could not be read must not look like none.
    """
    call = msgspec.json.decode(render(message))
    for path in message.dropped or ():
        _put(call, path.split("."), UNREADABLE)
    return msgspec.json.format(msgspec.json.encode(call), indent=2).decode()


def _put(inside: Any, path: list[str], value: str) -> None:
    for name in path[:-1]:
        if not isinstance(inside, dict):
            return
        inside = inside.setdefault(name, {})
    if isinstance(inside, dict):
        inside.setdefault(path[-1], value)


def steps(
    ref: DestinationRef, integration: base.Destination, message: Message, decision: Decision
) -> list[Step]:
    """The way of a message through routing, by what `decide` said."""
    reason = decision.reason
    # Steps that most messages do not have are shown where they decide.
    left_out = {ALREADY_PASSED, FOR_ANOTHER_DESTINATION}
    if integration.email_events(ref) is None:
        left_out.add(EVENT_TYPE_DISABLED)
    titles = list(dict.fromkeys(TITLES[code] for code in REASONS if code not in left_out - {reason}))
    stops_at = titles.index(TITLES[reason]) if reason else len(titles)
    steps = [Step(title, True if at < stops_at else None) for at, title in enumerate(titles)]
    if reason:
        detail = decision.detail or _filter_detail(integration, message, reason)
        steps[stops_at] = Step(TITLES[reason], passed=False, code=reason, detail=detail)
    return steps


def receivers(refs: Sequence[DestinationRef], message: Message, source: int) -> Iterator[DestinationRef]:
    """Those of the destinations that the message would come to."""
    known = registry.destinations()
    for ref in refs:
        integration = known.get(ref.kind)
        if (
            integration
            and source in ref.source_kinds
            and not decide(ref, integration, message, source).reason
        ):
            yield ref


def marked_as_test(
    ref: DestinationRef, integration: base.Destination, message: Message, source: int
) -> Message:
    """The message for a test call: as routing would let it through, under a new messageId, and marked.

    Raises ConfigurationError where it would not come there: whoever must not be named there is not named by a test
    either. Raises PauseError if the filters cannot be read.
    """
    if not integration.has_test_call:
        raise ConfigurationError(
            f"{integration.title} has no test call: its messages are not sent one by one."
        )
    decision = decide(ref, integration, message, source)
    if decision.reason:
        why = decision.detail or _filter_detail(integration, message, decision.reason)
        raise ConfigurationError(f"It would not come to {ref.name} ({decision.reason}): {why}")
    return msgspec.structs.replace(
        decision.message,
        message_id=f"test-{uuid4()}",
        context={**(decision.message.context or {}), TEST: True},
    )


def decide(ref: DestinationRef, integration: base.Destination, message: Message, source: int) -> Decision:
    """Whether a message would come to a destination, and how. Raises PauseError if the filters cannot be read."""
    if message.type not in integration.accepts:
        return Decision(UNSUPPORTED_EVENT_TYPE, message)
    route = integration.route(ref)
    route.suppressed.refresh()
    return route.decide(message, source)


def _filter_detail(integration: base.Destination, message: Message, code: str) -> str:
    return {
        UNSUPPORTED_EVENT_TYPE: f"It accepts {', '.join(sorted(integration.accepts))}; this is {message.type}.",
        FOR_ANOTHER_DESTINATION: "Engage has sent it to another destination.",
        BLOCKED_AT_SOURCE: f"{message.event or message.type} is blocked at its source.",
        FILTERED_BY_INTEGRATIONS_OBJECT: f"It answers to {' and '.join(integration.names)}, and is switched off there.",
        ALREADY_PASSED: "It has passed this destination before, and came back by another tool.",
        EVENT_TYPE_DISABLED: f"{message.event} is not among the email events that go on.",
        USER_SUPPRESSED: "Messages that name the person are not taken any more.",
    }[code]


def accepted(text: str, *, is_new: bool = False) -> Accepted:
    body = text.encode()
    if is_new:
        body = _without_id(body)
    parsed = parse_single(body, Arrival(received_at=datetime.now(UTC)))
    if parsed.rejected:
        raise parsed.rejected[0].reason
    return parsed.accepted[0]


def _without_id(body: bytes) -> bytes:
    try:
        call = read_untrusted(body)
    except JSON_ERRORS as error:
        raise MessageRejected("bad_request", "What was typed is not JSON.") from error
    if not isinstance(call, dict):
        raise MessageRejected("bad_request", "A call must be a JSON object.")
    kept = {name: value for name, value in call.items() if name.replace("_", "").lower() != "messageid"}
    return msgspec.json.encode(kept)
