"""One request that is really sent as a test, and what comes back, for a person to read."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from jetbridge.errors import DeliveryError, PauseError, TransientError
from jetbridge.http.client import HTTPResponse, excerpt

#: What delivery would make of the response.
Outcome = Literal["delivered", "retried", "failed", "paused"]


@dataclass(frozen=True)
class Exchange:
    """Without secrets. `status` None: there was no response. `headers` are those of the response that decide what
    delivery does, `body` is its beginning. `message` says why it is not delivered, and what to do.
    """

    request: str
    status: int | None
    headers: Mapping[str, str]
    body: str
    seconds: float
    outcome: Outcome
    message: str = ""


def exchange(
    request: str,
    send: Callable[[], HTTPResponse],
    error_of: Callable[[HTTPResponse], DeliveryError | None],
    mask: Callable[[str], str],
) -> Exchange:
    """Send it once, and let delivery's own rule say what the response means. `request` is what is shown of it.

    Raises Backpressure where Jetbridge makes as many calls already as it may.
    """
    started = time.monotonic()
    try:
        response = send()
    except DeliveryError as error:
        seconds = time.monotonic() - started
        return Exchange(request, error.status, {}, error.response, seconds, _outcome(error), str(error))
    seconds = time.monotonic() - started
    problem = error_of(response)
    headers = {
        "Content-Type": response.content_type,
        "Retry-After": response.retry_after or "",
        "Location": response.location.partition("?")[0],  # a query may be a secret
    }
    return Exchange(
        request,
        response.status,
        {name: excerpt(value.encode(), mask)[:200] for name, value in headers.items() if value},
        excerpt(response.body, mask),
        seconds,
        _outcome(problem),
        str(problem or ""),
    )


def _outcome(error: DeliveryError | None) -> Outcome:
    if error is None:
        return "delivered"
    if isinstance(error, TransientError):
        return "retried"
    return "paused" if isinstance(error, PauseError) else "failed"
