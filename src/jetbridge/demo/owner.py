"""The owner's account of the demo, made through the link that `jetbridge serve` prints, as a person would."""

import re
import secrets
from dataclasses import dataclass, field
from urllib.parse import urlencode

import urllib3

from jetbridge.demo.trouble import DemoStopped

EMAIL = "owner@example.com"

_LINK = re.compile(r"https?://\S+/first-run/\w+")
_FORM_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')

_pool = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=10.0, read=30.0))


@dataclass(frozen=True)
class Owner:
    email: str
    password: str = field(repr=False)


def link_in(said: str) -> str | None:
    """The first-run link in what `serve` has said so far."""
    found = _LINK.search(said)
    return found.group() if found else None


def make_owner(link: str) -> Owner:
    """Fill the form in and send it. Raises DemoStopped."""
    owner = Owner(EMAIL, "-".join(secrets.token_hex(2) for _ in range(4)))
    page = _ask("GET", link)
    token = _FORM_TOKEN.search(page.data.decode())
    if token is None:
        raise DemoStopped(f"{link} shows no form.")
    form = {"name": "Olivia Owner", "email": owner.email, "password": owner.password}
    answer = _ask(
        "POST",
        link,
        body=urlencode({**form, "csrfmiddlewaretoken": token.group(1)}),
        headers={
            "Content-Type": "application/x-www-form-urlencoded",
            "Cookie": page.headers["Set-Cookie"].partition(";")[0],
        },
    )
    if answer.status != 302:
        raise DemoStopped(f"{link} did not make an account: it answered {answer.status}.")
    return owner


def _ask(method: str, address: str, **options: object) -> urllib3.BaseHTTPResponse:
    try:
        return _pool.request(method, address, redirect=False, **options)  # type: ignore[arg-type]
    except urllib3.exceptions.HTTPError as error:
        raise DemoStopped(f"{address} does not answer ({type(error).__name__}).") from None
