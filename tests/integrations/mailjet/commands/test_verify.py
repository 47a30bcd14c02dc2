from typing import TYPE_CHECKING, Any

import pytest

from jetbridge.integrations.mailjet import connect
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.connect import ConnectionSpec
from jetbridge.integrations.mailjet.contacts.contact import Contact, save_learned

if TYPE_CHECKING:
    from conftest import Jetbridge


@pytest.fixture
def client(home: Any, mailjet: str) -> MailjetClient:
    """Ann is on the list with plan pro, and we know so; a stranger is there too."""
    client = MailjetClient(mailjet, "public", "private")
    list_id = client.create_contactslist("Customers").id
    connect.join(ConnectionSpec("Main", mailjet, "public", "private", list_id, "Customers"))
    client.create_contactmetadata("plan", "str")
    for name in ("ann", "stranger"):
        body = {"Email": f"{name}@b.com", "Action": "addnoforce", "Properties": {"plan": "pro"}}
        client.managecontact(list_id, body)
    contact = Contact("ann@b.com")
    contact.desired.merge({"plan": "pro"}, 1)
    contact.desired.apply_list_action(list_id, "addnoforce", 1)
    contact.delivered.values["plan"] = "pro"
    contact.delivered.lists[list_id] = "addnoforce"
    save_learned(1, [contact])
    return client


def spoil(client: MailjetClient) -> None:
    data = {"Data": [{"Name": "plan", "Value": "free"}]}
    client._transport.call("PUT", "/v3/REST/contactdata/ann@b.com", body=data)


def test_no_difference_is_status_0_and_no_bar_where_there_is_no_terminal(
    jetbridge: "Jetbridge", client: MailjetClient
) -> None:
    result = jetbridge("contacts", "verify")
    assert (result.status, result.err) == (0, "")
    figures = "contacts compared: 1, under way: 0, at Mailjet and unknown to Segment: 1, rejected values: 0."
    assert result.out == f"Mailjet public: {figures}\nNo differences.\n"


def test_a_difference_is_status_1_until_it_is_repaired(jetbridge: "Jetbridge", client: MailjetClient) -> None:
    spoil(client)
    result = jetbridge("contacts", "verify")
    lines = result.out.splitlines()
    assert result.status == 1
    assert lines[0] == "ann@b.com: Property plan is 'free'; it should be 'pro'."
    assert lines[-1] == "Differences: 1; 1 remain: `jetbridge contacts verify --repair` repairs them."
    repaired = jetbridge("contacts", "verify", "--repair")
    assert (repaired.status, repaired.out.splitlines()[-1]) == (
        0,
        "Differences: 1; 1 for the worker to send.",
    )
    under_way = jetbridge("contacts", "verify", "--json").json
    assert (under_way["accounts"][0]["under_way"], under_way["remaining"]) == (1, 0)


def test_json_is_one_object_in_the_promised_shape(jetbridge: "Jetbridge", client: MailjetClient) -> None:
    spoil(client)
    row = jetbridge("contacts", "verify", "--json", "--repair", "--account", "1").json["accounts"][0]
    message = "Property plan is 'free'; it should be 'pro'."
    assert row.pop("name")
    assert row == {
        "id": 1, "compared": 1, "under_way": 0, "unknown": 1, "rejected_values": 0, "differences": 1,
        "by_kind": {"property": 1}, "learned": 0, "repaired": 1, "remaining": 0, "lists_gone": [],
        "shown": [{"kind": "property", "email": "ann@b.com", "about": "plan", "message": message}],
    }  # fmt: skip


def test_limit_bounds_what_is_shown(jetbridge: "Jetbridge", client: MailjetClient) -> None:
    spoil(client)
    lines = jetbridge("contacts", "verify", "--limit", "0").out.splitlines()
    assert lines[0] == "... and 1 more: see --limit."


def test_an_account_that_is_not_there_is_one_sentence(jetbridge: "Jetbridge", home: Any) -> None:
    assert jetbridge("contacts", "verify").err.startswith("Error: No Mailjet account is set up yet")
