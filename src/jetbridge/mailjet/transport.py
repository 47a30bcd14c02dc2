"""One HTTP call to Mailjet: answered with a body, or an error that says what happens next.

urllib3 rather than the official mailjet-rest: that client calls json.dumps itself, so bodies rendered by
msgspec would be decoded and encoded again, and it mounts retries of its own on POST, so a caller that owns
its retries (with the ledger's position held) would wait behind them. Tests use mailjet-rest.
"""

import base64
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec
import urllib3

from jetbridge import __version__
from jetbridge.errors import DeliveryError, TransientError
from jetbridge.mailjet.errors import Answer, error_of

#: user:password in an address, and the token in our own event callback addresses.
_IN_URLS = re.compile(r"(?<=:\\/\\/)[^/@\s\"]+@|(?<=://)[^/@\s\"]+@|(?<=/mailjet/events/)[\w-]+")


class Transport:
    """Thread-safe; blocks for at most `timeout_seconds` between bytes. repr() shows no secret."""

    def __init__(
        self,
        api_url: str,
        api_key: str,
        secret_key: str,
        *,
        timeout_seconds: float,
        pool: urllib3.PoolManager | None,
    ) -> None:
        self.api_url = api_url.rstrip("/")
        token = base64.b64encode(f"{api_key}:{secret_key}".encode()).decode()
        self._headers = {
            "Authorization": f"Basic {token}",
            "Content-Type": "application/json",
            "User-Agent": f"jetbridge/{__version__}",
        }
        self._secrets = [secret for secret in (secret_key, api_key, token) if secret]
        self._timeout = urllib3.Timeout(connect=min(10.0, timeout_seconds), read=timeout_seconds)
        self._pool = pool or urllib3.PoolManager(maxsize=4)

    def __repr__(self) -> str:
        return f"Transport({urlsplit(self.api_url).hostname})"

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: bytes | Mapping[str, Any] | None = None,
    ) -> Answer:
        """Return an answer of status 2xx or 304. Raises DeliveryError for every other."""
        if body is not None and not isinstance(body, bytes):
            body = msgspec.json.encode(body)
        answer = self._answer(method, f"{path}?{urlencode(query)}" if query else path, body)
        if 200 <= answer.status < 300 or answer.status == 304:
            return answer
        raise error_of(answer)

    def mask(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return _IN_URLS.sub("***", text)

    def _answer(self, method: str, path: str, body: bytes | None) -> Answer:
        call = f"{method} {path.partition('?')[0]}"
        try:
            response = self._pool.request(
                method,
                f"{self.api_url}{path}",
                body=body,
                headers=self._headers,
                timeout=self._timeout,
                retries=False,
                redirect=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise self._unanswered(call, error) from None
        return Answer(
            call=call,
            status=response.status,
            content_type=response.headers.get("Content-Type", ""),
            body=response.data,
            retry_after=response.headers.get("Retry-After"),
            mask=self.mask,
        )

    def _unanswered(self, call: str, error: urllib3.exceptions.HTTPError) -> DeliveryError:
        host = urlsplit(self.api_url).netloc.rpartition("@")[2]
        # A refused connection is a NewConnectionError, which urllib3 2 counts among the timeouts, too.
        refused = isinstance(error, urllib3.exceptions.NewConnectionError)
        if isinstance(error, urllib3.exceptions.TimeoutError) and not refused:
            return TransientError("TIMEOUT", f"Mailjet at {host} did not answer in time. ({call})")
        words = self.mask(str(error))[:200]
        return TransientError("NETWORK", f"Mailjet at {host} cannot be reached. ({call}: {words})")
