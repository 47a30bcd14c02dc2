from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from conftest import Box


KEYS = [
    "CreatedAt",
    "DeliveredCount",
    "Email",
    "ExclusionFromCampaignsUpdatedAt",
    "ID",
    "IsExcludedFromCampaigns",
    "IsOptInPending",
    "IsSpamComplaining",
    "LastActivityAt",
    "LastUpdateAt",
    "Name",
    "UnsubscribedAt",
    "UnsubscribedBy",
]


def test_fresh_contact_has_the_recorded_keys_and_never_is_an_empty_string(box: "Box") -> None:
    row = box.post("contact", {"Email": "a@example.com", "Name": "A"})[0]

    assert sorted(row) == KEYS
    never = ("LastActivityAt", "LastUpdateAt", "ExclusionFromCampaignsUpdatedAt", "UnsubscribedAt")
    assert [row[name] for name in never] == ["", "", "", ""]


def test_contact_created_as_excluded_is_excluded_since_then(box: "Box") -> None:
    row = box.post("contact", {"Email": "a@example.com", "IsExcludedFromCampaigns": "true"})[0]

    assert row["IsExcludedFromCampaigns"] is True
    assert row["ExclusionFromCampaignsUpdatedAt"] == row["CreatedAt"]


def test_duplicate_is_refused_in_any_case(box: "Box") -> None:
    box.post("contact", {"Email": "user@example.com"})

    assert box.refused("POST", "contact", {"Email": "USER@example.com"}) == (
        400,
        'MJ18 A Contact resource with value "USER@example.com" for Email already exists.',
        "",
    )


def test_contact_is_found_by_id_and_by_address_encoded_or_not(box: "Box") -> None:
    row = box.post("contact", {"Email": "nonçascii+x@example.com"})[0]

    paths = [
        str(row["ID"]),
        quote("nonçascii+x@example.com"),
        quote("NONÇASCII+x@example.com", safe=""),
        "non%C3%A7ascii+x@example%2Ecom",
    ]
    assert [box.get(f"contact/{path}") for path in paths] == [[row]] * 4


def test_unknown_contact_is_404(box: "Box") -> None:
    assert box.refused("GET", "contact/nobody@example.com") == (404, "Object not found", "")
    assert box.refused("GET", "contact/999") == (404, "Object not found", "")


def test_key_that_is_no_address_is_400(box: "Box") -> None:
    assert box.refused("GET", "contact/Non-existent-id") == (
        400,
        'Invalid email address "Non-existent-id", reason: "No @ character in mail"',
        "",
    )


def test_delete_is_answered_like_a_bad_key_but_in_json(box: "Box") -> None:
    row = box.post("contact", {"Email": "a@example.com"})[0]

    assert box.refused("DELETE", f"contact/{row['ID']}")[0] == 401
    assert box.get("contact") == [row]


def test_put_changes_name_and_exclusion(box: "Box") -> None:
    box.post("contact", {"Email": "a@example.com"})

    assert box.put("contact/a@example.com", {"Name": "Ann", "IsExcludedFromCampaigns": True}) == 200
    assert box.put("contact/a@example.com", {"Name": "Ann"}) == 304

    row = box.get("contact/a@example.com")[0]
    assert (row["Name"], row["IsExcludedFromCampaigns"]) == ("Ann", True)
    assert row["ExclusionFromCampaignsUpdatedAt"] != ""


def test_filters_by_list_and_by_subscription(box: "Box") -> None:
    list_id = box.new_list()
    box.post("contact", {"Email": "nowhere@example.com"})
    box.manage(list_id, "in@example.com")
    box.manage(list_id, "out@example.com", "unsub")

    def emails(query: str) -> Any:
        return [row["Email"] for row in box.get(f"contact?{query}")]

    assert emails(f"ContactsList={list_id}") == ["in@example.com", "out@example.com"]
    assert emails(f"ContactsList={list_id}&IsUnsubscribed=true") == ["out@example.com"]
    assert emails("Email=IN@example.com") == ["in@example.com"]
    assert emails("IsExcludedFromCampaigns=true") == []


def test_lists_of_a_contact(box: "Box") -> None:
    first, second = box.new_list("First"), box.new_list("Second")
    box.manage(first, "a@example.com")
    box.manage(second, "a@example.com", "unsub")

    rows = box.get("contact/a@example.com/getcontactslists")

    assert [(row["ListID"], row["IsActive"], row["IsUnsub"]) for row in rows] == [
        (first, True, False),
        (second, True, True),
    ]
    assert sorted(rows[0]) == ["IsActive", "IsUnsub", "ListID", "SubscribedAt"]
    assert box.refused("GET", "contact/nobody@example.com/getcontactslists")[0] == 404


class TestManageContactsLists:
    def test_applies_each_action_and_echoes(self, box: "Box") -> None:
        first, second = box.new_list("First"), box.new_list("Second")
        box.post("contact", {"Email": "a@example.com"})
        lists = [{"ListID": str(first), "Action": "addnoforce"}, {"listid": second, "action": "unsub"}]

        answer = box.post("contact/a@example.com/managecontactslists", {"ContactsLists": lists})

        echo = [{"Action": "addnoforce", "ListID": first}, {"Action": "unsub", "ListID": second}]
        assert answer == [{"ContactsLists": echo}]
        rows = box.get("contact/a@example.com/getcontactslists")
        assert [row["IsUnsub"] for row in rows] == [False, True]

    def test_unknown_contact_is_404(self, box: "Box") -> None:
        assert (
            box.refused("POST", "contact/a@example.com/managecontactslists", {"ContactsLists": []})[0] == 404
        )

    def test_one_bad_list_refuses_all(self, box: "Box") -> None:
        list_id = box.new_list()
        box.post("contact", {"Email": "a@example.com"})
        lists = [{"ListID": list_id, "Action": "addnoforce"}, {"ListID": 123, "Action": "addnoforce"}]

        refused = box.refused("POST", "contact/a@example.com/managecontactslists", {"ContactsLists": lists})

        problem = {"ListID": 123, "Action": "addnoforce", "Error": "List ID 123 is invalid or deleted"}
        assert refused == (400, "Object properties invalid", {"ContactsLists": [problem]})
        assert box.get("contact/a@example.com/getcontactslists") == []


class TestDeletionForGood:
    def test_contact_is_anonymised_and_the_address_is_free_again(self, box: "Box") -> None:
        list_id = box.new_list()
        box.define(age="int")
        contact_id = box.manage(list_id, "a@example.com", age=3)["ContactID"]

        response = box.call("DELETE", f"/v4/contacts/{contact_id}")

        assert (response.status, response.data) == (200, b"")
        row = box.get(f"contact/{contact_id}")[0]
        assert row["Name"] == "Anonymized"
        assert row["Email"].startswith("\\x")
        assert row["Email"].endswith("@domain.invalid")
        assert box.get(f"contactdata/{contact_id}")[0]["Data"] == []
        assert box.get("contact") == []
        assert box.get(f"contactslist/{list_id}")[0]["SubscriberCount"] == 0
        assert box.manage(list_id, "a@example.com")["ContactID"] != contact_id

    def test_unknown_contact_is_200_as_well(self, box: "Box") -> None:
        assert box.call("DELETE", "/v4/contacts/123").status == 200

    def test_only_numbers_will_do(self, box: "Box") -> None:
        response = box.call("DELETE", "/v4/contacts/a@example.com")

        assert response.status == 400
        assert sorted(response.json()) == ["ErrorIdentifier", "ErrorMessage", "StatusCode"]
