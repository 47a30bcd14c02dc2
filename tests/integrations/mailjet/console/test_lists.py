"""The contact list of an app connection: chosen from those that are really there."""

from typing import Any

import pytest

from jetbridge.control.models import AppConnection
from jetbridge.control.people import AuditEntry
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.console import account_page
from jetbridge.integrations.mailjet.models import ReplacedList
from jetbridge.services import new_destinations


def test_the_lists_of_the_account_are_asked_for_after_the_page(
    page: Any, mailjet: MailjetClient, audited: Any
) -> None:
    made = [mailjet.create_contactslist(name) for name in ("Newsletter", "Customers")]
    assert "Newsletter" not in page.read()
    assert "Customers (0 contacts) Newsletter (0 contacts)" in page.read("lists")
    assert "Newsletter" in page.read("?lists=1")
    answer = page.post("connect", list=made[0].id)
    row = AppConnection.objects.get()
    assert (row.list_id, row.list_name) == (made[0].id, "Newsletter")
    assert f'value="{made[0].id}" readonly' in answer.content.decode()
    page.post(f"{row.id}/list", list=made[1].id)
    row.refresh_from_db()
    assert (row.list_id, row.list_name) == (made[1].id, "Customers")
    assert audited() == ["app-connection.added", "app-connection.list-chosen"]


def test_a_list_can_be_made(page: Any, mailjet: MailjetClient) -> None:
    page.post("connect", new_name="Fans")
    [made] = mailjet.contactslists()
    assert (AppConnection.objects.get().list_id, made.name) == (made.id, "Fans")


def test_many_lists_are_searched(page: Any, mailjet: MailjetClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_page, "SEARCHED", 2)
    monkeypatch.setattr(account_page, "SHOWN", 2)
    made = [mailjet.create_contactslist(f"List {letter}") for letter in "cab"]
    everything = page.read("lists")
    assert "List a (0 contacts) List b (0 contacts) 1 more fit" in everything
    assert 'placeholder="Search 3 lists"' in page.get("lists").content.decode()
    assert "List b (0 contacts)" in page.read("lists?q=T%20B")
    assert "List c (0 contacts)" in page.read(f"lists?q={made[0].id}")
    assert "No list fits" in page.read("lists?q=z")


def test_a_list_that_is_gone_or_taken_is_refused_with_a_sentence(
    page: Any, mailjet: MailjetClient, text: Any
) -> None:
    made = mailjet.create_contactslist("Customers")
    page.post("connect", list=made.id)
    assert "has an app connection already" in text(page.post("connect", list=made.id))
    assert "has no contacts list 99 any more" in text(page.post("connect", list=99))
    assert "Choose a contact list" in text(page.post("connect", list=""))
    assert AppConnection.objects.count() == 1


def test_a_mailjet_that_does_not_answer_leaves_the_page_whole(
    silent: Any, connection: AppConnection, text: Any
) -> None:
    assert silent.get().status_code == 200
    told = silent.read(f"lists?connection={connection.id}")
    assert "Customers" in told
    assert "Mailjet at 127.0.0.1:9 cannot be reached" in told
    assert "cannot be reached" in silent.read("callbacks")
    assert "cannot be reached" in text(silent.post(f"{connection.id}/list", list=8))


def test_a_destination_with_another_list_id_is_told_and_mended(
    silent: Any, connection: AppConnection, event_log: SqliteEventLog
) -> None:
    values = {"apiKey": connection.authentication_key, "listId": "8"}
    row = new_destinations.add(
        event_log, silent.account.workspace, "mailjet", "M", values, sources=[connection.source]
    )
    assert "another List ID: 8 instead of 7" in silent.read()
    silent.post(f"{connection.id}/align", destination=row.id)
    row.refresh_from_db()
    assert row.settings == {"listId": "7"}
    assert "with the same List ID" in silent.read()
    assert "callout good" not in silent.get().content.decode()  # nobody has asked Mailjet for the list
    assert silent.post(f"{connection.id}/align", destination=row.id + 1).status_code == 404


@pytest.mark.parametrize("is_gone", [False, True])
def test_another_list_goes_to_the_destinations_that_had_the_former_one(
    page: Any, mailjet: MailjetClient, event_log: SqliteEventLog, *, is_gone: bool
) -> None:
    """One that was set to another list on purpose stays. What waits goes along only if the former list is gone."""
    former, new = (mailjet.create_contactslist(name) for name in ("Former", "New"))
    page.post("connect", list=former.id)
    connection = AppConnection.objects.get()
    rows = [
        new_destinations.add(
            event_log,
            page.account.workspace,
            "mailjet",
            name,
            {"apiKey": connection.authentication_key, "listId": list_id},
            sources=[connection.source],
        )
        for name, list_id in (("Follows", str(former.id)), ("Stays", "8"))
    ]
    if is_gone:
        mailjet._transport.call("DELETE", f"/v3/REST/contactslist/{former.id}")
    page.read()
    lists = page.get(f"lists?connection={connection.id}").content.decode()
    assert (f'value="{former.id}"' in lists, "callout good" in lists, "callout paused" in lists) == (
        not is_gone,
        not is_gone,
        is_gone,
    )
    told = page.post(f"{connection.id}/list", list=new.id).content.decode()
    assert "Follows uses it from now on." in told
    for row in rows:
        row.refresh_from_db()
    assert [row.settings["listId"] for row in rows] == [str(new.id), "8"]
    assert list(ReplacedList.objects.values_list("destination_id", "list_id")) == (
        [(rows[0].id, former.id)] if is_gone else []
    )
    entry = AuditEntry.objects.get(action="app-connection.list-chosen")
    assert entry.details == {"list": [former.id, new.id], "destinations": ["Follows"]}
    page.post(f"{connection.id}/list", list=new.id)
    assert ReplacedList.objects.count() == is_gone
