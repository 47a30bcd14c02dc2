"""Jobs and contact properties that meet faults."""

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Box

MANY = "contact/managemanycontacts"


def set_fault(box: "Box", kind: str, **fields: Any) -> int:
    response = box.call("POST", "/sandbox/faults", {"kind": kind, **fields})
    assert response.status == 201, response.data
    return int(response.json()["faults"][0]["id"])


def submit(box: "Box", *emails: str, path: str = MANY, **properties: Any) -> str:
    contacts = [{"Email": email, "Properties": properties} for email in emails]
    return f"{path}/{box.post(path, {'Action': 'addforce', 'Contacts': contacts})[0]['JobID']}"


def emails(box: "Box") -> list[str]:
    return [row["Email"] for row in box.get("contact?Limit=1000")]


def job(box: "Box", path: str) -> tuple[str, int, str]:
    row = box.get(path)[0]
    return row["Status"], row["Count"], row["Error"]


@pytest.mark.parametrize(
    ("when", "meanwhile", "written"),
    [("before", ("Prepare", 0, ""), []), ("after", ("Importing", 1, ""), ["a@example.com"])],
)
class TestStuckJob:
    def test_it_waits_for_its_fault_to_end_and_holds_up_no_other(
        self, box: "Box", when: str, meanwhile: Any, written: list[str]
    ) -> None:
        number = set_fault(box, "job_stuck", when=when, times=1)
        stuck = submit(box, "a@example.com")
        box.finished(submit(box, "b@example.com"))
        assert (job(box, stuck), emails(box)) == (meanwhile, [*written, "b@example.com"])

        box.call("DELETE", f"/sandbox/faults/{number}")

        assert box.finished(stuck)["Count"] == 1
        assert sorted(emails(box)) == ["a@example.com", "b@example.com"]

    @pytest.mark.parametrize("fields", [{"seconds": 0.3}, {"for_seconds": 0.3}])
    def test_or_for_some_time(
        self, box: "Box", when: str, meanwhile: Any, written: list[str], fields: Any
    ) -> None:
        set_fault(box, "job_stuck", when=when, **fields)
        stuck = submit(box, "a@example.com")
        box.until(lambda: job(box, stuck) == meanwhile)

        box.finished(stuck)

        assert emails(box) == ["a@example.com"]


@pytest.mark.parametrize(
    ("when", "status", "count", "written"),
    [("before", "Error", 0, []), ("after", "Abort", 1, ["a@example.com"])],
)
def test_job_that_ends_badly(box: "Box", when: str, status: str, count: int, written: list[str]) -> None:
    set_fault(box, "job_error", when=when, status=status, message="Out of luck", times=1)

    path = submit(box, "a@example.com")

    box.until(lambda: job(box, path) == (status, count, "Out of luck"))
    assert emails(box) == written
    box.finished(submit(box, "b@example.com"))


@pytest.mark.parametrize(("when", "written"), [("before", 0), ("after", 3)])
def test_row_errors(box: "Box", when: str, written: int) -> None:
    box.define(age="int", plan="str")
    set_fault(box, "row_errors", when=when, share=1.0)

    path = submit(box, *(f"user{number}@example.com" for number in range(3)), age=1, plan="pro")
    finished = box.finished(path)

    assert (finished["Count"], len(emails(box))) == (3, written)
    assert finished["Error"] == ("3 of 3 rows rejected, first: age: Property type does not match definition")
    assert box.http.request("GET", finished["ErrorFile"]).json()[2] == {
        "Row": 2,
        "Email": "user2@example.com",
        "ErrorMessage": "Object properties invalid",
        "ErrorInfo": {"Properties": [{"age": "Property type does not match definition"}]},
    }


def test_row_errors_blame_whom_they_are_told_to(box: "Box") -> None:
    box.define(plan="str")
    set_fault(box, "row_errors", share=1, property="plan", message="Property not defined", times=1)
    set_fault(box, "row_errors", share=1, message="Try again", times=2)

    first = box.finished(submit(box, "a@example.com", plan="pro"))
    second = box.finished(submit(box, "a@example.com"))

    assert first["Error"] == "1 of 1 rows rejected, first: plan: Property not defined"
    assert second["Error"] == "1 of 1 rows rejected, first: Try again"


def test_row_errors_reject_the_same_rows_again(open_box: Any) -> None:
    refused = []
    for seed in (1, 1, 2):
        with open_box(seed=seed) as box:
            set_fault(box, "row_errors", share=0.3)
            finished = box.finished(submit(box, *(f"user{number}@example.com" for number in range(50))))
            rows = box.http.request("GET", finished["ErrorFile"]).json()
            refused.append([row["Row"] for row in rows])

    assert refused[0] == refused[1] != refused[2]
    assert 5 < len(refused[0]) < 30


def test_job_faults_add_up(box: "Box") -> None:
    set_fault(box, "job_stuck", seconds=0.2)
    set_fault(box, "row_errors", share=1)
    set_fault(box, "job_error", when="after")

    path = submit(box, "a@example.com")

    box.until(lambda: job(box, path) == ("Error", 1, "Internal error"))
    assert emails(box) == []


def test_job_faults_go_by_the_request_that_submitted_the_job(box: "Box") -> None:
    list_id = box.new_list()
    set_fault(box, "job_error", endpoint="POST contactslist/*/managemanycontacts")

    box.finished(submit(box, "a@example.com"))
    on_list = submit(box, "a@example.com", path=f"contactslist/{list_id}/managemanycontacts")

    box.until(lambda: job(box, on_list)[0] == "Error")


def test_file_imports_meet_them_too(box: "Box") -> None:
    list_id = box.new_list()
    set_fault(box, "row_errors", share=1, endpoint="csvimport")
    upload = box.call(
        "POST", f"/v3/DATA/contactslist/{list_id}/CSVData/text:plain", b"email\na@example.com\n"
    )
    job_id = box.post("csvimport", {"ContactsListID": list_id, "DataID": upload.json()["ID"]})[0]["ID"]

    assert box.finished(f"csvimport/{job_id}")["Errcount"] == 1
    errors = box.call("GET", f"/v3/DATA/batchjob/{job_id}/CSVError/text:csv")
    assert b"a@example.com,###Property type does not match definition###email" in errors.data


class TestLateProperties:
    def test_it_is_listed_but_cannot_be_written_for_a_while(self, box: "Box") -> None:
        list_id = box.new_list()
        box.manage(list_id, "a@example.com")
        number = set_fault(box, "late_properties", seconds=60)
        box.define(age="int")

        assert box.get("contactmetadata/static|age")[0]["Datatype"] == "int"
        body = {"Email": "a@example.com", "Action": "addforce", "Properties": {"age": 1}}
        assert box.refused("POST", f"contactslist/{list_id}/managecontact", body) == (
            400, "Object properties invalid", {"Properties": [{"age": "Property not defined"}]},
        )  # fmt: skip
        data = {"Data": [{"Name": "age", "Value": 1}]}
        assert box.refused("PUT", "contactdata/a@example.com", data)[1] == 'Invalid key name: "age"'
        finished = box.finished(submit(box, "a@example.com", age=1))
        assert finished["Error"] == "1 of 1 rows rejected, first: age: Property not defined"

        box.call("DELETE", f"/sandbox/faults/{number}")
        box.until(lambda: box.put("contactdata/a@example.com", data) == 200)

    def test_then_it_can(self, box: "Box") -> None:
        set_fault(box, "late_properties", seconds=0.2)
        box.define(age="int")

        box.until(lambda: not box.finished(submit(box, "a@example.com", age=1))["Error"])

    def test_property_deleted_meanwhile_does_not_come_back(self, box: "Box") -> None:
        number = set_fault(box, "late_properties", seconds=60)
        box.define(age="int")
        assert box.delete("contactmetadata/static|age") == 204
        box.call("DELETE", f"/sandbox/faults/{number}")

        assert box.finished(submit(box, "a@example.com", age=1))["Error"]
