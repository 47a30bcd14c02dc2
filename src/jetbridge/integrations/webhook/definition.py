"""A webhook as a destination: what it brings."""

import re
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import msgspec
from django.conf import settings

from jetbridge.control import directory
from jetbridge.control.directory import DestinationRef
from jetbridge.control.models import Destination as DestinationRow
from jetbridge.control.secret_field import destination_tag
from jetbridge.delivery import retry_queue
from jetbridge.delivery.circuit_breaker import CircuitBreaker
from jetbridge.delivery.models import destination_consumer
from jetbridge.delivery.retry import REFUSED, RetryDeadline
from jetbridge.errors import PauseError
from jetbridge.http.addresses import AddressRejected, address_problem, read_address
from jetbridge.integrations.base import Destination, Group, PauseReason, Preview, Reason
from jetbridge.integrations.exchange import Exchange, exchange
from jetbridge.integrations.setting import MASK, Boolean, Choice, Integer, Object, Secret
from jetbridge.integrations.webhook import payload, signing
from jetbridge.integrations.webhook.client import TEST_HEADER, Request, WebhookClient
from jetbridge.integrations.webhook.cuts import Cuts
from jetbridge.integrations.webhook.destination import WebhookDestination
from jetbridge.integrations.webhook.erasure import DeletionSender
from jetbridge.integrations.webhook.payload import InvalidMap
from jetbridge.privacy.suppression import WorkspaceSuppressed
from jetbridge.spec.message import CALL_TYPES, Message

#: Headers that Jetbridge writes itself, or that are of one connection (RFC 9110, 7.6.1).
_OWN_HEADERS = frozenset(
    {
        "connection", "content-encoding", "content-length", "host", "jetbridge-test", "keep-alive", "proxy-connection", "te",
        "trailer", "transfer-encoding", "upgrade", "webhook-id", "webhook-signature", "webhook-timestamp", "x-signature",
    }
)  # fmt: skip
#: RFC 9110, 5.6.2 (token) and 5.5 (field values), without the characters that no proxy agrees on.
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}", re.ASCII)
_VALUE = re.compile(r"[\x20-\x7e]{0,4000}", re.ASCII)
_MOST_HEADERS = 30


def _shown_url(url: str) -> str:
    """Without path and query: they may let anybody post who knows them."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/…"


def _headers_problem(headers: dict[str, Any]) -> str:
    if len(headers) > _MOST_HEADERS:
        return f"There are more than {_MOST_HEADERS} headers."
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            return f"{name[:40]!r} is no name of a header."
        if name.lower() in _OWN_HEADERS:
            return f"Jetbridge writes {name} itself."
        if not isinstance(value, str) or not _VALUE.fullmatch(value):
            return (
                f"The value of {name} has to be a text of up to 4,000 ASCII characters, without line breaks."
            )
    return ""


def _map_problem(fields: dict[str, Any]) -> str:
    try:
        payload.by_map(fields)
    except InvalidMap as error:
        return str(error)
    return ""


class Webhook(Destination):
    kind = "webhook"
    title = "Webhook"
    names = ("Webhooks", "Webhook")
    description = "Sends messages to any URL, signed, alone or in batches."
    accepts = CALL_TYPES
    group = Group.TOOLS
    own_settings = (
        Secret(
            name="url",
            label="URL",
            help="Where messages are sent to. Its path and query are stored encrypted: they may let anybody post who knows "
            "them.",
            error=partial(address_problem, query=True),
            mask=_shown_url,
        ),
        Choice(
            name="method",
            label="Method",
            help="POST, unless the receiver says otherwise.",
            default="POST",
            choices={"POST": "POST", "PUT": "PUT", "PATCH": "PATCH"},
        ),
        Object(
            name="headers",
            label="Headers",
            help='Sent with every request, such as {"Authorization": "Bearer …"}. Their values are stored encrypted.',
            required=False,
            secret=True,
            error=_headers_problem,
        ),
        Secret(
            name="sharedSecret",
            label="Shared secret",
            help="Signs the body in X-Signature (HMAC-SHA1 in hex), as Segment's Webhooks destination does.",
            required=False,
            group="Signatures",
        ),
        Secret(
            name="signingSecret",
            label="Signing secret",
            help="Signs by Standard Webhooks (webhook-id, webhook-timestamp, webhook-signature): base64, mostly with whsec_ "
            "in front.",
            required=False,
            group="Signatures",
            error=signing.secret_problem,
        ),
        Integer(
            name="batchSize",
            label="Messages per request",
            help="1: each request is one JSON object. More: each is a JSON array of up to so many.",
            default=1,
            minimum=1,
            maximum=1_000,
            group="Body",
        ),
        Boolean(
            name="gzip",
            label="Compress",
            help="Bodies are sent with Content-Encoding: gzip. Signatures are over the body before that.",
            group="Body",
        ),
        Object(
            name="map",
            label="Map of fields",
            help='What a body has, instead of the whole call: {"mail": "traits.email", "kind": {"constant": "lead"}}. Left: '
            "a path in the body. Right: a path in the call, or a constant. Values go in as JSON. (Empty: the whole call)",
            required=False,
            group="Body",
            error=_map_problem,
        ),
    )
    pause_reasons = (
        PauseReason(
            "INVALID_AUTHENTICATION",
            "its credentials are refused",
            "Correct the headers or the secrets, then try now.",
        ),
        PauseReason(
            "REDIRECTED",
            "the address redirects",
            "Enter the address that the message names, if it is the receiver's. Redirects are not followed: secrets would go "
            "along.",
        ),
        PauseReason(
            "GONE",
            "the receiver has ended it",
            "Ask the receiver for the new address and enter it, or disable the destination.",
        ),
        PauseReason("INVALID_URL", "nothing takes messages at the address", "Correct the URL."),
    )
    reasons = (
        Reason(
            REFUSED,
            "The receiver refuses these messages, and its response says why. Correct them where they are made, or the map of "
            "fields, then try again: a sample shows what was sent.",
        ),
    )

    def open(self, ref: DestinationRef) -> WebhookDestination:
        destination = WebhookDestination(
            ref.id,
            ref.workspace,
            self.client(ref),
            self._payload(ref),
            self.values(ref)["batchSize"],
            CircuitBreaker(lambda: (destination_consumer(ref.id),)),
            RetryDeadline(settings.CONFIG.retry_seconds),
            Cuts(ref.id),
            suppressed=WorkspaceSuppressed(ref.workspace),
        )
        destination.restore({item.position: item for item in retry_queue.queued(ref.id)})
        return destination

    def preview(self, ref: DestinationRef, message: Message, *, offline: bool = False) -> Preview:  # noqa: ARG002 - it asks nobody
        try:
            client = self.client(ref)
            return Preview(
                request=_shown(client, client.request(self._body(ref, message), [message.message_id]))
            )
        except PauseError as error:
            return Preview(error=str(error))

    def test_call(self, ref: DestinationRef, message: Message) -> Exchange:
        client = self.client(ref)
        request = client.request(self._body(ref, message), [message.message_id])
        request = replace(request, headers={**request.headers, TEST_HEADER: "true"})
        return exchange(_shown(client, request), lambda: client.call(request), client.error_of, client.mask)

    def erasure_handlers(self, workspace: int) -> list[DeletionSender]:
        enabled = set(DestinationRow.objects.filter(enabled=True).values_list("id", flat=True))
        return [
            DeletionSender(ref.id, ref.name, ref.id in enabled, partial(self.client, ref))
            for ref in directory.destinations_of(workspace)
            if ref.kind == self.kind
        ]

    def client(self, ref: DestinationRef) -> WebhookClient:
        """Raises PauseError."""
        values = self.values(ref)
        try:
            url = read_address(values["url"], query=True)
        except AddressRejected as error:
            raise PauseError("INVALID_URL", f"{ref.name}: {error} Correct the URL.") from None
        return WebhookClient(
            ref.id,
            url,
            values["method"],
            values["headers"],
            values["sharedSecret"],
            values["signingSecret"],
            gzip=values["gzip"],
        )

    def _body(self, ref: DestinationRef, message: Message) -> bytes:
        """The body of a request for one message. Raises PauseError."""
        body = payload.encode(self._payload(ref)(message))
        return b"[" + body + b"]" if self.values(ref)["batchSize"] > 1 else body

    def _payload(self, ref: DestinationRef) -> payload.Payload:
        """Raises PauseError."""
        fields = self.values(ref)["map"]
        try:
            return payload.by_map(fields) if fields else payload.whole_with(destination_tag(ref.id))
        except InvalidMap as error:
            raise PauseError("INVALID_SETTINGS", f"Map of fields: {error}") from None


def _shown(client: WebhookClient, request: Request) -> str:
    """A request for a person to read."""
    secret = {"X-Signature", "webhook-signature", *client.headers}
    lines = [f"{name}: {MASK if name in secret else value}" for name, value in request.headers.items()]
    shown = msgspec.json.format(request.body, indent=2).decode()
    return "\n".join([f"{request.method} {client.host}", *lines, "", shown])


WEBHOOK = Webhook()
INTEGRATIONS = (WEBHOOK,)
