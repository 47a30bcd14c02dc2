"""Whatever is sent, the answer is one that Mailjet gives, and never that the sandbox broke."""

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from conftest import Box

PATHS = (
    "contactslist",
    "contactslist/38001",
    "contactslist/38001/managecontact",
    "contactslist/38001/managemanycontacts",
    "contactslist/38001/importlist",
    "contact",
    "contact/a@example.com",
    "contact/a@example.com/managecontactslists",
    "contact/managemanycontacts",
    "contactdata",
    "contactdata/a@example.com",
    "contactmetadata",
    "contactmetadata/65001",
    "listrecipient",
    "csvimport",
    "eventcallbackurl",
    "contactfilter",
)
NAMES = (
    "Name",
    "email",
    "Action",
    "Properties",
    "Contacts",
    "ContactsLists",
    "ListID",
    "ContactID",
    "ContactALT",
    "Data",
    "Value",
    "Datatype",
    "NameSpace",
    "EventType",
    "IsBackup",
    "IsExcludedFromCampaigns",
    "IsDeleted",
    "Version",
    "DataID",
    "ContactsListID",
    "ImportOptions",
    "Expression",
    "age",
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["a@example.com", "addforce", "unsub", "click", "str", "38001", "true"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)
BODIES = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5)


@pytest.fixture(scope="module", autouse=True)
def _account(shared_box: "Box") -> None:
    list_id = shared_box.new_list()
    shared_box.define(age="int")
    shared_box.manage(list_id, "a@example.com")


@settings(max_examples=300, deadline=None)
@given(method=st.sampled_from(["POST", "PUT"]), path=st.sampled_from(PATHS), body=BODIES)
def test_any_json_is_taken_or_refused(
    shared_box: "Box", method: str, path: str, body: dict[str, Any]
) -> None:
    response = shared_box.call(method, f"/v3/REST/{path}", json_of(body))

    if method == "POST" and path.count("/") == 1 and "many" not in path:
        assert response.status in {405, 500}  # A POST to a single object: the server's own answer.
    else:
        assert response.status in {200, 201, 304, 400, 401, 404, 405}


def json_of(body: Any) -> bytes:
    """Encode integers of any size, which msgspec will not."""
    return json.dumps(body).encode()


@settings(max_examples=100, deadline=None)
@given(body=st.binary(max_size=200), path=st.sampled_from(PATHS))
def test_any_bytes_are_taken_or_refused(shared_box: "Box", body: bytes, path: str) -> None:
    response = shared_box.call("PUT", f"/v3/REST/{path}", body)

    assert response.status in {200, 304, 400, 404, 405}


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=200))
def test_any_file_is_imported_or_refused(shared_box: "Box", text: str) -> None:
    data = text.encode("utf-8", "replace")
    upload = shared_box.call("POST", "/v3/DATA/contactslist/38001/CSVData/text:plain", data)
    assert upload.status == 200

    body = {"ContactsListID": 38001, "DataID": upload.json()["ID"], "Method": "addforce"}
    response = shared_box.call("POST", "/v3/REST/csvimport", body)

    assert response.status in {201, 400}
    if response.status == 201:
        shared_box.finished(f"csvimport/{response.json()['Data'][0]['ID']}")


@settings(max_examples=100, deadline=None)
@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=40))
def test_any_path_and_query_are_answered(shared_box: "Box", text: str) -> None:
    quoted = quote(text, safe="")
    for path in (
        f"/v3/REST/{quoted}",
        f"/v3/REST/contact/{quoted}?Sort={quoted}&Limit={quoted}",
        f"/{quoted}/{quoted}",
    ):
        assert shared_box.call("GET", path).status in {200, 400, 404, 500}


@pytest.mark.parametrize(
    "path",
    [*(f"/v3/REST/{path}" for path in ("contactslist", "contact")), "/v3.1/send", "/v3/send"]
    + [f"/sandbox/{path}" for path in ("campaigns", "faults", "reset")],
)
def test_deep_nesting_is_rejected(shared_box: "Box", path: str) -> None:
    assert shared_box.call("POST", path, b'{"Name":' * 50_000).status == 400


def test_deep_nesting_in_import_options_is_rejected(shared_box: "Box") -> None:
    upload = shared_box.call("POST", "/v3/DATA/contactslist/38001/CSVData/text:plain", b"email\na@b.test\n")
    body = {"ContactsListID": 38001, "DataID": upload.json()["ID"], "ImportOptions": "[" * 50_000}
    assert shared_box.call("POST", "/v3/REST/csvimport", body).status == 400


def test_huge_numbers_are_values_of_no_type(shared_box: "Box") -> None:
    body = msgspec.Raw(
        b'{"Email":"a@example.com","Action":"addforce","Properties":{"age":' + b"9" * 400 + b"}}"
    )

    assert shared_box.call("POST", "/v3/REST/contactslist/38001/managecontact", bytes(body)).status == 400
