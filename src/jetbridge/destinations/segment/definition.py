"""Segment as a destination, declared."""

from urllib.parse import urlsplit

from jetbridge.control.directory import DestinationRef
from jetbridge.destinations.definition import Definition, Field
from jetbridge.destinations.segment.client import SegmentClient
from jetbridge.destinations.segment.destination import SegmentDestination
from jetbridge.errors import HoldError

US, EU = "https://api.segment.io", "https://events.eu1.segmentapis.com"


def _open(ref: DestinationRef) -> SegmentDestination:
    endpoint = str(ref.settings.get("endpoint") or US)
    if urlsplit(endpoint).scheme not in {"http", "https"} or not urlsplit(endpoint).hostname:
        raise HoldError("WRONG_ADDRESS", f"{ref.name}: the endpoint is not an address such as {US}.")
    write_key = ref.secrets.get("writeKey", "")
    if not write_key:
        raise HoldError("INVALID_AUTHENTICATION", f"{ref.name}: enter the write key of a Segment source.")
    return SegmentDestination(SegmentClient(endpoint, write_key))


DEFINITION = Definition(
    kind="segment",
    # The name under which Segment's own libraries address Segment, and the obvious one.
    names=("Segment.io", "Segment"),
    description="Sends calls on to a source of a Segment workspace.",
    accepts=frozenset({"identify", "track", "page", "screen", "group", "alias"}),
    fields=(
        Field(
            name="endpoint",
            label="Endpoint",
            help=f"{US} (US workspaces), {EU} (EU workspaces), or the address of any Tracking API. Segment drops "
            "calls sent to the wrong region without a word.",
            default=US,
        ),
        Field(
            name="writeKey",
            label="Write key",
            help="The write key of the Segment source that should receive the calls.",
            secret=True,
        ),
    ),
    open=_open,
)
