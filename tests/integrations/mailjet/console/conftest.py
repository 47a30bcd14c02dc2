"""Pages of Mailjet accounts: one whose Mailjet answers, one whose does not."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client
from tests.console.conftest import (
    _test_environment,
    accessible,
    browser,
    chromium,
    client_of,
    jetbridge,
    people,
    queries,
    serve,
    served,
    url,
)

from jetbridge.control.models import AppConnection, MailjetAccount
from jetbridge.control.people import AuditEntry
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet import accounts, contacts_lists
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.services.accounts import add_account

#: Nobody answers there.
NOBODY = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    contacts_lists.LISTS._known.clear()
    yield
    contacts_lists.LISTS._known.clear()


@dataclass
class AccountPage:
    """One account, and a client before its page."""

    account: MailjetAccount
    client: Client

    @property
    def index(self) -> str:
        return f"/w/{self.account.workspace_id}/app-connections/"

    @property
    def path(self) -> str:
        return f"{self.index}{self.account.id}/"

    def get(self, path: str = "", **headers: str) -> Any:
        return self.client.get(self.path + path, headers=headers)

    def post(self, path: str, **values: Any) -> Any:
        """To the page that it leads to."""
        return self.client.post(self.path + path, values, follow=True)

    def read(self, path: str = "") -> str:
        return text_of(self.get(path))


def text_of(response: Any) -> str:
    """What a person reads."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


@pytest.fixture
def text() -> Callable[[Any], str]:
    """`text(response)`: what a person reads."""
    return text_of


@pytest.fixture
def audited() -> Callable[[], list[str]]:
    return lambda: list(AuditEntry.objects.order_by("id").values_list("action", flat=True))


@pytest.fixture
def mailjet(sandbox: str) -> MailjetClient:
    return MailjetClient(sandbox, "public", "private")


@pytest.fixture
def page(people: Any, client_of: Any, event_log: SqliteEventLog, sandbox: str) -> AccountPage:
    account = add_account(event_log, people.workspace, sandbox, "public", "private", name="Shop")
    return AccountPage(account, client_of("editor"))


@pytest.fixture
def silent(people: Any, client_of: Any, event_log: SqliteEventLog) -> AccountPage:
    """An account whose Mailjet does not answer."""
    account = add_account(event_log, people.workspace, NOBODY, "public", "private", name="Shop")
    return AccountPage(account, client_of("editor"))


@pytest.fixture
def connection(silent: AccountPage) -> AppConnection:
    return accounts.connect_list(silent.account, 7, "Customers")
