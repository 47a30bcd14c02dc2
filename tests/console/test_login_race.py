"""Sixty guesses at the same time, at a `jetbridge web` that runs: ten are looked at, no more."""

import re
import threading
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.conf import settings

from jetbridge.console.auth.throttle import LOGINS

from ..processes import free_port  # noqa: TID252 - tests are no package
from .conftest import session_of

GUESSES = 60
TOKEN = "t" * 32


@pytest.fixture
def web(people: Any, start_jetbridge: Any) -> str:
    url = f"http://127.0.0.1:{free_port()}"
    env = {"JETBRIDGE_PORT": url.rpartition(":")[2], "JETBRIDGE_PUBLIC_URL": url}
    start_jetbridge("web", env=env, health=f"{url}/readyz")
    return url


def post(url: str, session: str = "", **form: str) -> tuple[int, str]:
    """Status and page."""
    cookies = f"{settings.CSRF_COOKIE_NAME}={TOKEN}; {settings.SESSION_COOKIE_NAME}={session}"
    data = urllib.parse.urlencode({"csrfmiddlewaretoken": TOKEN, **form}).encode()
    request = urllib.request.Request(url, data, headers={"Cookie": cookies})
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def at_once(url: str, **form: str) -> list[tuple[int, str]]:
    begin = threading.Barrier(GUESSES)

    def guess(number: int) -> tuple[int, str]:
        begin.wait()
        return post(url, **{name: value.format(number) for name, value in form.items()})

    with ThreadPoolExecutor(GUESSES) as pool:
        return list(pool.map(guess, range(GUESSES)))


def counted(pages: list[tuple[int, str]], looked_at: str) -> tuple[int, int]:
    """How many were looked at, and how many had to wait: for the limit, or on a slow machine for the database (503)."""
    waited = [page for status, page in pages if "Too many attempts" in page or status == 503]
    return sum(looked_at in page for _, page in pages), len(waited)


def test_sixty_logins_at_once_give_ten_looks_at_the_password(people: Any, web: str) -> None:
    pages = at_once(f"{web}/login", email="olga@example.com", password="wrong {}")
    assert counted(pages, "Email or password is wrong") == (LOGINS.tries, GUESSES - LOGINS.tries)


def test_so_do_sixty_changes_of_the_password(people: Any, web: str) -> None:
    form = {
        "old_password": "wrong {}",
        "new_password1": "a bridge of stone",
        "new_password2": "a bridge of stone",
    }
    pages = at_once(
        f"{web}/w/{people.workspace.id}/settings/profile/",
        session=session_of(people.viewer),
        form="password",
        **form,
    )
    assert counted(pages, "was entered incorrectly") == (LOGINS.tries, GUESSES - LOGINS.tries)
    assert not [page for _, page in pages if re.search("Something went wrong", page)]
