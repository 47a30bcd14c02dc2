"""Checks the credentials of a request, and the rate limit. Faults come before both: see ``faults``."""

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


class Auth:
    def __init__(self, settings: Settings) -> None:
        self._credentials = f"{settings.api_key}:{settings.secret_key}".encode()

    def is_authorized(self, request: Request) -> bool:
        scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
        try:
            given = base64.b64decode(encoded.strip(), validate=True) if scheme.lower() == "basic" else b""
        except (binascii.Error, ValueError):
            return False
        return hmac.compare_digest(given, self._credentials)


class RateLimit:
    """So many calls a second; None means no limit."""

    def __init__(self, per_second: int | None, clock: Clock) -> None:
        self._per_second = per_second
        self._clock = clock
        self._second = 0
        self._calls = 0

    def is_exceeded(self) -> bool:
        """Count one more call."""
        if self._per_second is None:
            return False
        second = int(self._clock())
        if second != self._second:
            self._second, self._calls = second, 0
        self._calls += 1
        return self._calls > self._per_second


def too_many_requests() -> Response:
    """429 is not JSON, and no header tells when to retry [R] by way of django-anymail."""
    return wire.html("Rate limit exceeded", 429)


def legacy_unauthorized() -> Response:
    """401 has no body, so that parsing it as JSON fails [R]."""
    return wire.html("", 401, {"WWW-Authenticate": 'Basic realm="Provide an apiKey and secretKey"'})


def newer_unauthorized() -> Response:
    return wire.newer_error(401, BAD_KEY)
