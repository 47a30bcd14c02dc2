"""One HTTP call to Mailjet: answered with a body, or an error that says what happens next.

urllib3 rather than the official mailjet-rest: that client calls json.dumps itself, so bodies rendered by
msgspec would be decoded and encoded again, and it mounts retries of its own on POST, so a caller that owns
its retries (with the ledger's position held) would wait behind them. Tests use mailjet-rest.
"""

import base64
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec

from jetbridge import __version__
from jetbridge.errors import TransientError
from jetbridge.http.client import Service
from jetbridge.integrations.mailjet.api.errors import Answer, error_of
from jetbridge.integrations.mailjet.api.rate_limiter import pace_of

#: user:password in an address (its slashes may be escaped), and the token in our event callback addresses.
_IN_URLS = re.compile(r"(?<=:\\/\\/)[^/@\s\"]+@|(?<=://)[^/@\s\"]+@|(?<=/mailjet/events/)[\w-]+")


#: Secrets shorter than this are no secrets.
MASKED_LENGTH = 6


class Transport:
    """Thread-safe. repr() shows no secret."""

    def __init__(
        self,
        api_url: str,
        api_key: str,
        secret_key: str,
        *,
        timeout_seconds: float,
    ) -> None:
        self._service = Service("Mailjet", api_url.rstrip("/"), timeout_seconds=timeout_seconds)
        self._pace = pace_of(self._service.url, api_key)
        token = base64.b64encode(f"{api_key}:{secret_key}".encode()).decode()
        self._headers = {
            "Authorization": f"Basic {token}",
            "Content-Type": "application/json",
            "User-Agent": f"jetbridge/{__version__}",
        }
        # Mailjet's have 32 characters; masking the toy keys of a sandbox would garble every sentence.
        self._secrets = [secret for secret in (secret_key, api_key, token) if len(secret) >= MASKED_LENGTH]

    def __repr__(self) -> str:
        return f"Transport({self._service.host})"

    @property
    def api_url(self) -> str:
        return self._service.url

    @property
    def calls_per_second(self) -> float | None:
        return self._pace.calls_per_second

    @property
    def timeout_seconds(self) -> float:
        return self._service.timeout_seconds

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: bytes | Mapping[str, Any] | None = None,
    ) -> Answer:
        """Return an answer that means success (2xx, 304). Raises DeliveryError for every other.

        Blocks, also to keep the pace of the key; raises TransientError instead where that would take long.
        """
        if body is not None and not isinstance(body, bytes):
            body = msgspec.json.encode(body)
        target = f"{path}?{urlencode(query)}" if query else path
        went_at = self._pace.wait()
        got = self._service.call(method, target, headers=self._headers, body=body, mask=self.mask)
        answer = Answer(
            f"{method} {path}", got.status, got.content_type, got.body, got.retry_after, self.mask
        )
        if error := error_of(answer):
            if isinstance(error, TransientError):
                self._pace.refused(went_at, error)
            raise error
        self._pace.answered()
        return answer

    def mask(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return _IN_URLS.sub("***", text)
