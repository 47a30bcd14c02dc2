"""What the calls of Mailjet accounts, app connections and email events do, at a Mailjet that answers."""

from typing import Any

import pytest

from jetbridge.control.models import AppConnection, Destination, MailjetAccount
from jetbridge.control.people import AuditEntry
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.spec.email_events import EVENT_NAMES

from .filled import NOBODY, Filled, fill

CONNECTION = "mailjet-accounts/{account}/app-connections/{connection}"


def actions() -> list[str]:
    return list(AuditEntry.objects.order_by("id").values_list("action", flat=True))


@pytest.fixture
def mailjet(sandbox: str) -> MailjetClient:
    return MailjetClient(sandbox, "public", "private")


@pytest.fixture
def shop(people: Any, event_log: SqliteEventLog, sandbox: str) -> Filled:
    return fill(event_log, people.workspace, people.owner, (sandbox, "public", "private"))


def test_an_account_is_tried_added_changed_and_removed(shop: Filled, sandbox: str) -> None:
    shop.call("DELETE", "mailjet-accounts/{account}")
    pair = {"api_key": "public", "secret_key": "private", "api_url": f"{sandbox}/"}
    wrong = shop.call("POST", "mailjet-accounts", {**pair, "secret_key": "hunter22"})
    assert wrong.status_code == 422
    assert "Mailjet rejects the API key and secret key." in wrong.json()["detail"]
    made = shop.call("POST", "mailjet-accounts", pair)
    assert made.status_code == 201, made.content
    account = made.json()
    assert (account["name"], account["api_url"], account["api_key"]) == (
        "Mailjet public",
        sandbox,
        "••••••••",
    )
    path = f"mailjet-accounts/{account['id']}"
    refused = shop.call("PATCH", path, {"secret_key": "wrong"})
    assert (refused.status_code, MailjetAccount.objects.get().secret_key) == (422, "private")
    assert shop.call("PATCH", path, {"api_key": "other"}).json()["detail"].startswith("Enter the secret key")
    assert shop.call("PATCH", path, {"name": "Boutique"}).json() == {**account, "name": "Boutique"}
    assert shop.call("DELETE", path).json() == {
        "id": account["id"],
        "name": "Boutique",
        "switched_off": [],
        "left_to_do": "",
    }
    assert actions()[-3:] == ["account.added", "account.renamed", "account.removed"]


def test_an_account_is_added_whose_custom_id_is_the_user_id(shop: Filled, sandbox: str) -> None:
    shop.call("DELETE", "mailjet-accounts/{account}")
    pair = {"api_key": "public", "secret_key": "private", "api_url": sandbox}
    assert shop.call("POST", "mailjet-accounts", {**pair, "custom_id_is_user_id": None}).status_code == 422
    made = shop.call("POST", "mailjet-accounts", {**pair, "custom_id_is_user_id": True}).json()
    assert made["custom_id_is_user_id"] is True
    assert shop.get(f"mailjet-accounts/{made['id']}") == made
    assert MailjetAccount.objects.get().custom_id_is_user_id
    assert AuditEntry.objects.latest("id").details["custom id is the user id"] is True


def test_a_mailjet_that_does_not_answer_is_worth_asking_again(shop: Filled) -> None:
    pair = {"api_key": "public", "secret_key": "private", "api_url": NOBODY}
    answer = shop.call("POST", "mailjet-accounts", pair)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "cannot be reached" in answer.json()["detail"]


def test_removing_an_account_tells_what_was_switched_off(shop: Filled) -> None:
    told = shop.call("DELETE", "mailjet-accounts/{account}").json()
    assert told["switched_off"] == [shop.ids["destination"]]
    assert not Destination.objects.get(id=shop.ids["destination"]).enabled
    assert actions() == ["account.removed", "destination.disabled"]


def test_lists_are_told_and_searched(shop: Filled, mailjet: MailjetClient) -> None:
    made = mailjet.create_contactslist("Customers")
    mailjet.create_contactslist("Guests")
    path = "mailjet-accounts/{account}/lists"
    assert [row["name"] for row in shop.get(path)["items"]] == ["Customers", "Guests"]
    expected = [{"id": made.id, "name": "Customers", "contacts": 0}]
    assert shop.get(path, text="cust")["items"] == shop.get(path, text=made.id)["items"] == expected


def test_a_list_is_connected_and_another_one_chosen(shop: Filled, mailjet: MailjetClient) -> None:
    there = mailjet.create_contactslist("Customers")
    connect = "mailjet-accounts/{account}/app-connections"
    assert shop.call("POST", connect, {"list": 4711}).json()["detail"].endswith("Choose another.")
    for wish, sentence in (
        ({}, "Choose a contact list, or give a new one a name."),
        ({"list": there.id, "new_list": "Guests"}, "Either list or new_list is needed, and not both."),
    ):
        assert shop.call("POST", connect, wish).json()["detail"] == sentence
    made = shop.call("POST", connect, {"list": there.id})
    assert (made.status_code, made.json()["list_name"], made.json()["used_by"]) == (201, "Customers", [])
    assert made.json()["webhooks_url"].endswith(f"/segment/{made.json()['source']}")
    chosen = shop.call("PATCH", f"{connect}/{made.json()['id']}", {"new_list": "Guests"}).json()
    assert chosen["list_id"] in {row.id for row in mailjet.contactslists() if row.name == "Guests"}
    assert actions() == ["app-connection.added", "app-connection.list-chosen"]


def test_a_key_is_revealed_rotated_and_its_grace_ended(shop: Filled) -> None:
    key = shop.call("POST", f"{CONNECTION}/reveal").json()["authentication_key"]
    assert key == AppConnection.objects.get().authentication_key
    rotated = shop.call("POST", f"{CONNECTION}/rotate", {"grace_hours": 1}).json()
    assert rotated["previous_key_until"] is not None
    assert [row["destination"] for row in rotated["used_by"]] == [shop.ids["destination"]]
    assert AppConnection.objects.get().authentication_key != key
    assert key not in str(rotated)
    ended = [shop.call("POST", f"{CONNECTION}/end-grace").json()["ended"] for _ in range(2)]
    assert ended == [True, False]
    assert shop.call("POST", f"{CONNECTION}/rotate", {"grace_hours": 169}).status_code == 422
    assert actions() == [
        "app-connection.key-revealed",
        "app-connection.key-rotated",
        "destination.key-replaced",
        "app-connection.old-key-ended",
    ]


def test_a_destination_gets_the_list_of_the_connection(shop: Filled) -> None:
    shop.call("PATCH", "destinations/{destination}", {"settings": {"listId": "1"}, "anyway": True})
    (connection,) = shop.get("mailjet-accounts/{account}")["app_connections"]
    (use,) = connection["used_by"]
    assert (use["list_id"], use["fits"]) == ("1", False)
    aligned = shop.call("POST", f"{CONNECTION}/align", {"destination": use["destination"]}).json()
    assert aligned["used_by"] == [{**use, "list_id": "10001", "fits": True}]
    assert shop.call("POST", f"{CONNECTION}/align", {"destination": 999}).status_code == 422
    removed = shop.call("DELETE", CONNECTION).json()
    assert (removed["list_id"], removed["switched_off"]) == (10_001, [use["destination"]])
    assert actions()[-2:] == ["app-connection.removed", "destination.disabled"]


def test_email_events_are_sent_to_segment_and_no_longer(shop: Filled) -> None:
    path = "mailjet-accounts/{account}/email-events"
    off = shop.get(path)
    assert (off["enabled"], off["destination"], off["events"]) == (False, None, list(EVENT_NAMES.values()))
    assert shop.call("PATCH", path, {"enabled": False}).json() == off
    needs = shop.call("PATCH", path, {"enabled": True})
    assert (needs.status_code, needs.json()["detail"]) == (
        422,
        "writeKey: Write key is needed. Nothing was added.",
    )
    wish = {"enabled": True, "write_key": "their-write-key", "endpoint": "eu", "events": ["Email Opened"]}
    on = shop.call("PATCH", path, wish).json()
    assert (on["enabled"], on["endpoint"]) == (True, "https://events.eu1.segmentapis.com")
    assert (on["events"], on["has_write_key"]) == (["Email Opened"], True)
    assert "their-write-key" not in str(on)
    changed = shop.call("PATCH", path, {"events": list(EVENT_NAMES.values())}).json()
    assert changed == {**on, "events": list(EVENT_NAMES.values())}
    wrong = shop.call("PATCH", path, {"events": ["Email Eaten"]})
    assert "'Email Eaten' is none of" in wrong.json()["detail"]
    assert shop.call("PATCH", path, {"enabled": False}).json()["enabled"] is False
    assert actions() == [f"destination.{done}" for done in ("added", "changed", "disabled")]


def test_event_callback_urls_are_read_and_repaired(shop: Filled) -> None:
    path = "mailjet-accounts/{account}/event-callbacks"
    assert {row["state"] for row in shop.get(path)["items"]} == {"missing"}
    assert {row["state"] for row in shop.call("POST", f"{path}/repair").json()["items"]} == {"registered"}
    assert {row["state"] for row in shop.get(path)["items"]} == {"unchanged"}
    assert actions() == ["account.callback-urls-repaired"]


def test_an_account_is_told_that_custom_id_is_the_user_id(shop: Filled) -> None:
    path = "mailjet-accounts/{account}"
    assert shop.get(path)["custom_id_is_user_id"] is False
    told = shop.call("PATCH", path, {"custom_id_is_user_id": True}).json()
    assert told["custom_id_is_user_id"] is True
    assert (
        shop.call("PATCH", path, {"custom_id_is_user_id": True, "name": "Shop"}).json()[
            "custom_id_is_user_id"
        ]
        is True
    )
    assert shop.call("PATCH", path, {"name": "Boutique"}).json()["custom_id_is_user_id"] is True
    assert actions().count("account.custom-id-changed") == 1
    assert shop.call("PATCH", path, {"custom_id_is_user_id": "perhaps"}).status_code == 422
