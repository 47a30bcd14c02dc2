"""A preview of what a message would become under some settings, with what a person can do without Mailjet's answer."""

import dataclasses
from collections.abc import Mapping

from jetbridge.control import directory
from jetbridge.control.directory import DestinationRef
from jetbridge.control.models import Destination
from jetbridge.destinations import changes
from jetbridge.destinations.mailjet.preview import Preview, preview
from jetbridge.errors import DeliveryError
from jetbridge.spec.message import Message


@dataclasses.dataclass(frozen=True)
class Looked:
    """A preview, or why there is none; `warning` says what it does without."""

    message: Message | None
    result: Preview | None = None
    trouble: str = ""
    warning: str = ""


def looked(row: Destination, message: Message | None, values: Mapping[str, str]) -> Looked:
    """Preview a message under these settings; without the Datatypes if Mailjet does not name them."""
    if message is None:
        return Looked(None)
    wrong = changes.definition_of(row).problems({**changes.values_of(row), **values})
    if sentences := [wrong[name] for name in values if name in wrong]:
        return Looked(message, trouble=sentences[0])
    stored = directory.destination(row.id)
    assert stored
    ref = dataclasses.replace(stored, settings={**stored.settings, **values})
    try:
        return Looked(message, preview(ref, message))
    except DeliveryError as error:
        return _without_datatypes(ref, message, str(error))


def _without_datatypes(ref: DestinationRef, message: Message, why: str) -> Looked:
    try:
        result = preview(ref, message, offline=True)
    except DeliveryError as error:
        return Looked(message, trouble=str(error))
    return Looked(message, result, warning=f"Datatypes are not shown: {why}")
