"""People in roles, a client for each, and a real browser before a real Jetbridge."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.hashers import make_password
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext, setup_test_environment, teardown_test_environment
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from jetbridge.control.models import Workspace
from jetbridge.control.people import Membership, Role, User

#: Queries of every page of a workspace: session, user, memberships, holds; and the row and state of a destination.
OF_EVERY_PAGE = 4
OF_A_DESTINATION = OF_EVERY_PAGE + 2

PASSWORD = "a bridge of boats"
CLIENTS = Path(__file__).parents[1] / "clients"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
#: What a browser of a test needs: no look-ups of its own, and no sandbox, which containers often forbid.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="session", autouse=True)
def _django_tells_tests_more() -> Iterator[None]:
    """`response.context`, and mail that goes nowhere."""
    setup_test_environment(debug=False)
    yield
    teardown_test_environment()


@cache
def _hash() -> str:
    return make_password(PASSWORD)


@dataclass(frozen=True)
class People:
    """One of each role in `workspace`; the outsider owns `elsewhere`."""

    workspace: Workspace
    elsewhere: Workspace
    owner: User
    editor: User
    viewer: User
    outsider: User
    password: str = PASSWORD


def new_user(name: str, *memberships: tuple[Workspace, Role]) -> User:
    user = User.objects.create(email=f"{name}@example.com", name=name.capitalize(), password=_hash())
    for workspace, role in memberships:
        Membership.objects.create(user=user, workspace=workspace, role=role)
    return user


@pytest.fixture
def people(home: Path) -> People:
    shop, elsewhere = (Workspace.objects.create(name=name) for name in ("Shop", "Elsewhere"))
    return People(
        shop,
        elsewhere,
        new_user("olga", (shop, Role.OWNER)),
        new_user("emil", (shop, Role.EDITOR)),
        new_user("vera", (shop, Role.VIEWER)),
        new_user("otto", (elsewhere, Role.OWNER)),
    )


ClientOf = Callable[[str], Client]


@pytest.fixture
def client_of(people: People) -> ClientOf:
    """`client_of("viewer")`: a client that is logged in; "nobody" is not."""

    def of(role: str) -> Client:
        client = Client()
        if role != "nobody":
            client.force_login(getattr(people, role))
        return client

    return of


@pytest.fixture
def queries() -> Callable[[], CaptureQueriesContext]:
    """`with queries() as seen: ...`, then `len(seen)`."""
    return lambda: CaptureQueriesContext(connection)


# ---- a browser


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """For the tests of a module: while Playwright runs, no other event loop can run in this thread."""
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if not path:
        pytest.fail(
            "The console's tests need Chromium (Debian: apt-get install chromium), or its path in CHROMIUM."
        )
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # Playwright's loop runs in this thread, beside our queries
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def browser(chromium: Browser) -> Iterator[BrowserContext]:
    """A fresh profile. The test fails if a page logs an error: a script that broke, something that CSP refused."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(10_000)
    errors: list[str] = []
    context.on("weberror", lambda error: errors.append(str(error.error)))
    context.on("console", lambda said: errors.append(said.text) if _is_trouble(said) else None)
    yield context
    context.close()
    assert errors == []


def _is_trouble(said: Any) -> bool:
    # Chromium logs every 4xx answer as an error, also those that a test asks for.
    return said.type == "error" and "Failed to load resource" not in said.text


@pytest.fixture
def accessible() -> Callable[[Page], None]:
    """`accessible(page)`: fail with what axe-core finds, by WCAG 2.2 AA and its own best practices."""
    return _check_with_axe


def _check_with_axe(page: Page) -> None:
    # A panel that is still fading in has no contrast to speak of.
    page.wait_for_timeout(500)
    page.evaluate(_axe())
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = page.evaluate("tags => axe.run({runOnly: tags})", tags)["violations"]
    lines = [
        f"{row['id']}: {row['help']}\n  " + "\n  ".join(node["html"][:200] for node in row["nodes"])
        for row in found
    ]
    if lines:
        pytest.fail(f"{page.url} has violations:\n" + "\n".join(lines))


@cache
def _axe() -> str:
    path = CLIENTS / "node_modules" / "axe-core" / "axe.min.js"
    if not path.exists():
        pytest.fail("axe-core is not there: run `make test`, or npm ci in tests/clients.")
    return path.read_text()


# ---- a Jetbridge that runs


@dataclass
class Served:
    """A running Jetbridge and sandbox, joined as by `jetbridge setup`, and a page with the owner logged in."""

    url: str
    sandbox_url: str
    setup: dict[str, Any]
    workspace: Workspace
    owner: User
    page: Page

    def open(self, path: str) -> Page:
        """Below the workspace: `open("sources/")`."""
        self.page.goto(f"{self.url}/w/{self.workspace.id}/{path}")
        return self.page


@pytest.fixture
def url(free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch) -> str:
    """Where Jetbridge is to listen; the environment tells it."""
    port = free_port()
    monkeypatch.setenv("JETBRIDGE_PORT", str(port))
    monkeypatch.setenv("JETBRIDGE_PUBLIC_URL", f"http://127.0.0.1:{port}")
    return f"http://127.0.0.1:{port}"


@pytest.fixture
def sandbox(free_port: Callable[[], int], start_jetbridge: Any) -> str:
    """Address of a running Mailjet in a box with the key pair public, private."""
    address = f"http://127.0.0.1:{(port := free_port())}"
    keys = ("--api-key", "public", "--secret-key", "private")
    start_jetbridge("sandbox", *keys, "--port", str(port), "--event-retry", "0.5", health=f"{address}/")
    return address


@pytest.fixture
def serve(home: Path, url: str, start_jetbridge: Any) -> Any:
    """The process of `jetbridge serve`, which answers at `url`. Its pages must not profit from our own leniency."""
    return start_jetbridge("serve", env={"DJANGO_ALLOW_ASYNC_UNSAFE": ""}, health=f"{url}/healthz")


@pytest.fixture
def served(serve: Any, sandbox: str, url: str, browser: BrowserContext) -> Served:
    joined = _set_up(sandbox)
    workspace = Workspace.objects.get(name=joined["workspace"])
    owner = new_user("olga", (workspace, Role.OWNER))
    browser.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session_of(owner), "url": url}])
    return Served(url, sandbox, joined, workspace, owner, browser.new_page())


def _set_up(sandbox: str) -> dict[str, Any]:
    options = (
        "--mailjet-url",
        sandbox,
        "--api-key",
        "public",
        "--secret-key",
        "private",
        "--list",
        "Customers",
    )
    command = [sys.executable, "-m", "jetbridge", "setup", *options, "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def session_of(user: User) -> str:
    """The key of a new session of this user."""
    store = import_module(settings.SESSION_ENGINE).SessionStore()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.save()
    return str(store.session_key)
