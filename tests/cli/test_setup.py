from typing import TYPE_CHECKING, Any

import pytest

from jetbridge.control import directory
from jetbridge.delivery import ledger
from jetbridge.mailjet.client import MailjetClient

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Jetbridge


def arguments(mailjet: str, *more: str, secret_key: str = "private", wanted: str = "Customers") -> list[str]:
    return [
        "setup",
        *("--mailjet-url", mailjet, "--api-key", "public", "--secret-key", secret_key),
        *("--list", wanted, *more),
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
    doors = directory.load_doors()
    assert list(doors.by_write_key) == [first["write_key"]]
    (to_mailjet,) = directory.load_destinations()
    assert to_mailjet.secrets == {"apiKey": first["authentication_key"]}
    second = jetbridge(*arguments(mailjet), "--json").json
    assert set(first.pop("event_callback_urls").values()) == {"registered"}
    assert set(second.pop("event_callback_urls").values()) == {"unchanged"}
    assert second == first


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
    readers = [ledger.destination_reader(ref.id) for ref in directory.load_destinations()]
    assert len(readers) == 2
    assert ledger.positions() == dict.fromkeys([*readers, ledger.source_reader(account.event_source)], 0)


def test_a_list_is_found_by_its_id_and_never_made_of_one(jetbridge: "Jetbridge", mailjet: str) -> None:
    client = MailjetClient(mailjet, "public", "private")
    made = client.create_contactslist("Newsletter")
    assert jetbridge(*arguments(mailjet, wanted=str(made.id)), "--json").json["list_name"] == "Newsletter"
    refused = jetbridge(*arguments(mailjet, wanted="99"))
    assert (refused.status, refused.err) == (
        1,
        "Error: This Mailjet account has no contacts list 99. Give its name, or no --list.\n",
    )
    assert [row.name for row in client.contactslists()] == ["Newsletter"]


def test_a_wrong_key_is_one_clear_sentence_and_leaves_no_rows(jetbridge: "Jetbridge", mailjet: str) -> None:
    result = jetbridge(*arguments(mailjet, secret_key="wrong"))
    assert (result.status, result.out) == (1, "")
    assert result.err.startswith("Error: Mailjet refuses the API key and secret key. Enter the pair again.")
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
    command = ("setup", "--mailjet-url", mailjet, "--api-key", "public", "--list", "A", "--json", *more)
    assert jetbridge(*command, env=env).json["list_name"] == "A"


def test_without_a_secret_key_and_a_person_to_ask_setup_says_so(jetbridge: "Jetbridge", mailjet: str) -> None:
    result = jetbridge("setup", "--mailjet-url", mailjet, "--api-key", "public", "--list", "A")
    assert result.status == 1
    assert result.err.startswith("Error: No secret key was given")


def test_the_page_for_people_shows_the_keys_in_one_piece(jetbridge: "Jetbridge", mailjet: str) -> None:
    result = jetbridge(*arguments(mailjet), env={"COLUMNS": "40"})
    assert result.status == 0
    assert next(iter(directory.load_doors().by_write_key)) in result.out
    assert directory.load_accounts()[0].events_token in result.out
    assert "private" not in result.out
