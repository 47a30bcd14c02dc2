from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Box


@pytest.fixture(autouse=True)
def _contact(box: "Box") -> None:
    box.define(age="int", plan="str")
    box.manage(box.new_list(), "a@example.com")


def test_only_set_properties_are_listed_in_the_recorded_shape(box: "Box") -> None:
    box.put("contactdata/a@example.com", {"Data": [{"Name": "age", "Value": 30}]})

    row = box.get("contactdata/a@example.com")[0]
    assert row == {
        "ContactID": row["ID"],
        "Data": [{"Name": "age", "Value": 30}],
        "ID": row["ID"],
        "MethodCollection": "",
    }


def test_put_merges_and_says_304_when_nothing_changes(box: "Box") -> None:
    assert box.put("contactdata/a@example.com", {"Data": [{"Name": "AGE", "value": 30}]}) == 200
    assert box.put("contactdata/a@example.com", {"Data": [{"Name": "plan", "Value": "pro"}]}) == 200
    assert box.put("contactdata/a@example.com", {"Data": [{"Name": "plan", "Value": "pro"}]}) == 304
    assert box.data_of("a@example.com") == {"age": 30, "plan": "pro"}


def test_post_names_the_contact_in_the_body(box: "Box") -> None:
    contact_id = box.get("contact/a@example.com")[0]["ID"]

    box.post("contactdata", {"ContactID": contact_id, "Data": [{"Name": "age", "Value": 1}]})

    assert box.data_of("a@example.com") == {"age": 1}


@pytest.mark.parametrize("row", [{"Name": "foo", "Value": 1}, {"foo": 1}])
def test_unknown_property_or_wrong_row_shape(box: "Box", row: Any) -> None:
    assert box.refused("PUT", "contactdata/a@example.com", {"Data": [row]}) == (
        400,
        'Invalid key name: "foo"',
        "",
    )


def test_wrong_type_is_refused_and_nothing_is_saved(box: "Box") -> None:
    data = [{"Name": "plan", "Value": "pro"}, {"Name": "age", "Value": "30"}]

    assert box.refused("PUT", "contactdata/a@example.com", {"Data": data})[0] == 400
    assert box.data_of("a@example.com") == {}


def test_null_unassigns(box: "Box") -> None:
    box.put("contactdata/a@example.com", {"Data": [{"Name": "age", "Value": 30}]})
    box.put("contactdata/a@example.com", {"Data": [{"Name": "age", "Value": None}]})

    assert box.data_of("a@example.com") == {}


def test_values_of_a_whole_list(box: "Box") -> None:
    other = box.new_list("Other")
    box.manage(other, "b@example.com", age=2, plan="pro")
    box.put("contactdata/a@example.com", {"Data": [{"Name": "age", "Value": 1}]})

    rows = box.get(f"contactdata?ContactsList={other}&Fields=age")
    assert [row["Data"] for row in rows] == [[{"Name": "age", "Value": 2}]]
    assert len(box.get("contactdata")) == 2


def test_delete_forgets_all_values(box: "Box") -> None:
    box.put("contactdata/a@example.com", {"Data": [{"Name": "age", "Value": 30}]})

    assert box.delete("contactdata/a@example.com") == 204
    assert box.data_of("a@example.com") == {}
