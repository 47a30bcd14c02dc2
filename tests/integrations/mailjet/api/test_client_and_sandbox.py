"""Our client and Mailjet's own, side by side on the sandbox: what one writes, the other reads."""

import json
import time
from collections.abc import Iterator
from typing import Any

import mailjet_rest
import pytest

from jetbridge.errors import PauseError
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.integrations.mailjet.api.errors import EmailRejected, NotFound, PropertiesRejected
from jetbridge.integrations.mailjet.api.resources import CONTACT, LISTRECIPIENT, Job
from jetbridge.spec.times import parse_time
from mailjet_sandbox.server import running
from mailjet_sandbox.settings import Settings


@pytest.fixture
def sandbox() -> Iterator[Any]:
    with running(Settings(api_key="key", secret_key="secret", job_delay_seconds=0.0)) as box:
        yield box


@pytest.fixture
def ours(sandbox: Any) -> MailjetClient:
    return MailjetClient(sandbox.url, "key", "secret")


@pytest.fixture
def theirs(sandbox: Any) -> Iterator[mailjet_rest.Client]:
    client = mailjet_rest.Client(auth=("key", "secret"), api_url=sandbox.url)
    yield client
    client.close()


def ended(ours: MailjetClient, job_id: int, list_id: int | None = None) -> Job:
    deadline = time.monotonic() + 10
    while not (job := ours.job(job_id, list_id)).ended:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return job


def test_a_contact_written_by_us_is_read_by_mailjets_client(
    ours: MailjetClient, theirs: mailjet_rest.Client
) -> None:
    list_id = ours.create_contactslist("Customers").id
    assert [ours.create_contactmetadata("age", "int") for _ in range(2)] == [True, False]
    body = {"Email": "ann@example.com", "Action": "addnoforce", "Name": "Ann", "Properties": {"age": 30}}
    written = ours.managecontact(list_id, body)
    read = theirs.contactdata.get(id="ann@example.com").json()["Data"][0]
    assert read["Data"] == [{"Name": "age", "Value": 30}]
    assert written.contact_id == read["ContactID"]


def test_a_contact_written_by_mailjets_client_is_read_by_us(
    ours: MailjetClient, theirs: mailjet_rest.Client
) -> None:
    theirs.contact.create(data={"Email": "ann@example.com", "Name": "Ann"})
    theirs.contactmetadata.create(data={"Name": "plan", "Datatype": "str", "NameSpace": "static"})
    theirs.contactdata.update(id="ann@example.com", data={"Data": [{"Name": "plan", "Value": "pro"}]})
    found = ours.contact("Ann@Example.com")
    assert found is not None
    assert (found.email, found.name) == ("ann@example.com", "Ann")
    assert ours.contact(found.id) == found
    assert ours.contactdata(found.id) == {"plan": "pro"}
    assert ours.contactmetadata()["plan"] == "str"


def test_lists_come_and_deleted_ones_are_left_out(ours: MailjetClient, theirs: mailjet_rest.Client) -> None:
    ids = [ours.create_contactslist(f"List {number}").id for number in range(25)]
    theirs.contactslist.delete(id=ids[3])
    assert [row.id for row in ours.contactslists()] == ids[:3] + ids[4:]
    deleted = ours.contactslist(ids[3])
    assert deleted is not None
    assert deleted.is_deleted


def test_places_on_lists(ours: MailjetClient) -> None:
    first, second = (ours.create_contactslist(name).id for name in ("A", "B"))
    ours.managecontact(first, {"Email": "ann@example.com", "Action": "addnoforce"})
    ours.managecontactslists("ann@example.com", {first: "unsub", second: "addforce"})
    found = {row.list_id: row.is_unsub for row in ours.getcontactslists("ann@example.com")}
    assert found == {first: True, second: False}


def test_listings_are_read_by_rising_id_and_counted(ours: MailjetClient) -> None:
    list_id = ours.create_contactslist("Customers").id
    for number in range(3):
        ours.managecontact(list_id, {"Email": f"p{number}@example.com", "Action": "addnoforce"})
    ours.managecontactslists("p1@example.com", {list_id: "unsub"})
    contacts = ours.page(CONTACT, 0)
    assert [row.email for row in contacts] == [f"p{number}@example.com" for number in range(3)]
    assert [row.id for row in ours.page(CONTACT, 1)] == [row.id for row in contacts[1:]]
    gone = {"ContactsList": list_id, "Unsub": "true"}
    assert ours.count(LISTRECIPIENT, **gone) == 1
    (row,) = ours.page(LISTRECIPIENT, 0, **gone)
    assert (row.contact_id, row.is_unsubscribed) == (contacts[1].id, True)
    assert parse_time(row.unsubscribed_at) is not None


@pytest.mark.parametrize("in_one_list", [True, False])
def test_a_job_and_its_refused_rows(ours: MailjetClient, in_one_list: object) -> None:
    list_id = ours.create_contactslist("Customers").id
    contacts = [
        {"Email": "ann@example.com"},
        {"Email": "bob@example.com", "Properties": {"unknown": 1}},
    ]
    if in_one_list:
        job_id = ours.managemanycontacts(list_id, {"Action": "addnoforce", "Contacts": contacts})
        job = ended(ours, job_id, list_id)
    else:
        lists = [{"ListID": list_id, "Action": "addnoforce"}]
        job_id = ours.manage_contacts_in_lists({"ContactsLists": lists, "Contacts": contacts})
        job = ended(ours, job_id)
    assert (job.status, job.count, bool(job.error_file)) == ("Completed", 2, True)
    assert [row["Email"] for row in ours.job_errors(job_id)] == ["bob@example.com"]
    assert len(ours.getcontactslists("ann@example.com")) == 1


def test_a_job_without_refused_rows_has_no_errors(ours: MailjetClient) -> None:
    list_id = ours.create_contactslist("Customers").id
    job_id = ours.managemanycontacts(
        list_id, b'{"Action":"addnoforce","Contacts":[{"Email":"ann@example.com"}]}'
    )
    assert not ended(ours, job_id, list_id).error_file
    assert ours.job_errors(job_id) == []


def test_refusals_are_told_apart(ours: MailjetClient) -> None:
    list_id = ours.create_contactslist("Customers").id
    with pytest.raises(PropertiesRejected) as refused:
        ours.managecontact(
            list_id, {"Email": "ann@example.com", "Action": "addnoforce", "Properties": {"plan": 1}}
        )
    assert refused.value.properties == {"plan": "Property not defined"}
    with pytest.raises(EmailRejected):
        ours.managecontact(list_id, {"Email": "nobody", "Action": "addnoforce"})
    with pytest.raises(NotFound):
        ours.managecontact(list_id + 1, {"Email": "ann@example.com", "Action": "addnoforce"})


def test_a_wrong_key_pair_holds(sandbox: Any, ours: MailjetClient) -> None:
    assert ours.user().id > 0
    with pytest.raises(PauseError) as caught:
        MailjetClient(sandbox.url, "key", "wrong").user()
    assert caught.value.code == "INVALID_AUTHENTICATION"


def test_an_address_without_an_api_holds(sandbox: Any) -> None:
    with pytest.raises(PauseError) as caught:
        MailjetClient(f"{sandbox.url}/nowhere", "key", "secret").user()
    assert caught.value.code == "INVALID_URL"


def test_a_deleted_contact_is_gone(ours: MailjetClient) -> None:
    list_id = ours.create_contactslist("Customers").id
    written = ours.managecontact(list_id, {"Email": "ann@example.com", "Action": "addnoforce"})
    assert written.contact_id is not None
    ours.delete_contact(written.contact_id)
    ours.delete_contact(written.contact_id + 1)
    assert ours.contact("ann@example.com") is None


def test_what_events_leave_out_is_found(sandbox: Any, ours: MailjetClient) -> None:
    list_id = ours.create_contactslist("Customers").id
    ours.managecontact(list_id, {"Email": "ann@example.com", "Action": "addnoforce"})
    wanted = {"list_id": list_id, "subject": "Spring!", "title": "Spring sale"}
    campaign_id = json.loads(ours._transport.call("POST", "/sandbox/campaigns", body=wanted).body)[
        "campaign_id"
    ]
    campaign = ours.campaign(campaign_id)
    assert campaign is not None
    assert (campaign.subject, campaign.list_id) == ("Spring!", list_id)
    draft = ours.campaigndraft(campaign.news_letter_id)
    assert draft is not None
    assert draft.title == "Spring sale"
    first = json.loads(ours._transport.call("GET", f"/v3/REST/campaign/{campaign_id}").body)
    message = ours.message(first["Data"][0]["FirstMessageID"])
    assert message is not None
    assert (message.subject, message.campaign_id) == ("Spring!", campaign_id)
    assert message.id > 2**53
