from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Box


@pytest.fixture
def list_id(box: "Box") -> int:
    box.define(age="int", vip="bool", plan="str")
    return box.new_list()


def test_creates_contact_and_answers_all_its_properties(box: "Box", list_id: int) -> None:
    box.manage(list_id, "a@example.com", age=3)

    answer = box.manage(list_id, "a@example.com", vip=False)

    contact_id = box.get("contact/a@example.com")[0]["ID"]
    assert answer == {
        "Action": "addnoforce",
        "ContactID": contact_id,
        "Email": "a@example.com",
        "Name": "",
        "Properties": {"age": 3, "vip": False},
    }


def test_lower_case_keys_work_and_unknown_ones_are_ignored(box: "Box", list_id: int) -> None:
    body = {
        "email": "a@example.com",
        "action": "addforce",
        "name": "Ann",
        "properties": {"Age": 3},
        "first_name": "x",
    }

    answer = box.post(f"contactslist/{list_id}/managecontact", body)[0]

    assert (answer["Name"], answer["Properties"]) == ("Ann", {"age": 3})


def test_empty_body(box: "Box", list_id: int) -> None:
    assert box.refused("POST", f"contactslist/{list_id}/managecontact") == (
        400,
        "Object properties invalid",
        {
            "Email": "MJ08 Property email is invalid: MJ03 A non-empty value is required",
            "Action": "Invalid action: ",
        },
    )


def test_bad_properties_refuse_the_whole_contact(box: "Box", list_id: int) -> None:
    body = {
        "Email": "a@example.com",
        "Action": "addforce",
        "Properties": {"plan": "pro", "age": "30", "nope": 1},
    }

    assert box.refused("POST", f"contactslist/{list_id}/managecontact", body) == (
        400,
        "Object properties invalid",
        {
            "Properties": [
                {"age": "Property type does not match definition"},
                {"nope": "Property not defined"},
            ]
        },
    )
    assert box.get("contact") == []


def test_properties_as_a_json_text_are_ignored_in_silence(box: "Box", list_id: int) -> None:
    body = {"Email": "a@example.com", "Action": "addforce", "Properties": '{"age": 3}'}

    assert box.post(f"contactslist/{list_id}/managecontact", body)[0]["Properties"] == {}


def test_properties_as_rows_are_taken_for_properties_called_name_and_value(box: "Box", list_id: int) -> None:
    """``name`` is a property of every new account, so only the other one is missed."""
    body = {"Email": "a@example.com", "Action": "addforce", "Properties": [{"Name": "age", "Value": 3}]}

    assert box.refused("POST", f"contactslist/{list_id}/managecontact", body)[2] == {
        "Properties": [{"Value": "Property not defined"}]
    }


@pytest.mark.parametrize(
    "email", ["bad", "a@b", "a b@example.com", "a@@example.com", 5, "x" * 250 + "@example.com"]
)
def test_bad_address(box: "Box", list_id: int, email: Any) -> None:
    body = {"Email": email, "Action": "addforce"}

    status, message, info = box.refused("POST", f"contactslist/{list_id}/managecontact", body)

    assert (status, message, list(info)) == (400, "Object properties invalid", ["Email"])


def test_unknown_list(box: "Box") -> None:
    assert box.refused("POST", "contactslist/1/managecontact", {}) == (404, "Object not found", "")


@pytest.mark.parametrize(
    ("first", "then", "expected"),
    [
        (None, "addforce", False),
        (None, "addnoforce", False),
        (None, "unsub", True),
        (None, "remove", None),
        ("addforce", "unsub", True),
        ("addforce", "remove", None),
        ("unsub", "addforce", False),
        ("unsub", "addnoforce", True),
        ("unsub", "remove", None),
    ],
)
def test_actions(box: "Box", list_id: int, first: Any, then: str, expected: Any) -> None:
    """``expected`` is IsUnsubscribed, None meaning no membership."""
    for action in filter(None, (first, then)):
        box.manage(list_id, "a@example.com", action)

    rows = box.get("listrecipient?ContactEmail=a@example.com")
    assert [row["IsUnsubscribed"] for row in rows] == ([] if expected is None else [expected])


def test_removal_forgets_that_someone_had_unsubscribed(box: "Box", list_id: int) -> None:
    for action in ("unsub", "remove", "addnoforce"):
        box.manage(list_id, "a@example.com", action)

    assert [row["IsUnsubscribed"] for row in box.get("listrecipient")] == [False]
