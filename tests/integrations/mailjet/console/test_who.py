"""Who may do what on App Connections, and how many queries its pages need."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from jetbridge.control.models import AppConnection
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet import accounts
from jetbridge.integrations.mailjet.services.accounts import add_account
from jetbridge.integrations.mailjet.services.email_events import send_events
from jetbridge.services import new_destinations

NOBODY = "http://127.0.0.1:9"


CHANGES = (
    "edit",
    "remove",
    "connect",
    "events",
    "{}/list",
    "{}/key",
    "{}/rotate",
    "{}/end-grace",
    "{}/align",
    "{}/remove",
)


@pytest.mark.parametrize("path", ["callbacks", *CHANGES])
def test_a_viewer_changes_nothing_and_sees_no_key(
    silent: Any, connection: AppConnection, client_of: Any, path: str, audited: Any
) -> None:
    page = replace(silent, client=client_of("viewer"))
    assert page.post(path.format(connection.id)).status_code == 403
    assert audited() == []
    seen = page.get().content.decode()
    assert "Customers" in seen
    assert '<button type="submit"' not in seen.split('<main id="content"')[1]


@pytest.mark.parametrize("path", ["", "lists", "callbacks", *CHANGES])
def test_an_account_of_another_workspace_is_not_there(
    silent: Any, connection: AppConnection, client_of: Any, people: Any, path: str
) -> None:
    outsider = client_of("outsider")
    for workspace in (people.workspace, people.elsewhere):
        at = f"/w/{workspace.id}/app-connections/{silent.account.id}/{path.format(connection.id)}"
        assert outsider.get(at).status_code == outsider.post(at).status_code == 404


def test_an_app_connection_of_another_account_is_not_there(
    silent: Any, connection: AppConnection, event_log: SqliteEventLog
) -> None:
    other = add_account(event_log, silent.account.workspace, NOBODY, "other", "private")
    assert replace(silent, account=other).post(f"{connection.id}/key").status_code == 404
    assert "Customers" not in replace(silent, account=other).read(f"lists?connection={connection.id}")


def test_the_pages_need_the_same_queries_for_one_and_for_many(
    silent: Any, connection: AppConnection, event_log: SqliteEventLog, queries: Callable[[], Any]
) -> None:
    def needed() -> tuple[int, int]:
        with queries() as of_index:
            silent.client.get(silent.index)
        with queries() as of_account:
            silent.get()
        return len(of_index), len(of_account)

    values = {"apiKey": connection.authentication_key, "listId": "7"}
    new_destinations.add(event_log, silent.account.workspace, "mailjet", "M", values, sources=[])
    send_events(event_log, silent.account, {"writeKey": "w"}, enabled=True)
    before = needed()
    for number in range(5):
        accounts.connect_list(silent.account, 100 + number, f"List {number}")
        add_account(event_log, silent.account.workspace, NOBODY, f"key{number}", "private")
        new_destinations.add(event_log, silent.account.workspace, "mailjet", "M", values, sources=[])
    assert needed() == before
