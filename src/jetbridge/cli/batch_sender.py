"""Batches to a Tracking API: `POST {url}/v1/batch`, again and again until it is accepted or refused."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import urllib3
from urllib3.util import make_headers

from jetbridge import __version__
from jetbridge.cli.identify_rows import Row
from jetbridge.delivery.retry import Backoff
from jetbridge.errors import PermanentError, TransientError

#: Segment's limits are 2,500 calls and 500 KB; a little less leaves room for the envelope.
BATCH_CALLS = 500
BATCH_BYTES = 450_000
TRIES = 12

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
    """`say` gets a sentence before each new try. `sleep` takes seconds."""

    url: str
    write_key: str = field(repr=False)
    say: Callable[[str], None]
    sleep: Callable[[float], object] = time.sleep
    backoff: Backoff = field(default_factory=lambda: Backoff(cap_seconds=30.0))

    def __post_init__(self) -> None:
        self._pool = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=10.0, read=60.0))
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
                return self._try(body)
            except TransientError as error:
                wait = self.backoff.next_wait(error)
                if self.backoff.tries == TRIES:
                    raise
                self.say(f"{error} Next try in {wait:.1f} s.")
                self.sleep(wait)

    def _try(self, body: bytes) -> None:
        try:
            answer = self._pool.request("POST", f"{self.url}/v1/batch", body=body, headers=self._headers)
        except urllib3.exceptions.HTTPError as error:
            raise TransientError(
                "UNREACHABLE", f"{self.url} cannot be reached ({type(error).__name__})."
            ) from None
        if answer.status == 200:
            return
        raise _refusal(answer)


def _refusal(answer: Any) -> PermanentError | TransientError:
    text = answer.data.decode("utf-8", "replace")[:300]
    sentence = f"The Tracking API answered {answer.status}: {text or 'nothing'}."
    if answer.status in {408, 429} or answer.status >= 500:
        seconds = answer.headers.get("retry-after", "")
        return TransientError(
            "UNAVAILABLE", sentence, retry_after_seconds=float(seconds) if seconds.isdecimal() else None
        )
    return PermanentError("REFUSED", sentence, status=answer.status)
