import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Box


def test_create_answers_the_recorded_shape(box: "Box") -> None:
    row = box.post("contactslist", {"Name": "Customers"})[0]

    assert sorted(row) == ["Address", "CreatedAt", "ID", "IsDeleted", "Name", "SubscriberCount"]
    assert (row["Name"], row["IsDeleted"], row["SubscriberCount"]) == ("Customers", False, 0)
    assert re.fullmatch(r"[a-z0-9]{9}", row["Address"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row["CreatedAt"])


def test_empty_name_is_refused(box: "Box") -> None:
    expected = (
        400,
        "Object properties invalid",
        "MJ08 Property Name is invalid: MJ04 Value must have at least length 1",
    )

    assert box.refused("POST", "contactslist", {"Name": ""}) == expected
    assert box.refused("POST", "contactslist", {}) == expected


def test_address_cannot_be_chosen(box: "Box") -> None:
    assert box.refused("POST", "contactslist", {"Name": "x", "Address": "y"}) == (
        401,
        "Internal error: List address is automatically generated and can't be changed",
        "",
    )


def test_delete_is_soft(box: "Box") -> None:
    list_id = box.new_list()
    kept = box.new_list("Kept")

    assert box.delete(f"contactslist/{list_id}") == 204

    assert box.get(f"contactslist/{list_id}")[0]["IsDeleted"] is True
    assert [row["ID"] for row in box.get("contactslist?IsDeleted=false")] == [kept]


def test_deleted_list_takes_nobody(box: "Box") -> None:
    list_id = box.new_list()
    box.delete(f"contactslist/{list_id}")

    body = {"Email": "a@example.com", "Action": "addforce"}
    assert box.refused("POST", f"contactslist/{list_id}/managecontact", body)[0] == 404
    assert box.get("contact") == []


def test_list_is_found_by_address(box: "Box") -> None:
    row = box.post("contactslist", {"Name": "Customers"})[0]

    assert box.get(f"contactslist/{row['Address']}") == [row]


def test_subscriber_count_follows_the_members(box: "Box") -> None:
    list_id = box.new_list()
    for email in ("a@example.com", "b@example.com", "c@example.com"):
        box.manage(list_id, email)
    box.manage(list_id, "a@example.com", "unsub")
    box.manage(list_id, "b@example.com", "remove")

    assert box.get(f"contactslist/{list_id}")[0]["SubscriberCount"] == 1

    box.manage(list_id, "a@example.com", "addforce")
    assert box.get(f"contactslist/{list_id}")[0]["SubscriberCount"] == 2


def test_import_of_another_list(box: "Box") -> None:
    source, target = box.new_list("Source"), box.new_list("Target")
    box.manage(source, "in@example.com")
    box.manage(source, "out@example.com", "unsub")

    body = {"Action": "duplicate-override", "ListID": str(source)}
    job = box.post(f"contactslist/{target}/importlist", body)[0]["JobID"]
    box.finished(f"contactslist/{target}/importlist/{job}")

    members = box.get(f"listrecipient?ContactsList={target}")
    assert [row["IsUnsubscribed"] for row in members] == [False, True]
