"""Batches to a Tracking API: `POST {url}/v1/batch`, again and again until it is accepted or rejected."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import msgspec
from urllib3.util import make_headers

from jetbridge import __version__
from jetbridge.delivery.retry import Backoff
from jetbridge.errors import PermanentError, TransientError
from jetbridge.http.client import (
    WORKER_SECONDS,
    HTTPResponse,
    Service,
    excerpt,
    retry_after_seconds,
)
from jetbridge.imports.files.calls import Row
from jetbridge.integrations.segment.client import PATH, has_taken
from jetbridge.spec.untrusted import JSON_ERRORS, read_untrusted
from jetbridge.text import one_line

#: Segment's limits are 2,500 calls and 500 KB; a little less leaves room for the envelope.
BATCH_CALLS = 500
BATCH_BYTES = 450_000
TRIES = 12

#: Codes of errors that only another command fixes.
INVALID_AUTHENTICATION, INVALID_URL = "INVALID_AUTHENTICATION", "INVALID_URL"

_HEAD = msgspec.json.encode({"name": "jetbridge-send", "version": __version__})


def batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Rows that have a call, in order, as many together as one request may carry."""
    batch: list[Row] = []
    size = 0
    for row in rows:
        length = len(row.call or b"")
        if batch and (len(batch) == BATCH_CALLS or size + length > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += length
    if batch:
        yield batch


@dataclass
class BatchSender:
    """`report` gets a message before each new try. `sleep` takes seconds."""

    url: str
    write_key: str = field(repr=False)
    report: Callable[[str], None]
    sleep: Callable[[float], object] = time.sleep
    backoff: Backoff = field(default_factory=lambda: Backoff(cap_seconds=30.0))

    def __post_init__(self) -> None:
        # Who runs the command chooses the address, and most often it is this machine's.
        self._service = Service(
            "The Tracking API", self.url.rstrip("/"), timeout_seconds=WORKER_SECONDS, trusted=True
        )
        self._headers = make_headers(basic_auth=f"{self.write_key}:") | {"content-type": "application/json"}

    def send(self, batch: list[Row]) -> None:
        """Return once the batch was accepted. Blocks. Raises PermanentError, or TransientError at last."""
        body = b'{"context":{"library":%b},"batch":[%b]}' % (
            _HEAD,
            b",".join(row.call or b"" for row in batch),
        )
        self.backoff.reset()
        while True:
            try:
                response = self._service.call("POST", PATH, headers=self._headers, body=body)
                if has_taken(response):
                    return
                raise _error_of(response, self.url)
            except TransientError as error:
                wait = self.backoff.next_wait(error)
                if self.backoff.tries == TRIES:
                    raise
                self.report(f"{error} Next try in {wait:.1f} s.")
                self.sleep(wait)


def _error_of(response: HTTPResponse, url: str) -> PermanentError | TransientError:
    status = response.status
    if status in {401, 403}:
        message = (
            f"{url} does not take the write key ({status}). Copy it from the source's page once more, and say which "
            "Tracking API it belongs to with --url."
        )
        return PermanentError(INVALID_AUTHENTICATION, message, status=status)
    if status in {404, 405} or 300 <= status < 400:
        message = f"There is no Tracking API at {url} ({status}). Correct --url."
        return PermanentError(INVALID_URL, message, status=status)
    # The message of an error, as Segment and Jetbridge write it; the beginning of any other body but a page.
    try:
        body = read_untrusted(response.body)
    except JSON_ERRORS:
        text = "" if "html" in response.content_type else excerpt(response.body)
    else:
        field = (body.get("message") or body.get("error")) if isinstance(body, dict) else body
        text = field if isinstance(field, str) else ""
    text = one_line(text)[:300].rstrip(".")
    message = f"The Tracking API answered {status}{f': {text}' if text else ''}."
    if 200 <= status < 300:  # from somebody else: a proxy, a page that asks for a login
        message = f'What answers at {url} is no Tracking API: it says {status} without {{"success": true}}.'
    if status in {408, 429} or not 400 <= status < 500:
        return TransientError(
            "UNAVAILABLE", message, retry_after_seconds=retry_after_seconds(response.retry_after)
        )
    return PermanentError("REJECTED", message, status=status)
