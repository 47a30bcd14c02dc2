"""One POST of JSON to an address that a person chose: signed, never redirected, little of the answer read."""

import hashlib
import hmac
import time
from typing import NamedTuple
from urllib.parse import urlsplit

import urllib3

from jetbridge import __version__
from jetbridge.errors import PermanentError, TransientError
from jetbridge.http_call import is_address

TIMEOUT_SECONDS = 10.0
ANSWER_BYTES = 2_000
SIGNATURE = "X-Jetbridge-Signature"

_pool = urllib3.PoolManager(maxsize=2)


class Answer(NamedTuple):
    status: int
    text: str


def problem(url: str) -> str:
    """Why no alert can go to this address; "" if one can."""
    return "" if is_address(url) else "Enter an address that begins with https:// or http://."


def signature(secret: str, body: bytes) -> str:
    """What a receiver computes, to know that it was us."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def post(url: str, secret: str, body: bytes) -> Answer:
    """Return a 2xx answer. Raises TransientError for any other, or none within 10 s of silence."""
    if sentence := problem(url):
        raise PermanentError("WRONG_ADDRESS", sentence)
    answer = _call(url, secret, body)
    if not 200 <= answer.status < 300:
        raise TransientError("REFUSED", _refusal(answer), status=answer.status, answer=answer.text)
    return answer


def _call(url: str, secret: str, body: bytes) -> Answer:
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"Jetbridge/{__version__}",
        SIGNATURE: signature(secret, body),
    }
    timeout = urllib3.Timeout(total=TIMEOUT_SECONDS)
    deadline = time.monotonic() + TIMEOUT_SECONDS
    try:
        response = _pool.request(
            "POST", url, body=body, headers=headers, timeout=timeout,
            retries=False, redirect=False, preload_content=False,
        )  # fmt: skip
        try:
            return Answer(response.status, _beginning(response, deadline))
        finally:
            response.close()
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise _unanswered(url, error) from None


def _beginning(response: urllib3.BaseHTTPResponse, deadline: float) -> str:
    """As much of the body as a person reads, and as comes in time: a receiver may send for ever."""
    content = b""
    while len(content) < ANSWER_BYTES and time.monotonic() < deadline:
        piece = response.read1(ANSWER_BYTES - len(content), decode_content=False)
        if not piece:
            break
        content += piece
    return content.decode(errors="replace")


def _unanswered(url: str, error: Exception) -> TransientError:
    host = urlsplit(url).hostname
    refused = isinstance(error, urllib3.exceptions.NewConnectionError)
    if isinstance(error, urllib3.exceptions.TimeoutError) and not refused:
        return TransientError("TIMEOUT", f"{host} did not answer in {TIMEOUT_SECONDS:.0f} s.")
    # The error's own words may hold the path of the address, which lets anybody post who knows it.
    return TransientError("NETWORK", f"{host} cannot be reached ({type(error).__name__}).")


def _refusal(answer: Answer) -> str:
    if 300 <= answer.status < 400:
        return f"It answered {answer.status}, a redirect; alerts follow none. Enter the address that it leads to."
    return f"It answered {answer.status}: {' '.join(answer.text.split())[:300] or 'nothing'}"
