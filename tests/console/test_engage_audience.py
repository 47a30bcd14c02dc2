"""The pages of one audience: overview, members, sync and settings; and who may see which."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.urls import reverse
from tests.engage.stored import Store
from tests.pages import collapsed

from jetbridge.control.audit import Actor
from jetbridge.control.models import Destination
from jetbridge.control.people import AuditEntry
from jetbridge.engage import store
from jetbridge.engage.models import Activation, Computation, ComputationClass
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet import accounts
from jetbridge.integrations.mailjet.api.client import MailjetClient
from jetbridge.services import computations, new_destinations

from .engage import visible_text

HTML = '"><script>alert(1)</script>'
ORDERED = {"event": "Order Completed", "within": "30d"}


@pytest.fixture
def actor(people: Any, event_log: SqliteEventLog) -> Actor:
    return Actor(people.workspace, people.editor)


@pytest.fixture
def row(actor: Actor) -> Computation:
    return computations.create(actor, ComputationClass.AUDIENCE, f"Ordered {HTML}", ORDERED).row


@pytest.fixture
def stored(home: Path, actor: Actor, row: Computation) -> Iterator[Store]:
    made = Store(home, actor.workspace.id)
    ids = [made.person(f"user_id:u{number:03}", f"email:u{number:03}@example.com") for number in range(60)]
    made.person("user_id:nobody")
    for id_ in ids:
        made.happened(id_, "Order Completed", 3)
    made.computed(row.key, size=60)
    made.members(row.key, *ids)
    made.changed(row.key, 1, 62, 0, 62)
    made.changed(row.key, 0, 5, 7, 60)
    yield made
    made.close()


@pytest.fixture
def there(actor: Actor, event_log: SqliteEventLog) -> Destination:
    return new_destinations.add(event_log, actor.workspace, "segment", "There", {"writeKey": "k"}, sources=[])


@pytest.fixture
def mailjet(actor: Actor, event_log: SqliteEventLog, sandbox: str) -> Destination:
    """At the sandbox; nothing is connected to it."""
    list_id = MailjetClient(sandbox, "public", "private").create_contactslist("Customers").id
    account = accounts.add_account(actor.workspace, sandbox, "public", "private")
    connection = accounts.connect_list(account, list_id, "Customers")
    values = {"apiKey": connection.authentication_key, "listId": str(list_id)}
    return new_destinations.add(event_log, actor.workspace, "mailjet", "Mailjet", values, sources=[])


def at(row: Computation, name: str = "audience", *more: int) -> str:
    return reverse(name, args=[row.space.workspace_id, row.id, *more])


def text_of(answer: Any) -> str:
    return answer.content.decode()  # type: ignore[no-any-return]


PAGES = ("audience", "audience-members", "audience-sync", "audience-settings", "audience-edit")


@pytest.mark.parametrize("name", PAGES)
def test_what_people_wrote_is_text(client_of: Any, row: Computation, stored: Store, name: str) -> None:
    computations.change(Actor(row.space.workspace, None, HTML), row, definition={"event": HTML})
    stored.members(row.key, stored.person("user_id:evil", f"email:{HTML}"))
    page = text_of(client_of("owner").get(at(row, name), {"person": "evil"}))
    assert ("alert(1)" in page, "<script>alert" in page) == (True, False)


def test_the_overview_says_how_large_it_is_and_what_it_means(
    client_of: Any, row: Computation, stored: Store
) -> None:
    page = text_of(client_of("viewer").get(at(row)))
    assert '<dd title="60">60</dd>' in page
    assert "Order Completed at least once within 30 days" in page
    assert 'aria-label="67 people entered and 7 left in 30 days"' in page
    assert ": 5 entered, 7 left, 60 in it" in page
    assert "Members</a>" not in page
    assert "Edit definition" not in page


def test_the_overview_says_why_it_is_not_computed(client_of: Any, row: Computation, actor: Actor) -> None:
    client = client_of("editor")
    assert "It is computed for everybody who is known." in text_of(client.get(at(row)))
    other = Store(settings.CONFIG.home, actor.workspace.id)
    other.computed(row.key, state=store.FAILED, error="It takes too long.")
    page = text_of(client.get(at(row)))
    assert "<strong>It cannot be computed.</strong> It takes too long." in page
    assert "Change the definition: then it is tried again." in page
    other.close()
    computations.change(actor, row, enabled=False)
    assert "This audience is disabled." in text_of(client.get(at(row)))


def test_members_are_for_editors(client_of: Any, row: Computation, stored: Store) -> None:
    assert client_of("viewer").get(at(row, "audience-members")).status_code == 403
    assert client_of("viewer").post(at(row, "audience-export")).status_code == 403
    assert client_of("outsider").get(at(row, "audience-members")).status_code == 404


def test_members_come_in_pages_and_by_a_search(client_of: Any, row: Computation, stored: Store) -> None:
    client, page = client_of("editor"), at(row, "audience-members")
    first = text_of(client.get(page))
    assert ("u000@example.com" in first, "u049@" in first, "u050@" in first) == (True, True, False)
    after = first.partition("?after=")[2].partition('"')[0]
    second = text_of(client.get(page, {"after": after}))
    assert ("u049@" in second, "u050@" in second, "First page" in second) == (False, True, True)
    found = text_of(client.get(page, {"q": "u01"}))
    assert found.count("@example.com</div>") == 10
    assert "begins so" in text_of(client.get(page, {"q": "zz"}))
    assert client.get(page, {"after": "x", "q": "\0"}).status_code == 200


def test_one_person_is_explained(client_of: Any, row: Computation, stored: Store) -> None:
    client, page = client_of("editor"), at(row, "audience-members")
    assert "Yes u001 · u001@" in visible_text(text_of(client.get(page, {"person": "u001@example.com"})))
    no = text_of(client.get(page, {"person": "nobody"}))
    assert "No nobody" in visible_text(no)
    assert "Order Completed at least once within 30 days" in no
    assert "Engage knows nobody of this name." in text_of(client.get(page, {"person": "zoe"}))


def test_an_export_is_a_file_and_in_the_audit_log(client_of: Any, row: Computation, stored: Store) -> None:
    answer = client_of("editor").post(at(row, "audience-export"))
    assert answer.headers["content-disposition"] == f'attachment; filename="{row.key}.csv"'
    lines = list(csv.reader(b"".join(answer.streaming_content).decode("utf-8-sig").splitlines()))
    assert [line[1] for line in lines] == ["user_id", *(f"u{number:03}" for number in range(60))]
    entry = AuditEntry.objects.get(action="audience.exported")
    assert (entry.who, entry.details) == ("emil@example.com", {"format": "csv", "members": 60})


def test_an_audience_is_activated_and_deactivated(
    client_of: Any, row: Computation, stored: Store, there: Destination
) -> None:
    client = client_of("editor")
    assert "Choose where it is sent" in text_of(client.get(at(row, "audience-sync")))
    page = text_of(client.get(at(row, "audience-activate", there.id)))
    assert "Activate at There" in page
    assert '<dd>60 <span class="quiet">' not in page
    assert "no contacts" not in page
    answer = client.post(at(row, "audience-activate", there.id))
    assert answer.headers["location"] == at(row, "audience-sync")
    assert Activation.objects.get().destination == there
    stored.connection.execute(
        "INSERT INTO first_sync (key, destination, began_at, people) VALUES (?, ?, ?, 60)",
        (row.key, there.id, stored.now),
    )
    stored.connection.execute(
        "INSERT INTO sync_run (key, destination, place, resends, is_last) VALUES (?, ?, 20, 0, 0)",
        (row.key, there.id),
    )
    page = text_of(client_of("viewer").get(at(row, "audience-sync")))
    assert "First sync: 20 of 60 people sent." in page
    assert "Deactivate" not in page.partition("Deactivating ends")[0]
    client.post(at(row, "audience-deactivate", there.id))
    assert not Activation.objects.exists()


def test_the_chosen_destinations_are_activated_one_after_the_other(
    client_of: Any, row: Computation, there: Destination, event_log: SqliteEventLog, actor: Actor
) -> None:
    other = new_destinations.add(
        event_log, actor.workspace, "segment", "Elsewhere", {"writeKey": "l"}, sources=[]
    )
    client = client_of("editor")
    form = {
        "name": "New",
        "do": "create",
        "c.kind": "group",
        "c-0.kind": "event",
        "c-0.first.event": "A",
        "c-0.count": "1",
        "destinations": [there.id, other.id],
    }
    answer = client.post(reverse("audience-new", args=[actor.workspace.id]), form)
    new = Computation.objects.get(key="new")
    first = f"{at(new, 'audience-activate', other.id)}?next={there.id}"
    assert answer.headers["location"] == first
    assert client.post(first).headers["location"] == at(new, "audience-activate", there.id)
    assert (
        client.post(f"{first}&next=999")
        .headers["location"]
        .startswith(at(new, "audience-activate", there.id))
    )


def test_a_mailjet_account_is_sent_a_property_and_a_list(
    client_of: Any, row: Computation, stored: Store, mailjet: Destination, sandbox: str
) -> None:
    client, here = client_of("editor"), at(row, "audience-activate", mailjet.id)
    page = text_of(client.get(here))
    assert 'value="add" checked' in page, "nothing but Engage is connected"
    assert "<dt>No contacts there yet</dt><dd>60</dd>" in collapsed(page)
    assert "<dt>Not on its list yet</dt><dd>60 <" in collapsed(page)
    answer = client.post(here, {"members": "property", "has_list": "yes", "list": "yes"})
    assert answer.status_code == 302
    activation = Activation.objects.get()
    assert activation.adds_members is False
    assert activation.list_id in {
        contacts_list.id for contacts_list in MailjetClient(sandbox, "public", "private").contactslists()
    }
    page = text_of(client.get(here))
    assert 'value="property" checked' in page
    assert f"It is list {activation.list_id}." in page
    client.post(here, {"members": "add", "has_list": "yes"})
    activation.refresh_from_db()
    assert (activation.adds_members, activation.list_id) == (True, None)


def test_a_key_that_means_something_there_is_refused(
    client_of: Any, actor: Actor, mailjet: Destination, sandbox: str
) -> None:
    MailjetClient(sandbox, "public", "private").create_contactmetadata("taken", "int")
    row = computations.create(actor, ComputationClass.AUDIENCE, "Taken", ORDERED).row
    client = client_of("editor")
    assert "taken cannot be sent to Mailjet" in text_of(client.get(at(row, "audience-activate", mailjet.id)))
    answer = client.post(at(row, "audience-activate", mailjet.id))
    assert (answer.status_code, "taken cannot be sent to Mailjet" in text_of(answer)) == (422, True)
    form = {
        "name": "Email",
        "do": "create",
        "c.kind": "group",
        "c-0.kind": "event",
        "destinations": mailjet.id,
    }
    refused = client.post(reverse("audience-new", args=[actor.workspace.id]), form)
    assert (refused.status_code, "email cannot be sent to Mailjet" in text_of(refused)) == (422, True)
    assert Computation.objects.count() == 1


def test_the_settings_change_name_and_state_and_tell_the_history(
    client_of: Any, row: Computation, actor: Actor
) -> None:
    computations.change(actor, row, definition={"event": "Refunded"})
    client, page = client_of("editor"), at(row, "audience-settings")
    shown = text_of(client_of("viewer").get(page))
    assert shown.index("Refunded at least once") < shown.index("Order Completed at least once within 30 days")
    assert shown.count("emil@example.com</td>") == 2
    assert client.post(page, {"name": "Buyers"}).status_code == 302
    assert client.post(page, {"name": " "}).status_code == 422
    assert client.post(page, {"enabled": "no"}).status_code == 302
    row.refresh_from_db()
    assert (row.name, row.enabled, row.key.startswith("ordered")) == ("Buyers", False, True)
    client.post(page, {"enabled": "yes"})
    row.refresh_from_db()
    assert row.enabled


def test_an_audience_is_deleted_by_its_name(client_of: Any, row: Computation, actor: Actor) -> None:
    client, page = client_of("editor"), at(row, "audience-delete")
    used = computations.create(actor, ComputationClass.AUDIENCE, "Uses it", {"audience": row.key}).row
    for form, words in (
        ({"members": "keep", "typed": "Ordered"}, "Type the name as it is"),
        ({"members": "keep", "typed": row.name}, "is in the definition of Uses it"),
        ({"members": "nobody", "typed": row.name}, "Delete for good"),
    ):
        answer = client.post(page, form)
        assert (answer.status_code, words in text_of(answer)) == (422, True), words
    computations.delete(actor, used)
    answer = client.post(page, {"members": "false", "typed": row.name})
    assert answer.headers["location"] == reverse("audiences", args=[actor.workspace.id])
    row.refresh_from_db()
    assert (row.deleted_at is not None, row.clears_members) == (True, True)
    assert client.get(at(row)).status_code == 404
