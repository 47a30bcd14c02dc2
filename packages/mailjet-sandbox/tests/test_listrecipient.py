from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Box


@pytest.fixture
def list_id(box: "Box") -> int:
    box.post("contact", {"Email": "a@example.com"})
    return box.new_list()


def test_create_by_ids_answers_the_recorded_shape(box: "Box", list_id: int) -> None:
    contact_id = box.get("contact")[0]["ID"]

    row = box.post("listrecipient", {"ContactID": str(contact_id), "ListID": list_id})[0]

    assert sorted(row) == [
        "ContactID",
        "ID",
        "IsActive",
        "IsUnsubscribed",
        "ListID",
        "ListName",
        "SubscribedAt",
        "UnsubscribedAt",
    ]
    assert (row["IsActive"], row["IsUnsubscribed"], row["UnsubscribedAt"]) == (True, False, "")
    assert (row["ContactID"], row["ListID"], row["ListName"]) == (contact_id, list_id, "Customers")


def test_create_by_address_of_both(box: "Box", list_id: int) -> None:
    address = box.get(f"contactslist/{list_id}")[0]["Address"]

    row = box.post(
        "listrecipient", {"ContactAlt": "a@example.com", "ListAlt": address, "IsUnsubscribed": "true"}
    )[0]

    assert row["IsUnsubscribed"] is True
    assert row["UnsubscribedAt"] != ""


def test_second_membership_is_refused(box: "Box", list_id: int) -> None:
    body = {"ContactAlt": "a@example.com", "ListID": list_id}
    box.post("listrecipient", body)

    assert box.refused("POST", "listrecipient", body)[1].startswith("MJ18 A ListRecipient resource")


def test_unsubscribing_and_back(box: "Box", list_id: int) -> None:
    row = box.post("listrecipient", {"ContactAlt": "a@example.com", "ListID": list_id})[0]

    assert box.put(f"listrecipient/{row['ID']}", {"IsUnsubscribed": True}) == 200
    assert box.get(f"contactslist/{list_id}")[0]["SubscriberCount"] == 0
    assert box.put(f"listrecipient/{row['ID']}", {"IsUnsubscribed": True}) == 304
    assert box.put(f"listrecipient/{row['ID']}", {"IsUnsubscribed": False}) == 200
    assert box.get(f"contactslist/{list_id}")[0]["SubscriberCount"] == 1


def test_delete_ends_the_membership(box: "Box", list_id: int) -> None:
    row = box.post("listrecipient", {"ContactAlt": "a@example.com", "ListID": list_id})[0]

    assert box.delete(f"listrecipient/{row['ID']}") == 204
    assert box.get("listrecipient") == []
    assert box.get(f"contactslist/{list_id}")[0]["SubscriberCount"] == 0


@pytest.mark.parametrize("body", [{}, {"ContactAlt": "a@example.com"}, {"ContactID": 1, "ListID": 1}])
def test_both_sides_must_exist(box: "Box", list_id: int, body: Any) -> None:
    assert box.refused("POST", "listrecipient", body)[0] == 400


def test_filters(box: "Box", list_id: int) -> None:
    other = box.new_list("Other")
    for target, action in ((list_id, "addforce"), (other, "unsub")):
        box.manage(target, "a@example.com", action)

    def lists(query: str) -> Any:
        return [row["ListID"] for row in box.get(f"listrecipient?{query}")]

    assert lists("ContactEmail=a@example.com") == [list_id, other]
    assert lists(f"ContactEmail=a@example.com&ContactsList={other}") == [other]
    assert lists("ContactEmail=nobody@example.com") == []
    assert lists("Unsub=true") == [other]
    assert lists("ListName=Customers") == [list_id]
    box.delete(f"contactslist/{other}")
    assert lists("IgnoreDeleted=true") == [list_id]
