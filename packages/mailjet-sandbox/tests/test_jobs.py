from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Box


@pytest.fixture
def list_id(box: "Box") -> int:
    box.define(age="int", plan="str", score="float", vip="bool", born="datetime")
    return box.new_list()


def run(box: "Box", path: str, body: Any) -> Any:
    job_id = box.post(path, body)[0]["JobID"]
    return job_id, box.finished(f"{path}/{job_id}")


def test_rows_arrive_with_every_type(box: "Box", list_id: int) -> None:
    properties = {"age": 0, "plan": "", "score": 1.5, "vip": False, "born": "1990-05-17T00:00:00Z"}
    row = {"Email": "a@example.com", "Name": "Ann", "Properties": properties}

    _, job = run(
        box, f"contactslist/{list_id}/managemanycontacts", {"Action": "addnoforce", "Contacts": [row]}
    )

    assert sorted(job) == ["ContactsLists", "Count", "Error", "ErrorFile", "JobEnd", "JobStart", "Status"]
    assert (job["Count"], job["Error"], job["ErrorFile"]) == (1, "", "")
    assert job["ContactsLists"] == [{"Action": "addnoforce", "ListID": list_id}]
    assert box.data_of("a@example.com") == properties
    assert box.get("contact/a@example.com")[0]["Name"] == "Ann"


def test_invalid_row_rejects_only_itself_and_is_in_the_error_file(box: "Box", list_id: int) -> None:
    contacts = [
        {"Email": "a@example.com", "Properties": {"age": 1}},
        {"Email": "b@example.com", "Properties": {"age": "1", "plan": "pro", "nope": 2}},
        {"Email": "bad"},
        "nonsense",
        {"Email": "c@example.com"},
    ]

    job_id, job = run(
        box, f"contactslist/{list_id}/managemanycontacts", {"Action": "addforce", "Contacts": contacts}
    )

    assert [row["Email"] for row in box.get("contact")] == ["a@example.com", "c@example.com"]
    assert (job["Status"], job["Count"]) == ("Completed", 5)
    assert job["Error"] == (
        "3 of 5 rows rejected, first: age: Property type does not match definition; nope: Property not defined"
    )
    assert job["ErrorFile"] == f"{box.url}/v3/DATA/batchjob/{job_id}/JSONError/application:json/LAST"
    errors = box.http.request("GET", job["ErrorFile"]).json()
    assert [(error["Row"], error["Email"]) for error in errors] == [(1, "b@example.com"), (2, "bad"), (3, "")]
    assert errors[0] == {
        "Row": 1,
        "Email": "b@example.com",
        "ErrorMessage": "Object properties invalid",
        "ErrorInfo": {
            "Properties": [
                {"age": "Property type does not match definition"},
                {"nope": "Property not defined"},
            ]
        },
    }


def test_null_unassigns_and_duplicates_merge(box: "Box", list_id: int) -> None:
    contacts = [
        {"Email": "a@example.com", "Properties": {"age": 1, "plan": "pro"}},
        {"email": "A@example.com", "properties": {"age": None, "vip": True}},
    ]

    run(box, f"contactslist/{list_id}/managemanycontacts", {"Action": "addforce", "Contacts": contacts})

    assert len(box.get("contact")) == 1
    assert box.data_of("a@example.com") == {"plan": "pro", "vip": True}


def test_exclusion_comes_with_a_row_as_boolean_or_text(box: "Box", list_id: int) -> None:
    contacts = [
        {"Email": "a@example.com", "IsExcludedFromCampaigns": True},
        {"Email": "b@example.com", "IsExcludedFromCampaigns": "false"},
    ]

    run(box, f"contactslist/{list_id}/managemanycontacts", {"Action": "addforce", "Contacts": contacts})

    assert [row["IsExcludedFromCampaigns"] for row in box.get("contact")] == [True, False]


def test_without_a_list_in_the_path_each_list_has_its_action(box: "Box", list_id: int) -> None:
    other = box.new_list("Other")
    lists = [{"ListID": list_id, "Action": "addnoforce"}, {"ListID": other, "Action": "unsub"}]

    _, job = run(
        box, "contact/managemanycontacts", {"ContactsLists": lists, "Contacts": [{"Email": "a@example.com"}]}
    )

    assert job["ContactsLists"] == lists
    assert [row["IsUnsubscribed"] for row in box.get("listrecipient")] == [False, True]


def test_lists_are_optional_without_one_in_the_path(box: "Box") -> None:
    run(box, "contact/managemanycontacts", {"Contacts": [{"Email": "a@example.com"}]})

    assert [row["Email"] for row in box.get("contact")] == ["a@example.com"]
    assert box.get("listrecipient") == []


def test_job_is_known_only_under_its_list(box: "Box", list_id: int) -> None:
    path = f"contactslist/{list_id}/managemanycontacts"
    job_id, _ = run(box, path, {"Action": "addforce", "Contacts": [{"Email": "a@example.com"}]})
    other = box.new_list("Other")

    assert box.refused("GET", f"contactslist/{other}/managemanycontacts/{job_id}")[0] == 404
    assert box.refused("GET", f"{path}/1")[0] == 404
    assert box.refused("GET", path)[0] == 404


@pytest.mark.parametrize(
    ("body", "info"),
    [
        (
            {"Action": "addforce"},
            {"Contacts": "MJ08 Property contacts is invalid: MJ03 A non-empty value is required"},
        ),
        ({"Action": "frob", "Contacts": [{}]}, {"Action": "Invalid action: frob"}),
    ],
)
def test_bad_request_is_told_at_once(box: "Box", list_id: int, body: Any, info: Any) -> None:
    path = f"contactslist/{list_id}/managemanycontacts"

    assert box.refused("POST", path, body) == (400, "Object properties invalid", info)


def test_more_contacts_than_ten_thousand_are_too_many(box: "Box", list_id: int) -> None:
    body = {"Action": "addforce", "Contacts": [{"Email": "a@example.com"}] * 10_001}

    assert box.call("POST", f"/v3/REST/contactslist/{list_id}/managemanycontacts", body).status == 413


def test_error_file_of_a_clean_job_does_not_exist(box: "Box", list_id: int) -> None:
    path = f"contactslist/{list_id}/managemanycontacts"
    job_id, _ = run(box, path, {"Action": "addforce", "Contacts": [{"Email": "a@example.com"}]})

    response = box.call("GET", f"/v3/DATA/batchjob/{job_id}/JSONError/application:json/LAST")

    assert (response.status, response.json()["ErrorMessage"]) == (404, "Source object not found")


def test_job_waits_through_its_states(open_box: Any) -> None:
    with open_box(job_delay_seconds=1.0) as box:
        list_id = box.new_list()
        path = f"contactslist/{list_id}/managemanycontacts"
        job_id = box.post(path, {"Action": "addforce", "Contacts": [{"Email": "a@example.com"}]})[0]["JobID"]
        seen = []
        while not seen or seen[-1] != "Completed":
            status = box.get(f"{path}/{job_id}")[0]["Status"]
            seen += [status] if status not in seen else []

    assert seen in (
        ["Allocated", "Upload", "Prepare", "Completed"],
        ["Allocated", "Upload", "Prepare", "Importing", "Completed"],
    )


def test_batchjob_tells_times_as_numbers(box: "Box", list_id: int) -> None:
    path = f"contactslist/{list_id}/managemanycontacts"
    job_id, _ = run(box, path, {"Action": "addforce", "Contacts": [{"Email": "a@example.com"}]})

    row = box.get(f"batchjob/{job_id}")[0]
    assert (row["Status"], row["Count"], row["Errcount"]) == ("Completed", 1, 0)
    assert isinstance(row["JobEnd"], int)
