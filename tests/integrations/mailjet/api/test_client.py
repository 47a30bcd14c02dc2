import base64
import socket
from collections.abc import Callable
from typing import Any

import pytest

from jetbridge.errors import DeliveryError, PermanentError, TransientError
from jetbridge.integrations.mailjet.api import resources
from jetbridge.integrations.mailjet.api.client import PAGE_ROWS, MailjetClient
from jetbridge.integrations.mailjet.api.errors import AlreadyExists
from jetbridge.integrations.mailjet.api.resources import CONTACT, CONTACTDATA, LISTRECIPIENT, Listing

from .responses import response_named

API_KEY, SECRET_KEY = "a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4", "5ec2e75ec2e75ec2e75ec2e75ec2e75e"
LIST = {"Address": "twkgdlfxg", "CreatedAt": "2020-11-06T13:38:49Z", "ID": 38778, "IsDeleted": False,
        "Name": "Customers", "SubscriberCount": 3}  # fmt: skip
CALLBACK = {"APIKeyID": 1234, "EventType": "click", "ID": 567, "IsBackup": False, "Status": "alive",
            "Url": "https://user:hunter22@example.com/x", "Version": 2}  # fmt: skip


def only_call(mailjet: Any) -> tuple[str, str, dict[str, str], Any]:
    [asked] = mailjet.asked
    return asked.method, asked.path, asked.query, asked.body


def test_calls_carry_the_key_pair_and_our_name(mailjet: Any, client: MailjetClient) -> None:
    mailjet.rows({"ID": 1, "Email": "owner@example.com", "Username": "owner"})
    assert client.user() == resources.User(id=1, email="owner@example.com", username="owner")
    headers = mailjet.asked[0].headers
    assert (
        headers["Authorization"] == "Basic " + base64.b64encode(f"{API_KEY}:{SECRET_KEY}".encode()).decode()
    )
    assert headers["User-Agent"].startswith("jetbridge/")


def numbered(*numbers: int) -> list[dict[str, Any]]:
    return [LIST | {"ID": number} for number in numbers]


def counted(mailjet: Any, number: int) -> None:
    """Queue Mailjet's answer to countOnly."""
    mailjet.answer(200, {"Count": number, "Data": [], "Total": number})


class TestListings:
    """Nothing is concluded from a listing that did not come to its end: who is missing would look subscribed."""

    def test_every_page_is_read_up_to_the_number_that_mailjet_reports(
        self, mailjet: Any, client: MailjetClient
    ) -> None:
        mailjet.rows(*numbered(*range(1, PAGE_ROWS + 1)))
        counted(mailjet, PAGE_ROWS + 1)
        mailjet.rows(*numbered(PAGE_ROWS + 1))
        assert [row.id for row in client.contactslists()] == list(range(1, PAGE_ROWS + 2))
        shared = {"Limit": "1000", "Sort": "ID", "IsDeleted": "false"}
        assert [asked.query for asked in mailjet.asked] == [
            shared | {"Offset": "0"},
            {"countOnly": "1", "IsDeleted": "false"},
            shared | {"Offset": "1000"},
        ]

    def test_a_full_page_that_is_all_is_the_last(self, mailjet: Any, client: MailjetClient) -> None:
        mailjet.rows(*numbered(*range(1, PAGE_ROWS + 1)))
        counted(mailjet, PAGE_ROWS)
        assert len(client.contactslists()) == PAGE_ROWS
        assert len(mailjet.asked) == 2

    def test_the_same_page_for_ever_ends(self, mailjet: Any, client: MailjetClient) -> None:
        mailjet.rows(*numbered(*range(1, PAGE_ROWS + 1)))
        counted(mailjet, 10**9)
        mailjet.rows(*numbered(*range(1, PAGE_ROWS + 1)))
        with pytest.raises(TransientError, match="brings nothing new after 1,000 rows") as raised:
            client.contactslists()
        assert raised.value.code == "INCOMPLETE_LISTING"
        assert len(mailjet.asked) == 3

    def test_more_rows_than_anybody_has_end(
        self, mailjet: Any, client: MailjetClient, monkeypatch: Any
    ) -> None:
        monkeypatch.setattr("jetbridge.integrations.mailjet.api.client.MAX_ROWS", 2_500)
        for page in range(4):
            mailjet.rows(*numbered(*range(page * PAGE_ROWS + 1, (page + 1) * PAGE_ROWS + 1)))
            if page == 0:
                counted(mailjet, 10**9)
        with pytest.raises(TransientError, match="does not end after 3,000 rows"):
            client.contactslists()

    def test_a_listing_that_breaks_off_is_no_shorter_listing(
        self, mailjet: Any, client: MailjetClient
    ) -> None:
        mailjet.rows(*numbered(*range(1, PAGE_ROWS + 1)))
        counted(mailjet, 1_500)
        mailjet.rows(*numbered(1_001))
        counted(mailjet, 1_500)
        mailjet.rows(*numbered(1_001))
        with pytest.raises(TransientError, match="breaks off after 1,001 of 1,500 rows"):
            client.contactslists()

    def test_a_limit_that_is_ignored_breaks_off(self, mailjet: Any, client: MailjetClient) -> None:
        mailjet.rows(*numbered(*range(1, 11)))
        counted(mailjet, 11)
        mailjet.rows(*numbered(*range(1, 11)))
        with pytest.raises(TransientError, match="breaks off after 10 of 11 rows"):
            list(client.pages(Listing("contactslist", resources.ContactsList), counted=True))

    def test_what_comes_and_goes_meanwhile_breaks_nothing(self, mailjet: Any, client: MailjetClient) -> None:
        mailjet.rows(*numbered(*range(1, PAGE_ROWS + 1)))
        counted(mailjet, 1_002)
        mailjet.rows(*numbered(1_000, 1_001))  # one came in before: the last of the first page comes again
        counted(mailjet, 1_003)
        mailjet.rows(*numbered(1_000, 1_001, 1_002))  # and one behind, since
        mailjet.rows(*numbered(1_000, 1_001, 1_002))
        counted(mailjet, 1_003)
        pages = client.pages(Listing("contactslist", resources.ContactsList), counted=True)
        assert [row.id for page in pages for row in page] == list(range(1, 1_003))

    def test_pages_without_an_order_cannot_be_put_together(self, mailjet: Any, client: MailjetClient) -> None:
        mailjet.rows(*numbered(*range(1_001, 2_001)))
        counted(mailjet, 1_001)
        mailjet.rows(*numbered(7))
        with pytest.raises(PermanentError, match="does not list contactslist by ID"):
            client.contactslists()

    def test_a_page_of_fewer_rows_than_it_counts_is_none(self, mailjet: Any, client: MailjetClient) -> None:
        mailjet.answer(200, {"Count": 2, "Data": [LIST | {"ListID": 1}], "Total": 2})
        for call in (client.contactslists, lambda: client.getcontactslists("a@b.c")):
            with pytest.raises(TransientError, match="cannot be read"):
                call()

    @pytest.mark.parametrize("body", [
        b'{"Data":[]}', b'{"Count":0,"Data":[]}', b"{}", b"[]", b"", b"null",
    ])  # fmt: skip
    def test_a_page_that_is_not_all_that_it_says_is_none(
        self, mailjet: Any, client: MailjetClient, body: bytes
    ) -> None:
        mailjet.answer(200, body)
        for call in (
            client.contactslists,
            lambda: client.count(CONTACT),
            lambda: client.getcontactslists("a@b.c"),
        ):
            with pytest.raises(TransientError) as raised:
                call()
            assert raised.value.code == "INVALID_RESPONSE"


#: What may stand where Mailjet's answer should: each counted as done once.
NOT_MAILJET = {
    "an empty 200": (200, "application/json", b""),
    "a hotel's page": (200, "text/html", b"<!DOCTYPE html><html>Welcome! Log in to use the Wi-Fi.</html>"),
    "a hotel's page without a tag": (200, "text/plain", b"Welcome"),
    "an empty object": (200, "application/json", b"{}"),
    "an empty envelope": (200, "application/json", b'{"Count":0,"Data":[],"Total":0}'),
    "an error": (200, "application/json", b'{"ErrorInfo":"","ErrorMessage":"Object not found","StatusCode":404}'),
    "somebody else's success": (201, "application/json", b'{"success":true}'),
    "null": (200, "application/json", b"null"),
    "half of it": (201, "application/json", b'{"Count":1,"Data":[{"ID":1,"JobID":1,"Na'),
}  # fmt: skip


def _writes(client: MailjetClient) -> dict[str, Any]:
    """Every call that changes something."""
    return {
        "create_contactslist": lambda: client.create_contactslist("a"),
        "create_contactmetadata": lambda: client.create_contactmetadata("a", "str"),
        "managecontact": lambda: client.managecontact(1, {"Email": "a@b.c"}),
        "managecontactslists": lambda: client.managecontactslists("a@b.c", {1: "unsub"}),
        "managemanycontacts": lambda: client.managemanycontacts(1, {}),
        "manage_contacts_in_lists": lambda: client.manage_contacts_in_lists({}),
        "create_eventcallbackurl": lambda: client.create_eventcallbackurl("open", "https://a.example"),
        "update_eventcallbackurl": lambda: client.update_eventcallbackurl(1, url="https://a.example"),
        "delete_eventcallbackurl": lambda: client.delete_eventcallbackurl(1),
        "delete_contact": lambda: client.delete_contact(1),
        "job": lambda: client.job(1, 2),
    }


@pytest.mark.parametrize("name", NOT_MAILJET)
def test_nothing_is_done_but_by_the_answer_that_the_call_has(
    mailjet: Any, client: MailjetClient, name: str
) -> None:
    status, content_type, body = NOT_MAILJET[name]
    mailjet.answer(status, body, Content_Type=content_type)
    for call, write in _writes(client).items():
        if (call, name) == ("delete_contact", "an empty 200"):
            continue  # this is Mailjet's own
        with pytest.raises(TransientError) as raised:
            write()
        assert raised.value.code == "INVALID_RESPONSE", call


def test_lists_that_are_not_echoed_were_not_touched(mailjet: Any, client: MailjetClient) -> None:
    mailjet.rows({"ContactsLists": [{"ListID": 1, "Action": "unsub"}]}, status=201)
    with pytest.raises(TransientError, match="cannot be read"):
        client.managecontactslists("a@b.c", {1: "unsub", 2: "addforce"})


@pytest.mark.parametrize("body", [b'"ok"', b"5", b"[1]", b"[[]]", b"Welcome", b'{"Email":"a@b.c"}\n5'])
def test_an_error_file_of_something_else_is_not_one(mailjet: Any, client: MailjetClient, body: bytes) -> None:
    mailjet.answer(200, body)
    with pytest.raises(TransientError, match="cannot be read"):
        client.job_errors(7)


def test_an_empty_error_file_is_not_one_without_rows(mailjet: Any, client: MailjetClient) -> None:
    mailjet.answer(200, b"")
    assert client.job_errors(7) is None
    mailjet.answer(200, b"[]")
    mailjet.answers.pop(0)
    assert client.job_errors(7) == []


def test_a_page_is_one_call_with_mailjets_own_filters(mailjet: Any, client: MailjetClient) -> None:
    mailjet.rows(
        {"ContactID": 9, "ID": 4, "IsActive": True, "IsUnsubscribed": True, "ListID": 7,
         "ListName": "Customers", "SubscribedAt": "", "UnsubscribedAt": "2020-09-16T10:35:56Z"}
    )  # fmt: skip
    (row,) = client.page(LISTRECIPIENT, 2_000, ContactsList=7)
    assert (row.contact_id, row.is_unsubscribed, row.unsubscribed_at) == (9, True, "2020-09-16T10:35:56Z")
    query = {"Limit": "1000", "Offset": "2000", "Sort": "ID", "ContactsList": "7"}
    assert only_call(mailjet) == ("GET", "/v3/REST/listrecipient", query, None)


def test_counting_reads_no_rows(mailjet: Any, client: MailjetClient) -> None:
    mailjet.answer(200, {"Count": 152, "Data": [], "Total": 152})
    assert client.count(CONTACT, IsExcludedFromCampaigns="true") == 152
    query = {"countOnly": "1", "IsExcludedFromCampaigns": "true"}
    assert only_call(mailjet) == ("GET", "/v3/REST/contact", query, None)


def test_counting_does_not_take_a_page_for_a_count(mailjet: Any, client: MailjetClient) -> None:
    """Unknown query parameters are ignored in silence, and the rows of a page are 10."""
    mailjet.answer(200, {"Count": 10, "Data": [{"ID": n} for n in range(10)], "Total": 10})
    mailjet.answer(200, {"Count": 1, "Data": [{"ID": 1}], "Total": 152})
    assert client.count(CONTACT, IsExcludedFromCampaigns="true") == 152


def test_contactdata_is_not_asked_to_be_sorted(mailjet: Any, client: MailjetClient) -> None:
    mailjet.answer(200, {"Count": 0, "Data": [], "Total": 0})
    client.page(CONTACTDATA, 0)
    assert only_call(mailjet) == ("GET", "/v3/REST/contactdata", {"Limit": "1000", "Offset": "0"}, None)


@pytest.mark.parametrize("row", [{}, {"ContactID": "7", "Email": None, "Properties": [], "Action": 3}])
def test_a_success_of_managecontact_is_one_whatever_it_looks_like(
    mailjet: Any, client: MailjetClient, row: dict[str, Any]
) -> None:
    mailjet.answer(201, {"Count": 1, "Data": [row], "Total": 1})
    client.managecontact(7, {})


def test_contactslist(mailjet: Any, client: MailjetClient) -> None:
    mailjet.rows(LIST)
    assert client.contactslist(38778) == resources.ContactsList(
        id=38778, name="Customers", address="twkgdlfxg", subscriber_count=3, created_at="2020-11-06T13:38:49Z"
    )


def test_create_contactslist(mailjet: Any, client: MailjetClient) -> None:
    mailjet.rows(LIST, status=201)
    assert client.create_contactslist("Customers").id == 38778
    assert only_call(mailjet) == ("POST", "/v3/REST/contactslist", {}, {"Name": "Customers"})


def test_contactmetadata_maps_lower_case_static_names_to_datatypes(
    mailjet: Any, client: MailjetClient
) -> None:
    mailjet.rows(
        {"ID": 1, "Name": "FirstName", "Datatype": "str", "NameSpace": "static"},
        {"ID": 2, "Name": "age", "Datatype": "int", "NameSpace": "static"},
        {"ID": 3, "Name": "visits", "Datatype": "int", "NameSpace": "historic"},
    )
    assert client.contactmetadata() == {"firstname": "str", "age": "int"}


def test_create_contactmetadata_says_whether_it_was_new(mailjet: Any, client: MailjetClient) -> None:
    mailjet.rows({"ID": 1, "Name": "plan", "Datatype": "str", "NameSpace": "static"}, status=201)
    mailjet.answer(400, {"ErrorMessage": "MJ18 A ContactMetadata resource with value ... already exists."})
    assert [client.create_contactmetadata("plan", "str") for _ in range(2)] == [True, False]
    assert mailjet.asked[0].body == {"Name": "plan", "Datatype": "str", "NameSpace": "static"}


def test_managecontact_returns_all_properties_of_the_contact(mailjet: Any, client: MailjetClient) -> None:
    packet = {"ContactID": 10, "Email": "user@example.com", "Action": "addnoforce", "Name": "U",
              "Properties": {"plan": "pro", "age": 30}}  # fmt: skip
    mailjet.rows(packet, status=201)
    answer = client.managecontact(5, {"Email": "user@example.com", "Action": "addnoforce"})
    assert (answer.contact_id, answer.properties) == (10, {"plan": "pro", "age": 30})
    assert only_call(mailjet)[:2] == ("POST", "/v3/REST/contactslist/5/managecontact")


@pytest.mark.parametrize(
    "body", [{"Action": "addforce", "Contacts": []}, b'{"Action":"addforce","Contacts":[]}']
)
def test_managemanycontacts_returns_the_job(mailjet: Any, client: MailjetClient, body: Any) -> None:
    mailjet.rows({"JobID": 113869785}, status=201)
    assert client.managemanycontacts(5, body) == 113869785
    assert only_call(mailjet) == (
        "POST",
        "/v3/REST/contactslist/5/managemanycontacts",
        {},
        {"Action": "addforce", "Contacts": []},
    )


def test_contacts_can_be_managed_in_several_lists(mailjet: Any, client: MailjetClient) -> None:
    mailjet.rows({"JobID": 7}, status=201)
    assert client.manage_contacts_in_lists({"Contacts": []}) == 7
    assert only_call(mailjet)[1] == "/v3/REST/contact/managemanycontacts"


@pytest.mark.parametrize(
    ("list_id", "path"),
    [
        (5, "/v3/REST/contactslist/5/managemanycontacts/7"),
        (None, "/v3/REST/contact/managemanycontacts/7"),
    ],
)
def test_job(mailjet: Any, client: MailjetClient, list_id: int | None, path: str) -> None:
    mailjet.rows(
        {"Count": 2, "Status": "Completed", "Error": "", "ErrorFile": "", "JobEnd": "", "ContactsLists": []}
    )
    job = client.job(7, list_id)
    assert (job.status, job.count, job.ended) == ("Completed", 2, True)
    assert only_call(mailjet)[1] == path


@pytest.mark.parametrize(
    ("status", "ended"),
    [("Allocated", False), ("Importing", False), ("In Progress", False), ("Error", True), ("Abort", True)],
)
def test_a_job_is_followed_until_it_has_ended(status: str, ended: object) -> None:
    assert resources.Job(status=status).ended is ended


@pytest.mark.parametrize(
    "body",
    [
        b'[{"Email":"a@b.c","Error":"x"},{"Email":"d@e.f","Error":"y"}]',
        b'{"Email":"a@b.c","Error":"x"}\n{"Email":"d@e.f","Error":"y"}\n',
    ],
)
def test_job_errors_are_read_as_a_list_or_line_by_line(
    mailjet: Any, client: MailjetClient, body: Any
) -> None:
    mailjet.answer(200, body)
    assert client.job_errors(7) == [{"Email": "a@b.c", "Error": "x"}, {"Email": "d@e.f", "Error": "y"}]
    assert only_call(mailjet)[1] == "/v3/DATA/batchjob/7/JSONError/application:json/LAST"


def test_a_job_without_an_error_file_has_no_errors(mailjet: Any, client: MailjetClient) -> None:
    mailjet.answer(404, {"ErrorInfo": "", "ErrorMessage": "Source object not found", "StatusCode": 404})
    assert client.job_errors(7) == []


def test_a_contact_is_found_by_any_address(mailjet: Any, client: MailjetClient) -> None:
    mailjet.rows({"ID": 4, "Email": "né+a/b@example.com"})
    assert client.contact("né+a/b@example.com") == resources.Contact(id=4, email="né+a/b@example.com")
    assert only_call(mailjet)[1] == "/v3/REST/contact/né+a/b@example.com"


def test_what_mailjet_does_not_have_is_none_or_empty(mailjet: Any, client: MailjetClient) -> None:
    mailjet.answer(404, {"ErrorInfo": "", "ErrorMessage": "Object not found", "StatusCode": 404})
    assert [client.contact("a@b.c"), client.contactslist(1), client.message(1), client.campaign(1)] == [
        None
    ] * 4
    assert client.contactdata("a@b.c") == {}
    assert client.getcontactslists("a@b.c") == []


def test_an_address_that_mailjet_does_not_take_has_no_contact(mailjet: Any, client: MailjetClient) -> None:
    mailjet.answer(400, response_named("non-email path key").body)
    assert client.contact("odd@b.com") is None


def test_contactdata(mailjet: Any, client: MailjetClient) -> None:
    mailjet.rows(
        {"ContactID": 4, "ID": 4, "Data": [{"Name": "plan", "Value": "pro"}, {"Name": "age", "Value": 30}]}
    )
    assert client.contactdata(4) == {"plan": "pro", "age": 30}


def test_getcontactslists(mailjet: Any, client: MailjetClient) -> None:
    mailjet.rows({"IsActive": True, "IsUnsub": True, "ListID": 3, "SubscribedAt": "2020-10-22T08:04:45Z"})
    assert client.getcontactslists("a@b.c") == [
        resources.Subscription(list_id=3, is_unsub=True, subscribed_at="2020-10-22T08:04:45Z")
    ]


def test_managecontactslists(mailjet: Any, client: MailjetClient) -> None:
    echoed = [{"ListID": 1, "Action": "unsub"}, {"ListID": 2, "Action": "addforce"}]
    mailjet.rows({"ContactsLists": echoed}, status=201)
    client.managecontactslists("a@b.c", {1: "unsub", 2: "addforce"})
    assert only_call(mailjet)[3] == {
        "ContactsLists": [{"ListID": 1, "Action": "unsub"}, {"ListID": 2, "Action": "addforce"}]
    }


def test_an_empty_200_is_what_deleting_a_contact_answers(mailjet: Any, client: MailjetClient) -> None:
    mailjet.answer(200)
    client.delete_contact(12)
    assert only_call(mailjet)[:2] == ("DELETE", "/v4/contacts/12")


def test_event_callback_urls(mailjet: Any, client: MailjetClient) -> None:
    mailjet.rows(CALLBACK)
    [row] = client.eventcallbackurls()
    assert (row.id, row.event_type, row.version, row.api_key_id) == (567, "click", 2, 1234)
    assert "hunter22" not in repr(row)


def test_create_eventcallbackurl(mailjet: Any, client: MailjetClient) -> None:
    mailjet.rows(CALLBACK, status=201)
    client.create_eventcallbackurl("click", "https://example.com/x")
    assert only_call(mailjet)[3] == {
        "EventType": "click",
        "Url": "https://example.com/x",
        "Version": 2,
        "IsBackup": False,
    }


def test_a_taken_event_callback_url_is_told_apart(mailjet: Any, client: MailjetClient) -> None:
    words = 'MJ18 A EventCallbackURL resource with value "7|false" for EventType|Backup already exists.'
    mailjet.answer(400, {"ErrorInfo": "", "ErrorMessage": words, "StatusCode": 400})
    with pytest.raises(AlreadyExists):
        client.create_eventcallbackurl("sent", "https://example.com/x")


def test_a_304_is_success(mailjet: Any, client: MailjetClient) -> None:
    mailjet.answer(304)
    client.update_eventcallbackurl(567, url="https://example.com/x")
    assert only_call(mailjet)[:2] == ("PUT", "/v3/REST/eventcallbackurl/567")


def test_delete_eventcallbackurl(mailjet: Any, client: MailjetClient) -> None:
    mailjet.answer(204)
    client.delete_eventcallbackurl(567)
    assert only_call(mailjet)[:2] == ("DELETE", "/v3/REST/eventcallbackurl/567")


def test_a_message_is_asked_for_with_its_subject(mailjet: Any, client: MailjetClient) -> None:
    mailjet.rows({"ID": 1152921509597813712, "Subject": "Hello", "CampaignID": 7390730})
    found = client.message(1152921509597813712)
    assert found == resources.MessageInfo(id=1152921509597813712, subject="Hello", campaign_id=7390730)
    assert only_call(mailjet)[1:3] == ("/v3/REST/message/1152921509597813712", {"ShowSubject": "true"})


def test_campaign_and_its_draft(mailjet: Any, client: MailjetClient) -> None:
    mailjet.rows(
        {"ID": 7390730, "Subject": "S", "CustomValue": "mj.nl=44098", "NewsLetterID": 44098, "ListID": 3}
    )
    mailjet.rows({"ID": 44098, "Title": "Spring sale", "Subject": "S"})
    campaign = client.campaign(7390730)
    assert (campaign.news_letter_id, campaign.list_id) == (44098, 3)
    assert client.campaigndraft(campaign.news_letter_id).title == "Spring sale"


def test_numbers_written_as_text_are_read(mailjet: Any, client: MailjetClient) -> None:
    mailjet.rows({"ID": "38778", "Name": "Customers"})
    assert client.contactslist(38778).id == 38778


@pytest.mark.parametrize(
    "body", [b"", b"<html>ok</html>", b'{"Count":1,"Data":[{"ID":', b'{"Data":[]}', b"\xff"]
)
@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.user(),
        lambda client: client.managecontactslists("a@b.c", {1: "unsub"}),
        lambda client: client.create_contactmetadata("plan", "str"),
    ],
    ids=["user", "managecontactslists", "contactmetadata"],
)
def test_an_unreadable_success_is_tried_again(
    mailjet: Any, client: MailjetClient, body: Any, call: Callable[[MailjetClient], object]
) -> None:
    mailjet.answer(200, body)
    with pytest.raises(TransientError) as caught:
        call(client)
    assert caught.value.code == "INVALID_RESPONSE"


def test_a_cut_connection_is_tried_again(mailjet: Any, client: MailjetClient) -> None:
    mailjet.answer(200, b'{"Count"', Content_Length="500")
    with pytest.raises(TransientError) as caught:
        client.user()
    assert caught.value.code == "NETWORK"


def test_nobody_listening_is_tried_again(free_port: Callable[[], int]) -> None:
    with pytest.raises(TransientError) as caught:
        MailjetClient(f"http://127.0.0.1:{free_port()}", API_KEY, SECRET_KEY).user()
    assert caught.value.code == "NETWORK"


def test_silence_ends_after_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = MailjetClient(f"http://127.0.0.1:{silent.getsockname()[1]}", "k", "s", timeout_seconds=0.2)
        with pytest.raises(TransientError) as caught:
            client.user()
    assert caught.value.code == "TIMEOUT"


def test_a_call_is_made_once(mailjet: Any, client: MailjetClient) -> None:
    mailjet.answer(500)
    with pytest.raises(DeliveryError):
        client.create_contactslist("Customers")
    assert len(mailjet.asked) == 1


def test_no_secret_is_in_errors_and_reprs(mailjet: Any, client: MailjetClient) -> None:
    leak = f"key {API_KEY} secret {SECRET_KEY} https://user:hunter22@example.com/mailjet/events/t0k3n-9"
    mailjet.answer(400, {"ErrorInfo": leak, "ErrorMessage": leak, "StatusCode": 400})
    with pytest.raises(PermanentError) as caught:
        client.user()
    shown = f"{caught.value} {caught.value.response} {client!r}"
    assert [secret for secret in (API_KEY, SECRET_KEY, "hunter22", "t0k3n-9") if secret in shown] == []
