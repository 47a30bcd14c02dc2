"""A call, run through a destination without being sent: routing, contact, request; and who else would get it."""

from dataclasses import dataclass, field

from jetbridge.console.destinations.mapping_preview import looked
from jetbridge.control import directory
from jetbridge.control.directory import DestinationRef
from jetbridge.control.models import Destination, Source
from jetbridge.destinations import changes, trial
from jetbridge.destinations.mailjet.definition import KIND as MAILJET
from jetbridge.destinations.mailjet.preview import Preview
from jetbridge.destinations.trial import Step
from jetbridge.errors import DeliveryError, MessageRejected
from jetbridge.spec.message import Message


@dataclass(frozen=True)
class Tested:
    """`trouble`: why it went no further. `warning`: what it does without. `receivers`: where it would go if it was
    really sent.
    """

    message: Message | None = None
    steps: list[Step] = field(default_factory=list)
    contact: Preview | None = None
    request: str = ""
    trouble: str = ""
    warning: str = ""
    receivers: list[DestinationRef] = field(default_factory=list)

    @property
    def arrives(self) -> bool:
        return bool(self.steps) and all(step.passed for step in self.steps)


def rehearsed(row: Destination, text: str, source: Source) -> Tested:
    """The way of a call that was typed, as far as it goes."""
    try:
        message = trial.message_of(text)
    except MessageRejected as error:
        return Tested(trouble=f"No door would take this call: {error}")
    definition, ref = changes.definition_of(row), directory.destination(row.id)
    assert ref
    try:
        steps = trial.steps(ref, definition, message, source.id)
        refs = directory.destinations_of(row.workspace_id)
        enabled = set(row.workspace.destinations.filter(enabled=True).values_list("id", flat=True))
        receivers = [each for each in trial.receivers(refs, message, source.id) if each.id in enabled]
    except DeliveryError as error:
        return Tested(message, trouble=str(error))
    if not all(step.passed for step in steps):
        return Tested(message, steps, receivers=receivers)
    if row.kind != MAILJET:
        request = definition.request(ref, message)
        return Tested(message, steps, request=request, receivers=receivers)
    if message.type != "identify":
        return Tested(message, steps, receivers=receivers)
    return _with_contact(row, message, steps, receivers)


def _with_contact(
    row: Destination, message: Message, steps: list[Step], receivers: list[DestinationRef]
) -> Tested:
    found = looked(row, message, {})
    if found.result is None:
        return Tested(message, steps, trouble=found.trouble, receivers=receivers)
    request, warning = found.result.request, found.warning
    return Tested(message, steps, found.result, request, warning=warning, receivers=receivers)
