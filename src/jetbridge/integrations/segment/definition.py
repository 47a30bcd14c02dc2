"""Segment as a destination: what it brings."""

from datetime import UTC, datetime

import msgspec
from django.conf import settings

from jetbridge.control import directory
from jetbridge.control.directory import DestinationRef
from jetbridge.control.secret_field import destination_tag
from jetbridge.delivery.circuit_breaker import CircuitBreaker
from jetbridge.delivery.models import destination_consumer
from jetbridge.delivery.retry import REFUSED, RetryDeadline
from jetbridge.errors import PauseError
from jetbridge.http.addresses import AddressRejected, address_problem, read_address
from jetbridge.http.client import PAGE_SECONDS, WORKER_SECONDS
from jetbridge.integrations.base import Destination, Group, PauseReason, Preview, Reason
from jetbridge.integrations.exchange import Exchange, exchange
from jetbridge.integrations.segment.client import PATH, SegmentClient
from jetbridge.integrations.segment.destination import MESSAGE_TOO_LARGE, SegmentDestination
from jetbridge.integrations.segment.erasure import NoopErasureHandler
from jetbridge.integrations.setting import MASK, Secret, Text
from jetbridge.spec.email_events import PROPERTIES
from jetbridge.spec.message import Message
from jetbridge.spec.outgoing import EU, US, pass_on, render


def _names(text: str) -> list[str]:
    return [name for part in text.split(",") if (name := part.strip())]


def _unknown_event(text: str) -> str:
    unknown = [name for name in _names(text) if name not in PROPERTIES]
    return f"{unknown[0][:40]!r} is none of {', '.join(PROPERTIES)}." if unknown else ""


class Segment(Destination):
    kind = "segment"
    title = "Segment"
    # The name under which Segment's own libraries address Segment, and the obvious one.
    names = ("Segment.io", "Segment")
    description = "Sends calls on to a source of a Segment workspace."
    accepts = frozenset({"identify", "track", "page", "screen", "group", "alias"})
    group = Group.TOOLS
    own_settings = (
        Text(
            name="endpoint",
            label="Endpoint",
            help=f"{US} (US workspaces), {EU} (EU workspaces), or the address of any Tracking API. Segment drops "
            "calls sent to the wrong region without a word.",
            default=US,
            error=address_problem,
        ),
        Secret(
            name="writeKey",
            label="Write key",
            help="The write key of the Segment source that should receive the calls.",
        ),
        Text(
            name="events",
            label="Email events",
            help=f"Which of Mailjet's email events go on, separated by commas: {', '.join(PROPERTIES)}. If empty, "
            "all. These are the names of Segment's Email spec, whatever the events are called here. Calls of other sources "
            "are not concerned.",
            required=False,
            error=_unknown_event,
        ),
    )
    pause_reasons = (
        PauseReason(
            "INVALID_AUTHENTICATION",
            "the write key is refused",
            "Enter the write key of a Segment source again.",
        ),
    )
    reasons = (
        Reason(
            REFUSED,
            "Segment refuses these calls, and the response says why. Correct them where they are made, then try again: a "
            "sample shows what was sent.",
        ),
        Reason(
            MESSAGE_TOO_LARGE,
            "Segment takes calls of up to 32 KB. Make the call smaller where it is made; the same one, tried again, fails "
            "again.",
        ),
    )

    def open(self, ref: DestinationRef) -> SegmentDestination:
        breaker = CircuitBreaker(lambda: (destination_consumer(ref.id),))
        retry_deadline = RetryDeadline(settings.CONFIG.retry_seconds)
        return SegmentDestination(
            self._client(ref, WORKER_SECONDS), breaker, retry_deadline, destination_tag(ref.id)
        )

    def _client(self, ref: DestinationRef, timeout_seconds: float) -> SegmentClient:
        """Raises PauseError."""
        values = self.values(ref)
        try:
            endpoint = read_address(values["endpoint"])
        except AddressRejected as error:
            raise PauseError("INVALID_URL", f"{ref.name}: {error} Correct the endpoint.") from None
        if not values["writeKey"]:
            raise PauseError(
                "INVALID_AUTHENTICATION", f"{ref.name}: enter the write key of a Segment source."
            )
        return SegmentClient(endpoint, values["writeKey"], timeout_seconds=timeout_seconds)

    def email_events(self, ref: DestinationRef) -> frozenset[str] | None:
        return frozenset(_names(self.values(ref)["events"])) or None

    def preview(self, ref: DestinationRef, message: Message, *, offline: bool = False) -> Preview:  # noqa: ARG002 - it asks nobody
        batch = {
            "batch": [msgspec.Raw(render(pass_on(message, destination_tag(ref.id))))],
            "sentAt": datetime.now(UTC),
            "writeKey": MASK,
        }
        body = msgspec.json.format(msgspec.json.encode(batch), indent=2).decode()
        return Preview(request=f"POST {self.values(ref)['endpoint']}{PATH}\n\n{body}")

    def test_call(self, ref: DestinationRef, message: Message) -> Exchange:
        client, request = self._client(ref, PAGE_SECONDS), self.preview(ref, message).request
        body = render(pass_on(message, destination_tag(ref.id)))
        return exchange(request, lambda: client.call([body]), client.error_of, client.mask)

    def erasure_handlers(self, workspace: int) -> list[NoopErasureHandler]:
        refs = directory.destinations_of(workspace)
        return [NoopErasureHandler(ref.name) for ref in refs if ref.kind == self.kind]


SEGMENT = Segment()
INTEGRATIONS = (SEGMENT,)
