from typing import TYPE_CHECKING, Any
from unittest.mock import ANY

import pytest

from jetbridge.control import directory
from jetbridge.control.models import Source, Workspace
from jetbridge.control.secret_field import digest
from jetbridge.delivery import ledger
from jetbridge.delivery.models import destination_consumer, source_consumer
from jetbridge.integrations.mailjet.api.client import MailjetClient

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Jetbridge


def arguments(mailjet: str, *more: str, secret_key: str = "private", wanted: str = "Customers") -> list[str]:
    return [
        "setup",
        *("--mailjet-url", mailjet, "--api-key", "public", "--secret-key", secret_key),
        *("--list", wanted, "--create-list", *more),
    ]


def test_setup_prints_what_a_person_needs_and_finds_it_again(jetbridge: "Jetbridge", mailjet: str) -> None:
    first = jetbridge(*arguments(mailjet), "--json").json
    (customers,) = MailjetClient(mailjet, "public", "private").contactslists()
    (account,) = directory.load_accounts()
    assert {
        name: first[name] for name in ("list_id", "list_name", "subscription_url", "mailjet_events_url")
    } == {
        "list_id": customers.id,
        "list_name": "Customers",
        "subscription_url": "http://127.0.0.1:8080/segment",
        "mailjet_events_url": f"http://127.0.0.1:8080/mailjet/events/{account.events_token}",
    }
    credentials = directory.load_credentials()
    assert list(credentials.by_write_key_digest) == [digest(first["write_key"])]
    (to_mailjet,) = directory.load_destinations()
    assert to_mailjet.secrets == {"apiKey": first["authentication_key"]}
    second = jetbridge(*arguments(mailjet), "--json").json
    assert set(first.pop("event_callback_urls").values()) == {"registered"}
    assert set(second.pop("event_callback_urls").values()) == {"unchanged"}
    assert second == first


def test_it_joins_the_workspace_that_the_console_has_made(jetbridge: "Jetbridge", mailjet: str) -> None:
    Workspace.objects.create(name="Shop")
    assert jetbridge(*arguments(mailjet), "--json").json["workspace"] == "Shop"
    assert jetbridge(*arguments(mailjet, "--workspace", "Other"), "--json").json["workspace"] == "Other"
    result = jetbridge(*arguments(mailjet, wanted="Never made"))
    assert (result.status, result.err) == (
        1,
        "Error: There are several workspaces: Shop, Other. Say which with --workspace.\n",
    )
    assert [row.name for row in MailjetClient(mailjet, "public", "private").contactslists()] == ["Customers"]
    Workspace.objects.create(name="Main")
    assert jetbridge(*arguments(mailjet), "--json").json["workspace"] == "Main"


def test_setup_registers_this_jetbridge_at_mailjet(own_process: "Jetbridge", mailjet: str) -> None:
    env = {"JETBRIDGE_PUBLIC_URL": "https://events.example.com"}
    result = own_process(*arguments(mailjet), "--json", env=env).json
    rows = MailjetClient(mailjet, "public", "private").eventcallbackurls()
    assert {(row.event_type, row.url, row.version) for row in rows} == {
        (event_type, result["mailjet_events_url"], 2)
        for event_type in ("sent", "open", "click", "bounce", "spam", "blocked", "unsub")
    }
    assert result["mailjet_events_url"].startswith("https://events.example.com/mailjet/events/")


def test_every_reader_begins_before_a_worker_can_see_it(jetbridge: "Jetbridge", mailjet: str) -> None:
    jetbridge(
        *arguments(mailjet, "--segment-url", "http://127.0.0.1:1", "--segment-write-key", "w"), "--json"
    )
    (account,) = directory.load_accounts()
    readers = [destination_consumer(ref.id) for ref in directory.load_destinations()]
    assert len(readers) == 2
    assert ledger.positions() == dict.fromkeys([*readers, source_consumer(account.event_source)], 0)


def test_a_list_is_found_by_its_id_and_never_made_of_one(jetbridge: "Jetbridge", mailjet: str) -> None:
    client = MailjetClient(mailjet, "public", "private")
    made = client.create_contactslist("Newsletter")
    for wanted in (str(made.id), f" {made.id} ", f"\ufeff'{made.id}'"):
        assert jetbridge(*arguments(mailjet, wanted=wanted), "--json").json["list_id"] == made.id
    refused = jetbridge(*arguments(mailjet, wanted="99"))
    assert refused.status == 1
    assert f"no contacts list '99'. It has: Newsletter ({made.id}). Give the name or id" in refused.err
    assert [row.name for row in client.contactslists()] == ["Newsletter"]


@pytest.mark.parametrize(
    "wanted", ["Customers ", "customers", " CUSTOMERS", "\u200bCustomers", '"Customers"']
)
def test_no_spelling_of_a_name_makes_a_near_double(jetbridge: "Jetbridge", mailjet: str, wanted: str) -> None:
    client = MailjetClient(mailjet, "public", "private")
    made = client.create_contactslist("Customers")
    assert jetbridge(*arguments(mailjet, wanted=wanted), "--json").json["list_id"] == made.id
    assert len(client.contactslists()) == 1


def test_a_list_is_made_only_when_that_is_said(jetbridge: "Jetbridge", mailjet: str) -> None:
    command = [word for word in arguments(mailjet) if word != "--create-list"]
    refused = jetbridge(*command)
    assert (refused.status, "a new name with --create-list" in refused.err) == (1, True)
    assert MailjetClient(mailjet, "public", "private").contactslists() == []
    assert jetbridge(*command, "--create-list").status == 0
    assert jetbridge(*command).status == 0


def test_two_lists_of_one_name_are_not_guessed_between(jetbridge: "Jetbridge", mailjet: str) -> None:
    client = MailjetClient(mailjet, "public", "private")
    for name in ("News", "NEWS"):
        client.create_contactslist(name)
    refused = jetbridge(*arguments(mailjet, wanted="news"))
    assert (refused.status, "Several contacts lists are named news" in refused.err) == (1, True)
    assert jetbridge(*arguments(mailjet, wanted="NEWS"), "--json").json["list_name"] == "NEWS"


def test_what_comes_along_with_a_pasted_key_is_left_out(
    jetbridge: "Jetbridge", mailjet: str, tmp_path: "Path"
) -> None:
    (tmp_path / "key").write_text("\ufeff'private'\r\n")
    pasted = ("--api-key", '\u00a0"public" ', "--secret-key-file", str(tmp_path / "key"))
    where = ("--mailjet-url", mailjet, "--list", "A", "--create-list", "--segment-write-key", " `w` ")
    assert jetbridge("setup", *where, *pasted).status == 0
    (account,) = directory.load_accounts()
    assert (account.api_key, account.secret_key) == ("public", "private")
    assert {name: value for row in directory.load_destinations() for name, value in row.secrets.items()} == {
        "writeKey": "w",
        "apiKey": ANY,
    }


def test_keys_that_work_the_other_way_round_are_not_stored(jetbridge: "Jetbridge", mailjet: str) -> None:
    command = ("setup", "--mailjet-url", mailjet, "--api-key", "private", "--secret-key", "public")
    refused = jetbridge(*command, "--list", "A", "--create-list")
    assert (refused.status, "accepts it the other way round" in refused.err) == (1, True)
    assert directory.load_accounts() == []
    assert MailjetClient(mailjet, "public", "private").contactslists() == []


def test_a_wrong_key_is_one_clear_sentence_and_leaves_no_rows(jetbridge: "Jetbridge", mailjet: str) -> None:
    result = jetbridge(*arguments(mailjet, secret_key="wrong"))
    assert (result.status, result.out) == (1, "")
    assert result.err.startswith("Error: Mailjet rejects the API key and secret key. Enter the pair again.")
    assert result.err.count("\n") == 1
    assert directory.load_accounts() == []


def test_a_mailjet_that_is_not_there_is_one_clear_sentence(jetbridge: "Jetbridge", free_port: Any) -> None:
    result = jetbridge(*arguments(f"http://127.0.0.1:{free_port()}"))
    assert result.status == 1
    assert result.err.startswith("Error: ")
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("way", ["environment", "file"])
def test_the_secret_key_need_not_be_an_argument(
    jetbridge: "Jetbridge", mailjet: str, tmp_path: "Path", way: str
) -> None:
    (tmp_path / "key").write_text("private\n")
    more = ["--secret-key-file", str(tmp_path / "key")] if way == "file" else []
    env = {"JETBRIDGE_SETUP_SECRET_KEY": "private"} if way == "environment" else {}
    command = (
        "setup",
        "--mailjet-url",
        mailjet,
        "--api-key",
        "public",
        "--list",
        "A",
        "--create-list",
        "--json",
        *more,
    )
    assert jetbridge(*command, env=env).json["list_name"] == "A"


def test_without_a_secret_key_and_a_person_to_ask_setup_says_so(jetbridge: "Jetbridge", mailjet: str) -> None:
    result = jetbridge("setup", "--mailjet-url", mailjet, "--api-key", "public", "--list", "A")
    assert result.status == 1
    assert result.err.startswith("Error: No secret key was given")


def test_the_page_for_people_shows_the_keys_in_one_piece(jetbridge: "Jetbridge", mailjet: str) -> None:
    result = jetbridge(*arguments(mailjet), env={"COLUMNS": "40"})
    assert result.status == 0
    assert Source.objects.get(kind="http").current_key in result.out
    assert directory.load_accounts()[0].events_token in result.out
    assert "private" not in result.out


def test_custom_ids_are_user_ids_if_setup_is_told_so(jetbridge: "Jetbridge", mailjet: str) -> None:
    assert jetbridge(*arguments(mailjet), "--json").json["custom_id_is_user_id"] is False
    told = jetbridge(*arguments(mailjet, "--custom-id-is-user-id"), "--json").json
    assert told["custom_id_is_user_id"] is True
    assert jetbridge(*arguments(mailjet), "--json").json["custom_id_is_user_id"] is True
    assert "their CustomID, else what Identify said" in jetbridge(*arguments(mailjet)).out
    back = jetbridge(*arguments(mailjet, "--custom-id-is-no-user-id"), "--json").json
    assert back["custom_id_is_user_id"] is False
