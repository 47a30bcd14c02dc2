"""Segment as a destination, declared."""

from datetime import UTC, datetime

import msgspec
from django.conf import settings

from jetbridge.control.directory import DestinationRef
from jetbridge.delivery import ledger
from jetbridge.delivery.breaker import Breaker
from jetbridge.delivery.retry import Patience
from jetbridge.destinations.definition import Definition
from jetbridge.destinations.field import Field
from jetbridge.destinations.filters import FILTERS
from jetbridge.destinations.segment.client import PATH, SegmentClient
from jetbridge.destinations.segment.destination import SegmentDestination
from jetbridge.destinations.segment.keeper import ElsewhereKeeper
from jetbridge.destinations.segment.outgoing import render
from jetbridge.errors import HoldError
from jetbridge.http_call import is_address
from jetbridge.spec.email_events import PROPERTIES
from jetbridge.spec.message import Message

#: In place of the write key, where a person reads a request.
MASK = "•••"

US, EU = "https://api.segment.io", "https://events.eu1.segmentapis.com"


def _open(ref: DestinationRef) -> SegmentDestination:
    endpoint = str(ref.settings.get("endpoint") or US)
    if sentence := _wrong_address(endpoint):
        raise HoldError("WRONG_ADDRESS", f"{ref.name}: {sentence}")
    write_key = ref.secrets.get("writeKey", "")
    if not write_key:
        raise HoldError("INVALID_AUTHENTICATION", f"{ref.name}: enter the write key of a Segment source.")
    breaker = Breaker(lambda: (ledger.destination_reader(ref.id),))
    return SegmentDestination(
        SegmentClient(endpoint, write_key), breaker, Patience(settings.CONFIG.retry_seconds)
    )


def _wrong_address(text: str) -> str:
    return "" if is_address(text) else f"the endpoint is not an address such as {US}."


def _named(text: str) -> list[str]:
    return [name for part in text.split(",") if (name := part.strip())]


def _wrong_events(text: str) -> str:
    unknown = [name for name in _named(text) if name not in PROPERTIES]
    return f"{unknown[0][:40]!r} is none of {', '.join(PROPERTIES)}." if unknown else ""


def _email_events(ref: DestinationRef) -> frozenset[str] | None:
    return frozenset(_named(str(ref.settings.get("events") or ""))) or None


def _request(ref: DestinationRef, message: Message) -> str:
    endpoint = str(ref.settings.get("endpoint") or US)
    batch = {"batch": [msgspec.Raw(render(message))], "sentAt": datetime.now(UTC), "writeKey": MASK}
    body = msgspec.json.format(msgspec.json.encode(batch), indent=2).decode()
    return f"POST {endpoint}{PATH}\n\n{body}"


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
            wrong=_wrong_address,
        ),
        Field(
            name="writeKey",
            label="Write key",
            help="The write key of the Segment source that should receive the calls.",
            secret=True,
        ),
        Field(
            name="events",
            label="Email events",
            help="Which of Mailjet's email events go on, separated by commas: "
            + ", ".join(PROPERTIES)
            + ". If empty, "
            "all. Calls of other sources are not concerned.",
            required=False,
            wrong=_wrong_events,
        ),
        FILTERS,
    ),
    open=_open,
    request=_request,
    email_events=_email_events,
    keeper=lambda ref: ElsewhereKeeper(ref.name),
)
