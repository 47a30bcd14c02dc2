"""A call, run through a destination without being sent: routing, contact, request; and who else would get it."""

from dataclasses import dataclass, field

from jetbridge.control import directory
from jetbridge.control.directory import DestinationRef
from jetbridge.control.models import Destination, Source
from jetbridge.destinations import changes, trial
from jetbridge.destinations.trial import Step
from jetbridge.errors import DeliveryError, MessageRejected
from jetbridge.integrations.base import Preview
from jetbridge.spec.message import Message


@dataclass(frozen=True)
class Tested:
    """`trouble`: why it went no further. `receivers`: where it would go if it was really sent."""

    message: Message | None = None
    steps: list[Step] = field(default_factory=list)
    preview: Preview = field(default_factory=Preview)
    trouble: str = ""
    receivers: list[DestinationRef] = field(default_factory=list)

    @property
    def arrives(self) -> bool:
        return bool(self.steps) and all(step.passed for step in self.steps)


def rehearsed(row: Destination, text: str, source: Source) -> Tested:
    """The way of a call that was typed, as far as it goes."""
    try:
        message = trial.message_of(text)
    except MessageRejected as error:
        return Tested(trouble=f"No ingest endpoint would take this call: {error}")
    integration, ref = changes.integration_of(row), directory.destination(row.id)
    assert ref
    try:
        decision = trial.decide(ref, integration, message, source.id)
        steps = trial.steps(ref, integration, message, decision)
        refs = directory.destinations_of(row.workspace_id)
        enabled = set(row.workspace.destinations.filter(enabled=True).values_list("id", flat=True))
        receivers = [each for each in trial.receivers(refs, message, source.id) if each.id in enabled]
    except DeliveryError as error:
        return Tested(message, trouble=str(error))
    if decision.reason:
        return Tested(message, steps, receivers=receivers)
    preview = integration.preview(ref, decision.message)
    return Tested(message, steps, preview, preview.error, receivers)
