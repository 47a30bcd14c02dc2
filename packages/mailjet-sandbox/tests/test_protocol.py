"""What all resources share, byte for byte where it was recorded."""

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Box


def test_wrong_key_gets_an_empty_html_401(box: "Box") -> None:
    response = box.http.request("GET", f"{box.url}/v3/REST/contact", headers={"Authorization": "Basic eDp5"})

    assert response.status == 401
    assert response.data == b""
    assert response.headers["Content-Type"] == "text/html"
    assert response.headers["WWW-Authenticate"] == 'Basic realm="Provide an apiKey and secretKey"'


@pytest.mark.parametrize("authorization", ["", "Basic", "Basic !!!", "Bearer key:secret", "Basic a2V5"])
def test_malformed_credentials_are_wrong_credentials(box: "Box", authorization: str) -> None:
    response = box.http.request("GET", f"{box.url}/v3/REST/contact", headers={"Authorization": authorization})

    assert response.status == 401


@pytest.mark.parametrize(("method", "path"), [("POST", "/v3.1/send"), ("DELETE", "/v4/contacts/1")])
def test_newer_services_refuse_a_wrong_key_in_json(box: "Box", method: str, path: str) -> None:
    response = box.http.request(method, box.url + path, headers={"Authorization": "Basic eDp5"})

    answer = response.json()
    assert response.status == 401
    assert sorted(answer) == ["ErrorIdentifier", "ErrorMessage", "StatusCode"]
    assert answer["ErrorMessage"].startswith("API key authentication/authorization failure.")
    assert "X-Mj-Request-Guid" in response.headers


def test_unknown_resource(box: "Box") -> None:
    assert box.refused("GET", "contacts") == (400, 'Unknown resource: "contacts"', "Bad Request")


def test_path_outside_the_known_modules(box: "Box") -> None:
    response = box.call("GET", "/v3/wrongpath")

    answer = response.json()
    assert response.status == 500
    assert answer["ErrorInfo"] == "EFPWebError"
    assert answer["ErrorMessage"] == 'Could not determine HTTP module for request "wrongpath"'
    assert answer["ErrorIdentifier"] == answer["ErrorIdentifier"].upper()


def test_contacts_under_v31_are_a_404_of_the_web_server(box: "Box") -> None:
    response = box.call("GET", "/v3.1/REST/contactslist")

    assert response.status == 404
    assert response.headers["Content-Type"] == "text/html"
    assert b"nginx" in response.data


def test_names_match_in_any_case(box: "Box") -> None:
    created = box.post("ContactsList", {"nAmE": "Customers"})[0]

    assert box.get("CONTACTSLIST?LIMIT=5&name=Customers") == [created]
    assert box.get(f"contactsList/{created['ID']}") == [created]


def test_unknown_field_refuses_the_whole_body(box: "Box") -> None:
    assert box.refused("POST", "contact", {"Email": "a@example.com", "ContactsLists": []}) == (
        400,
        'Invalid json input: object ""->"TContact" has no property "ContactsLists"',
        "",
    )
    assert box.get("contact") == []


def test_read_only_fields_are_ignored(box: "Box") -> None:
    list_id = box.new_list()

    assert box.put(f"contactslist/{list_id}", {"Id": 7, "CreatedAt": "x", "Name": "Renamed"}) == 200
    assert [row["Name"] for row in box.get("contactslist")] == ["Renamed"]


def test_put_that_changes_nothing_is_304_without_a_body(box: "Box") -> None:
    list_id = box.new_list()

    response = box.call("PUT", f"/v3/REST/contactslist/{list_id}", {})

    assert (response.status, response.data) == (304, b"")
    assert box.put(f"contactslist/{list_id}", {"Name": "Customers"}) == 304


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'"x"', b"\xff", b'{"Name":"\xff"}', b"[" * 100_000, b"1e999", b"null"]
)
def test_malformed_body_is_a_400_in_mailjets_shape(box: "Box", body: Any) -> None:
    status, message, info = box.refused("POST", "contactslist", body)

    assert (status, info) == (400, "")
    assert message.startswith("Invalid json input")


def test_oversize_body_is_413(box: "Box") -> None:
    response = box.call("POST", "/v3/REST/contactslist", b" " * (33 * 1024 * 1024))

    assert response.status == 413
    assert response.headers["Content-Type"] == "text/html"


@pytest.mark.parametrize(
    ("method", "path"), [("DELETE", "message/1"), ("PUT", "contactslist"), ("PATCH", "contact/1")]
)
def test_method_not_allowed(box: "Box", method: str, path: str) -> None:
    assert box.refused(method, path) == (405, "Method not allowed", "")


def test_action_without_an_id_loses_the_server(box: "Box") -> None:
    response = box.call("POST", "/v3/REST/contactslist/managecontact", {"Email": "a@example.com"})

    assert response.status == 500
    assert response.json()["ErrorMessage"] == "An Unexpected Error occurred during API request"


class TestPaging:
    @pytest.fixture(autouse=True)
    def _twelve_lists(self, box: "Box") -> None:
        self.ids = [box.new_list(f"List {number:02}") for number in range(12)]

    def test_default_page_is_ten_and_total_is_the_page(self, box: "Box") -> None:
        answer = box.call("GET", "/v3/REST/contactslist").json()

        assert (answer["Count"], answer["Total"]) == (10, 10)
        assert [row["ID"] for row in answer["Data"]] == self.ids[:10]

    def test_limit_and_offset(self, box: "Box") -> None:
        answer = box.call("GET", "/v3/REST/contactslist?Limit=3&Offset=10").json()

        assert [row["ID"] for row in answer["Data"]] == self.ids[10:]
        assert (answer["Count"], answer["Total"]) == (2, 2)

    def test_limit_zero_is_the_largest_page(self, box: "Box") -> None:
        assert [row["ID"] for row in box.get("contactslist?Limit=0")] == self.ids

    def test_count_only_counts_everything_and_shows_nothing(self, box: "Box") -> None:
        assert box.call("GET", "/v3/REST/contactslist?countOnly=1").json() == {
            "Count": 12,
            "Data": [],
            "Total": 12,
        }

    def test_countrecords_makes_total_the_real_one(self, box: "Box") -> None:
        answer = box.call("GET", "/v3/REST/contactslist?countrecords=1&limit=1").json()

        assert (answer["Count"], answer["Total"]) == (1, 12)

    def test_sort(self, box: "Box") -> None:
        assert [row["ID"] for row in box.get("contactslist?Sort=Name+DESC&Limit=2")] == self.ids[:-3:-1]
        assert [row["ID"] for row in box.get("contactslist?Sort=name&Limit=2")] == self.ids[:2]

    def test_sort_with_an_encoded_plus_is_refused(self, box: "Box") -> None:
        assert box.refused("GET", "contactslist?Sort=id%2Bdesc") == (
            400,
            "Unexpected error during GET: Invalid sort specification: Cannot sort on field id+desc",
            "",
        )

    def test_unknown_filters_are_ignored_and_only_the_first_counts(self, box: "Box") -> None:
        rows = box.get("contactslist?Nonsense=1&Name=List+03&Name=List+04")

        assert [row["ID"] for row in rows] == [self.ids[3]]

    @pytest.mark.parametrize("limit", ["-1", "x", "99999999999999999999999"])
    def test_senseless_limit_is_the_default(self, box: "Box", limit: str) -> None:
        assert len(box.get(f"contactslist?Limit={limit}")) == 10


def test_rate_limit_answers_429_in_html(open_box: Any) -> None:
    with open_box(rate_limit=3) as box:
        responses = [box.call("GET", "/v3/REST/user") for _ in range(20)]

    refused = [response for response in responses if response.status == 429]
    assert len(refused) >= 10
    assert refused[0].data == b"Rate limit exceeded"
    assert refused[0].headers["Content-Type"] == "text/html"
    assert "Retry-After" not in refused[0].headers


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("contactslist/9/csvdata/text:plain", "text/plain"),
        ("batchjob/9/csverror/text:csv", "text/csv"),
        ("batchjob/9/JSONError/application:json/LAST", "application/json"),
        ("batchjob/9", "application/json"),
        ("batchjob/9/csverror/text:html", "application/json"),
    ],
)
def test_a_missing_file_has_the_type_that_the_path_asks_for(box: "Box", path: str, content_type: str) -> None:
    method = "POST" if "csvdata" in path else "GET"
    response = box.call(method, f"/v3/DATA/{path}")

    assert (response.status, response.headers["Content-Type"]) == (404, content_type)
    assert response.json()["ErrorMessage"] == "Source object not found"


def test_empty_answers_have_a_type(box: "Box") -> None:
    list_id = box.new_list()
    contact = box.post("contact", {"Email": "a@example.com"})[0]["ID"]

    unchanged = box.call("PUT", f"/v3/REST/contactslist/{list_id}", {})
    deleted = box.call("DELETE", f"/v3/REST/contactslist/{list_id}")
    anonymised = box.call("DELETE", f"/v4/contacts/{contact}")

    assert [(row.status, row.data) for row in (unchanged, deleted, anonymised)] == [
        (304, b""),
        (204, b""),
        (200, b""),
    ]
    assert all("Content-Type" in row.headers for row in (unchanged, deleted, anonymised))
    assert "X-Mj-Request-Guid" in anonymised.headers


def test_senders_are_made_and_found(box: "Box") -> None:
    assert box.refused("POST", "sender", {})[0] == 400
    assert box.refused("POST", "sender", {"Email": "nobody"})[0] == 400

    made = box.post("sender", {"Email": "Shop@example.com", "Name": "Shop"})

    assert (made[0]["Email"], made[0]["Status"]) == ("shop@example.com", "Inactive")
    assert box.get("sender/shop@example.com") == made
    assert [row["IsDefaultSender"] for row in box.get("sender")] == [True, False]
    assert box.refused("POST", "sender", {"Email": "shop@example.com"}) == (
        400,
        'MJ18 A Sender resource with value "shop@example.com" for Email already exists.',
        "",
    )


@pytest.mark.parametrize("char", ["\u200b", "\ufeff", "\u2060", "\u00ad", "\u200e", "\u202e", "\x00"])
def test_addresses_with_invisible_characters_are_refused(box: "Box", char: str) -> None:
    for email in (f"a{char}da@example.com", f"{char}ada@example.com", f"ada@example.com{char}"):
        assert box.refused("POST", "contact", {"Email": email})[0] == 400
    assert box.get("contact") == []
