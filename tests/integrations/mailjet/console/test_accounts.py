"""Mailjet accounts: tried at Mailjet, masked, changed and removed."""

import re
from typing import Any

import pytest

from jetbridge.control.models import AppConnection, Destination, MailjetAccount
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet import accounts
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.services import new_destinations

#: Nobody answers there.
NOBODY = "http://127.0.0.1:9"


def test_an_account_is_tried_at_mailjet_and_added(
    people: Any, client_of: Any, sandbox: str, text: Any, audited: Any
) -> None:
    path = f"/w/{people.workspace.id}/app-connections/add"
    values = {"api_url": f"{sandbox}/", "api_key": "public", "secret_key": "private", "name": "Shop"}
    answer = client_of("editor").post(path, values, follow=True)
    account = MailjetAccount.objects.get()
    assert (account.name, account.api_url, account.secret_key) == ("Shop", sandbox, "private")
    assert "Shop was added" in text(answer)
    assert not account.custom_id_is_user_id
    assert audited() == ["account.added"]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"secret_key": "hunter22"}, "Mailjet rejects the API key and secret key. Enter the pair again."),
        ({"api_url": NOBODY}, "Mailjet at 127.0.0.1:9 cannot be reached."),
        ({"api_url": "ftp://mailjet"}, "Enter an address such as https://"),
        ({"secret_key": ""}, "This field is required."),
    ],
)
def test_a_pair_that_does_not_work_is_not_added_and_says_why(
    page: Any, text: Any, changed: dict[str, str], sentence: str
) -> None:
    MailjetAccount.objects.all().delete()
    values = {"api_url": page.account.api_url, "api_key": "public", "secret_key": "private", **changed}
    answer = page.client.post(f"{page.index}add", values)
    assert answer.status_code == 422
    assert sentence in text(answer)
    assert "hunter22" not in answer.content.decode()
    assert MailjetAccount.objects.count() == 0


def test_pasted_keys_and_an_address_without_a_scheme_are_read_as_meant(page: Any, text: Any) -> None:
    MailjetAccount.objects.all().delete()
    pasted = {"api_url": page.account.api_url, "api_key": "\ufeff'public' ", "secret_key": ' "private"\u200b'}
    page.client.post(f"{page.index}add", pasted)
    account = MailjetAccount.objects.get()
    assert (account.api_key, account.secret_key) == ("public", "private")


@pytest.mark.parametrize("form", ["add", "edit"])
def test_a_pair_that_works_the_other_way_round_is_exchanged_on_a_yes(page: Any, text: Any, form: str) -> None:
    path = f"{page.index}add" if form == "add" else f"{page.path}edit"
    if form == "add":
        MailjetAccount.objects.all().delete()
    else:
        MailjetAccount.objects.update(secret_key="old")
    swapped = {"name": "Shop", "api_url": page.account.api_url, "api_key": "private", "secret_key": "public"}
    offered = page.client.post(path, swapped)
    shown = offered.content.decode()
    assert offered.status_code == 422
    assert "The two keys are swapped" in shown
    assert 'value="private"' not in shown
    assert 'value="public"' not in shown
    assert not MailjetAccount.objects.filter(secret_key__in=["private", "public"]).exists()
    [sealed] = re.findall(r'name="swapped" value="([^"]+)"', shown)

    other = f"{page.index}add" if form == "edit" else f"{page.index}1/edit"
    page.client.post(other, {"swapped": sealed})
    assert not MailjetAccount.objects.filter(api_key="public", name="Shop", secret_key="private").exists()

    page.client.post(path, {"swapped": sealed})
    account = MailjetAccount.objects.get()
    assert (account.name, account.api_key, account.secret_key) == ("Shop", "public", "private")


def test_the_same_key_is_not_added_twice(page: Any, text: Any) -> None:
    values = {"api_url": page.account.api_url, "api_key": "public", "secret_key": "private"}
    answer = page.client.post(f"/w/{page.account.workspace_id}/app-connections/add", values)
    assert "that of Shop, which has been added already" in text(answer)
    assert MailjetAccount.objects.count() == 1


def test_keys_are_masked_everywhere(silent: Any, connection: AppConnection) -> None:
    MailjetAccount.objects.update(api_key="0123456789abcdef")
    shown = [silent.get(path).content.decode() for path in ("", "edit", "remove")]
    shown.append(silent.client.get(silent.index).content.decode())
    silent.account.refresh_from_db()
    secrets = ["0123456789abcdef", "private", connection.authentication_key, silent.account.events_token]
    assert [secret for secret in secrets if any(secret in page for page in shown)] == []
    assert all("0123••••" in page for page in (shown[0], shown[1], shown[3]))


def test_a_new_key_pair_is_tried_before_it_is_kept(page: Any, text: Any, audited: Any) -> None:
    answer = page.post("edit", name="Shop", api_key="public", secret_key="wrong")
    assert answer.status_code == 422
    assert "Mailjet rejects the API key" in text(answer)
    page.post("edit", name="Boutique")
    page.account.refresh_from_db()
    assert (page.account.name, page.account.secret_key) == ("Boutique", "private")
    assert audited() == ["account.renamed"]


def test_stored_keys_are_sent_to_no_other_address(page: Any, text: Any) -> None:
    for keys in ({}, {"api_key": "public"}, {"secret_key": "private"}):
        answer = page.post("edit", name="Shop", api_url=NOBODY, **keys)
        assert answer.status_code == 422
        assert "enter the API key and the secret key, too" in text(answer)  # not that nobody answers there
    page.account.refresh_from_db()
    assert page.account.api_url != NOBODY


def test_a_wrong_address_is_corrected_with_both_keys(page: Any, text: Any, audited: Any) -> None:
    right = page.account.api_url
    MailjetAccount.objects.update(api_url=NOBODY)
    answer = page.post("edit", name="Shop", api_url=f"{right}/", api_key="public", secret_key="private")
    assert "it is in use from now on" in text(answer)
    page.account.refresh_from_db()
    assert page.account.api_url == right
    assert audited() == ["account.key-pair-changed"]


def test_the_pair_of_another_mailjet_account_is_refused(page: Any, text: Any) -> None:
    accounts.connect_list(page.account, 4711, "Customers")
    MailjetAccount.objects.update(secret_key="former")
    answer = page.post("edit", name="Shop", secret_key="private")
    assert "sees no contacts list 4711 (Customers), so it belongs to another Mailjet account" in text(answer)
    page.account.refresh_from_db()
    assert page.account.secret_key == "former"


def test_removing_says_what_it_means_and_does_it(
    page: Any, event_log: SqliteEventLog, text: Any, audited: Any
) -> None:
    row = accounts.connect_list(page.account, 7, "Customers")
    values = {"apiKey": row.authentication_key, "listId": "7"}
    new_destinations.add(
        event_log, page.account.workspace, "mailjet", "To Mailjet", values, sources=[row.source]
    )
    page.post("callbacks")
    asked = page.read("remove")
    assert "refused at once" in asked
    assert "Switched off, because they can do nothing without it: To Mailjet" in asked
    answer = page.post("remove")
    assert "Shop was removed. Switched off: To Mailjet." in text(answer)
    assert MailjetAccount.objects.count() == AppConnection.objects.count() == 0
    assert not Destination.objects.get().enabled
    assert MailjetClient(page.account.api_url, "public", "private").eventcallbackurls() == []
    assert audited() == ["account.callback-urls-repaired", "account.removed", "destination.disabled"]


def test_removing_works_without_mailjet_and_says_what_is_left_to_do(silent: Any, text: Any) -> None:
    assert "remove the event callback URLs there yourself" in text(silent.post("remove"))
    assert MailjetAccount.objects.count() == 0


def test_an_account_is_added_whose_custom_id_is_the_user_id(page: Any) -> None:
    url = page.account.api_url
    MailjetAccount.objects.all().delete()
    values = {"api_url": url, "api_key": "public", "secret_key": "private", "custom_id_is_user_id": "on"}
    page.client.post(f"{page.index}add", values)
    assert MailjetAccount.objects.get().custom_id_is_user_id


def test_an_account_is_told_that_custom_id_is_the_user_id(page: Any, text: Any, audited: Any) -> None:
    assert "An event is of the user whom Identify named" in text(page.get(""))
    page.post("edit", name=page.account.name, custom_id_is_user_id="on")
    page.account.refresh_from_db()
    assert page.account.custom_id_is_user_id
    assert "An event is of the user whose userId is its CustomID" in text(page.get(""))
    assert "checked" in page.get("edit").content.decode()
    page.post("edit", name=page.account.name)
    page.account.refresh_from_db()
    assert not page.account.custom_id_is_user_id
    assert audited() == ["account.custom-id-changed"] * 2
