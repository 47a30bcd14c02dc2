"""Who may call, and how often: an answer from ``admit`` is sent instead of the real one.

Whatever makes the sandbox misbehave on purpose comes even before this: see ``faults``.
"""

import base64
import binascii
import hmac

from starlette.requests import Request
from starlette.responses import Response

from mailjet_sandbox import wire
from mailjet_sandbox.clock import Clock
from mailjet_sandbox.settings import Settings

BAD_KEY = (
    "API key authentication/authorization failure. You may be unauthorized to access the API or your API key may be "
    "expired. Visit API keys management section to check your keys."
)


class Gate:
    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._second = 0
        self._calls_this_second = 0
        credentials = f"{settings.api_key}:{settings.secret_key}".encode()
        self._authorization = b"Basic " + base64.b64encode(credentials)
        self._credentials = credentials

    async def admit(self, _request: Request) -> Response | None:
        """Let a request pass (None), or answer in its place."""
        if self._over_rate():
            return too_many_requests()
        return None

    def is_authorized(self, request: Request) -> bool:
        scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
        try:
            given = base64.b64decode(encoded.strip(), validate=True) if scheme.lower() == "basic" else b""
        except (binascii.Error, ValueError):
            return False
        return hmac.compare_digest(given, self._credentials)

    def _over_rate(self) -> bool:
        if self._settings.rate_limit is None:
            return False
        second = int(self._clock())
        if second != self._second:
            self._second, self._calls_this_second = second, 0
        self._calls_this_second += 1
        return self._calls_this_second > self._settings.rate_limit


def too_many_requests() -> Response:
    """429 is not JSON, and no header says when to come back [R] by way of django-anymail."""
    return wire.html("Rate limit exceeded", 429)


def legacy_unauthorized() -> Response:
    """Answer without a body, so that parsing it as JSON fails [R]."""
    return wire.html("", 401, {"WWW-Authenticate": 'Basic realm="Provide an apiKey and secretKey"'})


def newer_unauthorized() -> Response:
    return wire.newer_error(401, BAD_KEY)
