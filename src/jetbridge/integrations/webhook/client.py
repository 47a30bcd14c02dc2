"""One webhook: one request per batch, and what its response means."""

import gzip
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from jetbridge import __version__
from jetbridge.delivery.retry import REFUSED, BatchRefused
from jetbridge.errors import PauseError, TransientError
from jetbridge.http.client import HTTPResponse, Service, excerpt, retry_after_seconds
from jetbridge.integrations.setting import MASK
from jetbridge.integrations.webhook import signing

#: How long a receiver may take. Segment's own webhooks wait 5 to 10 s.
TIMEOUT_SECONDS: Final = 10.0
#: The body of a batch, uncompressed, at most; a message that is larger goes alone.
BATCH_BYTES: Final = 1024 * 1024

#: On test calls alone: a map of fields may leave out of the body that it is one.
TEST_HEADER: Final = "Jetbridge-Test"
#: Statuses by which a receiver refuses the content, and would refuse it again.
_REFUSED = frozenset({400, 409, 413, 422})
_RETRIED = frozenset({408, 425, 429})
#: A shorter secret would be found in ordinary text, which would be garbled.
_SHORTEST_MASKED = 6


@dataclass(frozen=True)
class Request:
    """What goes out, with its secrets."""

    method: str
    headers: Mapping[str, str]
    #: Before it is compressed.
    body: bytes


@dataclass(frozen=True)
class WebhookClient:
    """For one thread. repr() shows no secret."""

    destination: int
    url: str = field(repr=False)
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    shared_secret: str = field(default="", repr=False)
    signing_secret: str = field(default="", repr=False)
    gzip: bool = False
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC), repr=False)

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    def request(self, body: bytes, message_ids: Sequence[str]) -> Request:
        """The request for these messages, signed now."""
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"Jetbridge/{__version__}",
            **self.headers,
        }
        if self.shared_secret:
            headers["X-Signature"] = signing.x_signature(self.shared_secret, body)
        if self.signing_secret:
            id_ = signing.webhook_id(self.destination, message_ids)
            headers |= signing.standard_headers(self.signing_secret, id_, body, self.now())
        return Request(self.method, headers, body)

    def send(self, body: bytes, message_ids: Sequence[str]) -> HTTPResponse:
        """Send one request and return the response of a receiver that has taken it (2xx).

        Raises BatchRefused, TransientError or PauseError.
        """
        response = self.call(self.request(body, message_ids))
        if error := self.error_of(response):
            raise error
        return response

    def call(self, request: Request) -> HTTPResponse:
        """Send one request and return whatever response there is. Raises TransientError, or PauseError."""
        headers, sent = dict(request.headers), request.body
        if self.gzip:
            headers["Content-Encoding"] = "gzip"
            sent = gzip.compress(sent, 6, mtime=0)
        service = Service("The webhook", self.url, timeout_seconds=TIMEOUT_SECONDS)
        return service.call(request.method, "", headers=headers, body=sent, mask=self.mask)

    def error_of(self, response: HTTPResponse) -> PauseError | TransientError | BatchRefused | None:
        """What a response means; None: the receiver has taken the request."""
        if 200 <= response.status < 300:
            return None
        status, text = response.status, excerpt(response.body, self.mask)
        where = f"({self.method} {self.host}: {status})"
        if 300 <= status < 400:
            address = response.location.partition("?")[0]  # without its query, which may be a secret
            to = f" to {excerpt(self.mask(address).encode())[:200]}" if address else ""
            message = f"The webhook redirects{to}. Enter that address if it is the receiver's. {where}"
            return PauseError("REDIRECTED", message, status=status, response=text)
        if status in {401, 403}:
            message = f"The webhook refuses the credentials. Correct its headers or secrets. {where}"
            return PauseError("INVALID_AUTHENTICATION", message, status=status, response=text)
        if status == 410:
            message = (
                f"The receiver has ended this webhook permanently (410 Gone). Enter its new address. {where}"
            )
            return PauseError("GONE", message, status=status, response=text)
        if status in _RETRIED or status >= 500:
            wait = retry_after_seconds(response.retry_after)
            code = "TOO_MANY_REQUESTS" if status == 429 else "SERVER_ERROR"
            message = f"The webhook cannot take messages at the moment. {where}"
            return TransientError(code, message, status=status, response=text, retry_after_seconds=wait)
        if status in _REFUSED:
            return BatchRefused(
                REFUSED, f"The webhook refuses the message. {where}", status=status, response=text
            )
        message = f"Nothing takes messages at this address. Correct the URL. {where}"
        return PauseError("INVALID_URL", message, status=status, response=text)

    def mask(self, text: str) -> str:
        """The text without secrets."""
        parts = urlsplit(self.url)
        secrets = [self.url, parts.query, self.shared_secret, self.signing_secret, *self.headers.values()]
        for secret in sorted(secrets, key=len, reverse=True):
            if len(secret) >= _SHORTEST_MASKED:
                text = text.replace(secret, MASK)
        return text
