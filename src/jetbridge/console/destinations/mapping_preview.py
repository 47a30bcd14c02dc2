"""A preview of what a message would become under some settings, with what a person can do without Mailjet's answer."""

import dataclasses

from jetbridge.console.destinations.tester_messages import Found
from jetbridge.control import directory
from jetbridge.control.directory import DestinationRef
from jetbridge.control.models import Destination
from jetbridge.destinations import changes
from jetbridge.destinations.mailjet.preview import Preview, preview
from jetbridge.errors import DeliveryError


@dataclasses.dataclass(frozen=True)
class Looked:
    """A preview, or why there is none; `warning` says what it does without."""

    found: Found | None
    result: Preview | None = None
    trouble: str = ""
    warning: str = ""


def looked(row: Destination, found: Found | None, values: dict[str, str]) -> Looked:
    """Preview a message under these settings; without the Datatypes if Mailjet does not name them."""
    if found is None:
        return Looked(None)
    wrong = changes.definition_of(row).problems({**changes.values_of(row), **values})
    if sentences := [wrong[name] for name in values if name in wrong]:
        return Looked(found, trouble=sentences[0])
    stored = directory.destination(row.id)
    assert stored
    ref = dataclasses.replace(stored, settings={**stored.settings, **values})
    try:
        return Looked(found, preview(ref, found.message))
    except DeliveryError as error:
        return _without_datatypes(ref, found, str(error))


def _without_datatypes(ref: DestinationRef, found: Found, why: str) -> Looked:
    try:
        return Looked(
            found, preview(ref, found.message, offline=True), warning=f"Datatypes are not shown: {why}"
        )
    except DeliveryError as error:
        return Looked(found, trouble=str(error))
