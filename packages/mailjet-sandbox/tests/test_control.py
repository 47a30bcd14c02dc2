from typing import TYPE_CHECKING, Any

import pytest
import urllib3

from mailjet_sandbox.recorder import endpoint

if TYPE_CHECKING:
    from conftest import Box


def calls(box: "Box") -> Any:
    return box.call("GET", "/sandbox/calls").json()["calls"]


def test_calls_are_counted_by_method_and_endpoint_without_ids(box: "Box") -> None:
    list_id = box.new_list()
    path = f"ContactsList/{list_id}/ManageManyContacts"
    for _ in range(2):
        job = box.post(path, {"Action": "addforce", "Contacts": [{"Email": "a@example.com"}]})[0]["JobID"]
    box.get(f"{path}/{job}")
    box.call("GET", "/v3/REST/contact/a@example.com", Authorization="Basic eDp5")

    assert calls(box) == {
        "POST contactslist": 1,
        "POST contactslist/managemanycontacts": 2,
        "GET contactslist/managemanycontacts": 1,
        "GET contact": 1,
    }


def test_reset_forgets_the_calls_and_keeps_the_account(box: "Box") -> None:
    list_id = box.new_list()

    assert box.call("POST", "/sandbox/reset").json() == {"reset": ["calls"]}

    assert calls(box) == {}
    assert [row["ID"] for row in box.get("contactslist")] == [list_id]


def test_reset_of_the_state_makes_a_new_account_with_new_identifiers(box: "Box") -> None:
    list_id = box.new_list()
    box.manage(list_id, "a@example.com")
    box.define(age="int")
    box.post("eventcallbackurl", {"Url": "http://127.0.0.1:9/"})
    box.campaign(list_id)

    assert box.call("POST", "/sandbox/reset", {"state": True}).json() == {"reset": ["calls", "state"]}

    for resource in ("contact", "contactslist", "listrecipient", "eventcallbackurl", "message", "campaign"):
        assert box.get(resource) == []
    assert [row["Name"] for row in box.get("contactmetadata")] == [
        "firstname",
        "name",
        "country",
        "newsletter_sub",
    ]
    assert box.call("GET", "/sandbox/events").json() == {
        "emitted": {},
        "pending": 0,
        "delivered": 0,
        "events": [],
    }
    assert box.new_list() > list_id


def test_control_needs_no_key(box: "Box") -> None:
    assert urllib3.request("GET", f"{box.url}/sandbox/calls", retries=False, timeout=60).status == 200


def test_malformed_reset_resets_nothing(box: "Box") -> None:
    box.new_list()

    assert box.call("POST", "/sandbox/reset", b"{").status == 400
    assert calls(box) == {"POST contactslist": 1}


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("v3/REST/contactslist", "contactslist"),
        ("v3/REST/contactslist/5/managemanycontacts/9", "contactslist/managemanycontacts"),
        ("v3/REST/contact/managemanycontacts/9", "contact/managemanycontacts"),
        ("v3/REST/contact/a@example.com", "contact"),
        ("v3/DATA/contactslist/5/CSVData/text:plain", "contactslist/csvdata"),
        ("v3/DATA/BatchJob/5/JSONError/application:json/LAST", "batchjob/jsonerror"),
        ("v3.1/send", "send"),
        ("v4/contacts/5", "contacts"),
        ("nonsense", "/"),
    ],
)
def test_endpoint_names(path: str, name: Any) -> None:
    assert endpoint(path.split("/")) == name
