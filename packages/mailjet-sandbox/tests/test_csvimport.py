from typing import TYPE_CHECKING, Any

import msgspec
import pytest

if TYPE_CHECKING:
    from conftest import Box


@pytest.fixture
def list_id(box: "Box") -> int:
    return box.new_list()


def upload(box: "Box", list_id: int, text: str) -> int:
    path = f"/v3/DATA/contactslist/{list_id}/CSVData/text:plain"
    response = box.call("POST", path, text.encode(), **{"Content-Type": "text/plain"})
    assert response.status == 200, response.data
    return response.json()["ID"]


def run(box: "Box", list_id: int, text: str, **fields: Any) -> Any:
    data_id = upload(box, list_id, text)
    row = box.post(
        "csvimport", {"ContactsListID": list_id, "DataID": data_id, "Method": "addforce", **fields}
    )[0]
    return box.finished(f"csvimport/{row['ID']}")


def test_unknown_columns_become_text_properties(box: "Box", list_id: int) -> None:
    job = run(box, list_id, 'email,name,Town\na@example.com,Ann,"Paris, FR"\nb@example.com,,\n')

    assert (job["Count"], job["Errcount"], job["Status"]) == (2, 0, "Completed")
    assert box.data_of("a@example.com") == {"name": "Ann", "town": "Paris, FR"}
    assert box.get("contact/a@example.com")[0]["Name"] == ""
    assert box.get("contactmetadata/static%7Ctown")[0]["Datatype"] == "str"


def test_cells_take_the_type_of_their_property(box: "Box", list_id: int) -> None:
    box.define(age="int", score="float", vip="bool", born="datetime")
    options = msgspec.json.encode(
        {
            "DateTimeFormat": "dd/mm/yyyy",
            "TimezoneOffset": 2,
            "FieldNames": ["email", "age", "score", "vip", "born"],
        }
    ).decode()

    run(box, list_id, "a@example.com;3;0.5;true;17/05/1990\n", ImportOptions=options)

    assert box.data_of("a@example.com") == {
        "age": 3,
        "score": 0.5,
        "vip": True,
        "born": "1990-05-16T22:00:00Z",
    }


def test_refused_lines_come_back_with_the_reason(box: "Box", list_id: int) -> None:
    box.define(age="int")

    job = run(
        box, list_id, "email,age\na@example.com,1\nbad,2\nb@example.com,old\na@example.com,4\nc@example.com\n"
    )

    assert (job["Count"], job["Errcount"]) == (5, 4)
    assert [row["Email"] for row in box.get("contact")] == ["a@example.com"]
    response = box.call("GET", f"/v3/DATA/BatchJob/{job['ID']}/CSVError/text:csv")
    assert response.data.decode() == (
        "email,age,error\n"
        "bad,2,###Invalid email###email\n"
        "b@example.com,old,###Property type does not match definition###age\n"
        "a@example.com,4,###Duplicated email###email\n"
        "c@example.com,###Too few columns###line\n"
    )


def test_exclusion_is_global(box: "Box", list_id: int) -> None:
    box.manage(list_id, "a@example.com")
    data_id = upload(box, list_id, "email\na@example.com\n")

    refused = box.refused(
        "POST", "csvimport", {"ContactsListID": list_id, "DataID": data_id, "Method": "excludemarketing"}
    )
    assert refused[2].endswith("is a global status and can not be applied to a list")

    row = box.post("csvimport", {"DataID": data_id, "Method": "excludemarketing"})[0]
    box.finished(f"csvimport/{row['ID']}")
    assert box.get("contact/a@example.com")[0]["IsExcludedFromCampaigns"] is True


def test_upload_to_an_unknown_list(box: "Box") -> None:
    response = box.call("POST", "/v3/DATA/contactslist/1/csvdata/text:plain", b"email\n")

    assert (response.status, response.json()["ErrorMessage"]) == (404, "Source object not found")


def test_empty_upload(box: "Box", list_id: int) -> None:
    data_id = upload(box, list_id, "")

    assert box.refused("POST", "csvimport", {"ContactsListID": list_id, "DataID": data_id}) == (
        400,
        "List index (0) out of bounds",
        "",
    )


def test_status_can_only_be_set_to_upload(box: "Box", list_id: int) -> None:
    job = run(box, list_id, "email\na@example.com\n")

    assert box.refused("PUT", f"csvimport/{job['ID']}", {"Status": "Aborted"}) == (
        400,
        'Invalid value for Status: "Aborted". Status can only be set to Upload',
        "",
    )
