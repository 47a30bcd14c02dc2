"""One POST of JSON to an address that a person chose: signed, never redirected.

What receivers answer is nowhere agreed upon (Slack: `ok`, Teams: `1`, others nothing), so any 2xx means that the
notification has arrived.
"""

import hashlib
import hmac
from typing import NamedTuple

from jetbridge import __version__
from jetbridge.errors import PermanentError, TransientError
from jetbridge.http.addresses import AddressRejected, address_problem, public_part, read_address
from jetbridge.http.client import PAGE_SECONDS, Service, excerpt
from jetbridge.text import for_editors

SIGNATURE = "X-Jetbridge-Signature"


class Answer(NamedTuple):
    status: int
    text: str

    @property
    def message(self) -> str:
        return f"It answered {self.status}: {for_editors(self.text) if self.text.strip() else 'nothing'}"


def problem(url: str) -> str:
    """Why no alert can go to this address; "" if one can. Blocks a few seconds at the most, to look it up."""
    return address_problem(url, query=True)


def signature(secret: str, body: bytes) -> str:
    """What a receiver computes, to know that it was us."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def post(url: str, secret: str, body: bytes, *, timeout_seconds: float = PAGE_SECONDS) -> Answer:
    """Return a 2xx answer. Raises DeliveryError for any other, and where none comes in time."""
    try:
        url = read_address(url, query=True)
    except AddressRejected as error:
        raise PermanentError("INVALID_URL", str(error)) from None
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"Jetbridge/{__version__}",
        SIGNATURE: signature(secret, body),
    }
    # The address lets anybody post who knows it, so the errors of the call repeat nothing of it but the host.
    service = Service(public_part(url), url, timeout_seconds=timeout_seconds)
    response = service.call("POST", "", headers=headers, body=body, mask=lambda _: "", beginning_only=True)
    answer = Answer(response.status, excerpt(response.body))
    if not 200 <= answer.status < 300:
        raise TransientError("REFUSED", _refusal(answer), status=answer.status, answer=answer.text)
    return answer


def _refusal(answer: Answer) -> str:
    if 300 <= answer.status < 400:
        return f"It answered {answer.status}, a redirect; alerts follow none. Enter the address that it leads to."
    return answer.message
