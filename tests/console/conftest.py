"""People in roles, a client for each, and a real browser before a real Jetbridge."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.hashers import make_password
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from jetbridge.console.engage import people as people_pages
from jetbridge.control.models import AppConnection, MailjetAccount, Workspace
from jetbridge.control.people import Membership, Role, Session, User
from jetbridge.engage.models import Space
from jetbridge.eventlog.scan_backwards import ScanLimit
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.connect import ConnectionSpec, Joined
from jetbridge.integrations.mailjet.services.accounts import join
from jetbridge.services.queries import messages

from ..chromium import ARGUMENTS, HELP, find  # noqa: TID252 - tests are no package
from ..processes import free_port, starting  # noqa: TID252 - tests are no package
from . import axe

#: Queries of every page of a workspace: session, user, memberships, holds; and the row and health of a destination.
OF_EVERY_PAGE = 4
OF_HEALTH = 17
OF_A_DESTINATION = OF_EVERY_PAGE + 2 + OF_HEALTH

PASSWORD = "a bridge of boats"
#: As long as a busy machine may take (ms).
RETRY_DEADLINE = 30_000
expect.set_options(timeout=RETRY_DEADLINE)


@pytest.fixture(scope="session", autouse=True)
def _test_environment(django_test_environment: None) -> None:
    """For every test here."""


@pytest.fixture(autouse=True)
def _search_without_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page's search ends by records alone: on a busy machine its time would be over before it has found anything."""
    limit = ScanLimit(records=messages.SCAN_LIMIT.records, seconds=60.0)
    monkeypatch.setattr(messages, "SCAN_LIMIT", limit)
    monkeypatch.setattr(people_pages, "SCAN_LIMIT", limit)


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
    user = User.objects.create(
        email=f"{name}@example.com", name=name.capitalize(), password=make_password(PASSWORD)
    )
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
            Session.objects.filter(address="").update(address="127.0.0.1")  # as a login would note it
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
    path = os.environ.get("CHROMIUM") or find()  # `make test` has found one and says so
    if not path:
        pytest.fail(HELP)
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
    context.set_default_timeout(RETRY_DEADLINE)
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
    return axe.check


# ---- a Jetbridge that runs


@dataclass
class Served:
    """A running Jetbridge, a sandbox and a workspace that joins them, and a page with the owner logged in."""

    url: str
    sandbox_url: str
    joined: Joined
    page: Page

    @property
    def workspace(self) -> Workspace:
        return self.joined.workspace

    def open(self, path: str) -> Page:
        """Below the workspace: `open("sources/")`."""
        self.page.goto(f"{self.url}/w/{self.workspace.id}/{path}")
        return self.page


@pytest.fixture(scope="module")
def jetbridge(homes: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a Jetbridge that the tests of a module share."""
    url = f"http://127.0.0.1:{free_port()}"
    homes.empty()
    homes.shared = True
    with starting(tmp_path_factory.mktemp("jetbridge")) as start:
        start("serve", env=_at(url), health=f"{url}/healthz")
        yield url
    homes.shared = False


@pytest.fixture
def url() -> str:
    """Where `serve` listens."""
    return f"http://127.0.0.1:{free_port()}"


@pytest.fixture
def serve(home: Path, url: str, start_jetbridge: Any) -> Any:
    """The process of a `jetbridge serve` of the test's own, whose home is empty."""
    return start_jetbridge("serve", env=_at(url), health=f"{url}/healthz")


def _at(url: str) -> dict[str, str]:
    return {
        "JETBRIDGE_PORT": url.rpartition(":")[2],
        "JETBRIDGE_PUBLIC_URL": url,
        "DJANGO_ALLOW_ASYNC_UNSAFE": "",  # its pages must not profit from our own leniency
    }


@pytest.fixture
def served(jetbridge: str, sandbox: str, browser: BrowserContext) -> Iterator[Served]:
    """In a workspace of its own, with a sandbox of its own."""
    joined = _join(sandbox)
    owner = new_user("olga", (joined.workspace, Role.OWNER))
    session = {"name": settings.SESSION_COOKIE_NAME, "value": session_of(owner), "url": jetbridge}
    browser.add_cookies([session])
    yield Served(jetbridge, sandbox, joined, browser.new_page())
    for page in browser.pages:
        page.close()  # or its live parts would miss what is deleted now
    for model in (Space, AppConnection, MailjetAccount, Workspace, User):
        model.objects.all().delete()
    connections.close_all()  # here, because Django has others while no Playwright runs


def _join(sandbox: str) -> Joined:
    customers = MailjetClient(sandbox, "public", "private").create_contactslist("Customers")
    spec = ConnectionSpec("Main", sandbox, "public", "private", customers.id, customers.name)
    with closing(SqliteEventLog(settings.CONFIG.log_path)) as event_log:
        return join(event_log, spec)


def session_of(user: User) -> str:
    """The key of a new session of this user."""
    store = import_module(settings.SESSION_ENGINE).SessionStore()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.save()
    return str(store.session_key)
