"""Mailjet's own Python client, unmodified but for its address."""

from typing import TYPE_CHECKING, Any

import pytest
from mailjet_rest import Client
from mailjet_rest.client import DoesNotExistError, MailjetAuthError, ValidationError

if TYPE_CHECKING:
    from conftest import Box


def first(response: Any) -> Any:
    return response.json()["Data"][0]


def test_contacts_from_list_to_values(box: "Box") -> None:
    client = box.client
    list_id = first(client.contactslist.create(data={"Name": "Customers"}))["ID"]
    client.contactmetadata.create(data={"Name": "age", "Datatype": "int"})
    contact = first(client.contact.create(data={"Email": "ann.o'neil+x@example.com", "Name": "Ann"}))
    client.contactdata.update(id=contact["ID"], data={"Data": [{"Name": "age", "Value": 30}]})

    lists = {"ContactsLists": [{"ListID": list_id, "Action": "addnoforce"}]}
    assert client.contact_managecontactslists.create(id=contact["ID"], data=lists).status_code == 201

    assert first(client.contact.get(id="ann.o'neil+x@example.com")) == first(
        client.contact.get(id=contact["ID"])
    )
    assert first(client.contactdata.get(id=contact["ID"]))["Data"] == [{"Name": "age", "Value": 30}]
    assert first(client.contact_getcontactslists.get(id=contact["ID"]))["ListID"] == list_id
    assert client.contactslist.delete(id=list_id).status_code == 204


def test_bulk_job_to_its_end(box: "Box") -> None:
    client = box.client
    list_id = first(client.contactslist.create(data={"Name": "Customers"}))["ID"]
    contacts = [
        {"Email": f"user{number}@example.com", "Properties": {"country": "FR"}} for number in range(25)
    ]

    data = {"Action": "addnoforce", "Contacts": contacts}
    job_id = first(client.contactslist_managemanycontacts.create(id=list_id, data=data))["JobID"]

    job = box.until(
        lambda: completed(client.contactslist_managemanycontacts.get(id=list_id, action_id=job_id))
    )
    assert (job["Count"], job["Error"]) == (25, "")
    emails = [row["Email"] for row in client.contact.stream(filters={"ContactsList": list_id}, chunk_size=10)]
    assert emails == [f"user{number}@example.com" for number in range(25)]


def completed(response: Any) -> Any:
    job = first(response)
    return job if job["Status"] == "Completed" else None


def test_csv_import(box: "Box") -> None:
    client = box.client
    list_id = first(client.contactslist.create(data={"Name": "Customers"}))["ID"]

    data_id = client.contactslist_csvdata.create(id=list_id, data="email,country\na@example.com,FR\n").json()[
        "ID"
    ]
    data = {"ContactsListID": list_id, "DataID": data_id, "Method": "addnoforce"}
    import_id = first(client.csvimport.create(data=data))["ID"]

    assert box.until(lambda: completed(client.csvimport.get(id=import_id)))["Count"] == 1


def test_webhooks_and_sending(box: "Box") -> None:
    client = box.client
    data = {"EventType": "click", "Url": "https://hooks.example.com/x", "Version": 2}
    row = first(client.eventcallbackurl.create(data=data))
    assert first(client.eventcallbackurl.get(id=row["ID"])) == row

    with Client(auth=("key", "secret"), api_url=box.url, version="v3.1") as sender:
        message = {
            "From": {"Email": "a@example.com"},
            "To": [{"Email": "b@example.com"}],
            "TextPart": "Hello",
        }
        answer = sender.send.create(data={"Messages": [message]}).json()["Messages"][0]
    assert first(client.message.get(id=answer["To"][0]["MessageID"]))["Status"] == "sent"


def test_errors_are_what_the_client_takes_them_for(box: "Box") -> None:
    with pytest.raises(DoesNotExistError, match="Object not found"):
        box.client.contact.get(id="nobody@example.com")
    with pytest.raises(ValidationError, match="Object properties invalid"):
        box.client.contactslist.create(data={"Name": ""})
    with pytest.raises(MailjetAuthError):
        box.client.contact.delete(id=1)
    with Client(auth=("key", "wrong"), api_url=box.url) as stranger, pytest.raises(MailjetAuthError):
        stranger.contact.get()
