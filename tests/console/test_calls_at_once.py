"""Calls that pages and the API make of a Mailjet that does not answer: few at once, and each for a short time."""

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import urllib3
from django.test import Client

from jetbridge.console.asgi import CALLS_TO_ONE_HOST
from jetbridge.control import api_tokens
from jetbridge.control.models import MailjetAccount
from jetbridge.control.people import Role
from jetbridge.http.client import CALL_LIMIT, PAGE_SECONDS
from jetbridge.integrations.mailjet import accounts, contacts_lists

#: Requests at the same time, many more than may wait.
CROWD = 40


@pytest.fixture
def silent() -> Iterator[str]:
    """Takes every connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def account(people: Any, silent: str) -> MailjetAccount:
    contacts_lists.LISTS._known.clear()
    return accounts.add_account(people.workspace, silent, "public", "private")


def test_a_crowd_before_a_silent_mailjet_holds_few_threads(
    people: Any, account: MailjetAccount, start_jetbridge: Any, free_port: Callable[[], int]
) -> None:
    _, token = api_tokens.make(people.workspace, people.owner, "crowd", Role.EDITOR)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    start_jetbridge("web", env={"JETBRIDGE_PORT": str(port)}, health=f"{url}/healthz")
    pool = urllib3.PoolManager(maxsize=CROWD, retries=False, timeout=60)
    headers = {"Authorization": f"Bearer {token}"}
    pool.request("GET", f"{url}/api/v1/workspace", headers=headers)  # the pages load with their first request
    found: list[tuple[float, Any]] = []

    def ask() -> None:
        began = time.monotonic()
        answer = pool.request("GET", f"{url}/api/v1/mailjet-accounts/{account.id}/lists", headers=headers)
        found.append((time.monotonic() - began, answer))

    crowd = [threading.Thread(target=ask) for _ in range(CROWD)]
    for each in crowd:
        each.start()
    for each in crowd:
        each.join()
    assert {answer.status for _, answer in found} == {503}
    assert all(int(answer.headers["Retry-After"]) > 0 for _, answer in found)
    sentences = Counter(
        "in time" if "did not respond in 10 s" in answer.json()["detail"] else "at once"
        for _, answer in found
        if "Jetbridge is waiting for" in answer.json()["detail"]
        or "did not respond" in answer.json()["detail"]
    )
    assert sentences == {"in time": CALLS_TO_ONE_HOST, "at once": CROWD - CALLS_TO_ONE_HOST}
    assert max(seconds for seconds, _ in found) < 3 * PAGE_SECONDS  # 3: on a busy machine


def test_a_page_beyond_the_limit_says_so(
    client_of: Any, people: Any, account: MailjetAccount, monkeypatch: Any
) -> None:
    monkeypatch.setattr(CALL_LIMIT, "_per_host", 0)
    editor: Client = client_of("editor")
    form = {"api_key": "a" * 32, "secret_key": "b" * 32, "api_url": account.api_url}
    page = editor.post(f"/w/{people.workspace.id}/app-connections/add", form)
    assert (page.status_code, page.headers["Retry-After"]) == (503, "5")
    assert "Jetbridge is waiting for 127.0.0.1" in page.content.decode()
