from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Box


def test_new_account_has_the_default_properties(box: "Box") -> None:
    rows = box.get("contactmetadata")

    assert [(row["Name"], row["Datatype"], row["NameSpace"]) for row in rows] == [
        ("firstname", "str", "static"),
        ("name", "str", "static"),
        ("country", "str", "static"),
        ("newsletter_sub", "str", "static"),
    ]


def test_name_alone_makes_a_static_text(box: "Box") -> None:
    row = box.post("contactmetadata", {"Name": "Plan"})[0]

    assert (row["Name"], row["Datatype"], row["NameSpace"]) == ("plan", "str", "static")


def test_datatype_may_be_spelled_otherwise(box: "Box") -> None:
    assert box.post("contactmetadata", {"Name": "age", "DataType": "INT"})[0]["Datatype"] == "int"


def test_duplicate_in_another_case_is_refused(box: "Box") -> None:
    assert box.refused("POST", "contactmetadata", {"Name": "FirstName"}) == (
        400,
        'MJ18 A ContactMetadata resource with value "static|firstname" for Namespace|Name already exists.',
        "",
    )


@pytest.mark.parametrize("name", ["", "a b", "1st", "é", "a.b", "a-b", 5, None])
def test_names_that_no_segment_could_use_are_refused(box: "Box", name: Any) -> None:
    assert box.refused("POST", "contactmetadata", {"Name": name})[:2] == (400, "Object properties invalid")


def test_unknown_datatype_is_refused(box: "Box") -> None:
    assert box.refused("POST", "contactmetadata", {"Name": "x", "Datatype": "array"})[0] == 400


def test_property_is_found_by_namespace_and_name(box: "Box") -> None:
    row = box.post("contactmetadata", {"Name": "age", "Datatype": "int"})[0]

    assert box.get("contactmetadata/static%7CAge") == [row]
    assert box.get(f"contactmetadata/{row['ID']}") == [row]


def test_renamed_property_keeps_the_values(box: "Box") -> None:
    box.define(plan="str")
    box.manage(box.new_list(), "a@example.com", plan="pro")

    assert box.put("contactmetadata/static%7Cplan", {"Name": "tier"}) == 200
    assert box.data_of("a@example.com") == {"tier": "pro"}


def test_deleted_property_takes_its_values_along(box: "Box") -> None:
    box.define(plan="str", age="int")
    box.manage(box.new_list(), "a@example.com", plan="pro", age=3)

    assert box.delete("contactmetadata/static%7Cplan") == 204

    box.define(plan="str")
    assert box.data_of("a@example.com") == {"age": 3}


def test_filters(box: "Box") -> None:
    box.define(age="int")
    box.post("contactmetadata", {"Name": "bought", "NameSpace": "historic"})

    assert [row["Name"] for row in box.get("contactmetadata?DataType=int")] == ["age"]
    assert [row["Name"] for row in box.get("contactmetadata?Namespace=historic")] == ["bought"]


def test_an_account_has_two_hundred_properties_at_the_most(box: "Box") -> None:
    for number in range(200 - len(box.get("contactmetadata"))):
        box.post("contactmetadata", {"Name": f"p{number}"})

    status, _, info = box.refused("POST", "contactmetadata", {"Name": "one_more"})

    assert (status, "200" in info) == (400, True)
    box.delete(f"contactmetadata/{box.get('contactmetadata?limit=1')[0]['ID']}")
    box.post("contactmetadata", {"Name": "one_more"})
