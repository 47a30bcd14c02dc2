"""A preview of what a message would become under some settings, with what a person can do without Mailjet's answer."""

import dataclasses
from collections.abc import Mapping

from jetbridge.control import directory
from jetbridge.control.directory import DestinationRef
from jetbridge.control.models import Destination
from jetbridge.errors import ConfigurationError, DeliveryError
from jetbridge.integrations.mailjet.sync.preview import Preview, preview
from jetbridge.services import destination_settings
from jetbridge.spec.message import Message


@dataclasses.dataclass(frozen=True)
class Looked:
    """A preview, or why there is none; `warning` says what it does without."""

    message: Message | None
    result: Preview | None = None
    trouble: str = ""
    warning: str = ""


def looked(
    row: Destination, message: Message | None, values: Mapping[str, str], source: int | None = None
) -> Looked:
    """Preview a message as it comes from a source (or any of them), under these settings."""
    if message is None:
        return Looked(None)
    stored = directory.destination(row.id)
    assert stored
    try:
        ref = destination_settings.tried_on(stored, values)
        route = destination_settings.integration_of(row).route(ref)
    except (ConfigurationError, DeliveryError) as error:
        return Looked(message, trouble=str(error))
    return preview_or_offline(ref, route.decide(message, source or next(iter(ref.source_kinds), 0)).message)


def preview_or_offline(ref: DestinationRef, message: Message, *, offline: bool = False) -> Looked:
    """Preview a message as the destination gets it; without the Datatypes if Mailjet does not name them."""
    try:
        return Looked(message, preview(ref, message, offline=offline))
    except DeliveryError as error:
        return _without_datatypes(ref, message, str(error))


def _without_datatypes(ref: DestinationRef, message: Message, why: str) -> Looked:
    try:
        result = preview(ref, message, offline=True)
    except DeliveryError as error:
        return Looked(message, trouble=str(error))
    return Looked(message, result, warning=f"Datatypes are not shown: {why}")
