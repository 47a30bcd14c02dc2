"""The catalogue, and adding a destination: the page confirms what key and list mean, saves, and audits."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from jetbridge.control.models import AppConnection, Destination, Workspace
from jetbridge.control.people import AuditEntry
from jetbridge.delivery import ledger
from jetbridge.delivery.models import destination_consumer
from jetbridge.errors import TransientError
from jetbridge.integrations import registry
from jetbridge.integrations.mailjet import accounts, settings_check
from jetbridge.integrations.mailjet.api.resources import ContactsList
from jetbridge.routing.filters import parse_filters

LISTS = {
    7: ContactsList(id=7, name="Customers", subscriber_count=2),
    8: ContactsList(id=8, name="Newsletter", subscriber_count=1),
    9: ContactsList(id=9, name="Old", is_deleted=True),
}


class Mailjet:
    """In place of the client: lists, or the trouble that there is."""

    trouble: Exception | None = None

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def contactslist(self, list_id: int) -> ContactsList | None:
        if Mailjet.trouble:
            raise Mailjet.trouble
        return LISTS.get(list_id)

    def contactslists(self) -> list[ContactsList]:
        return [row for row in LISTS.values() if not row.is_deleted]


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings_check, "MailjetClient", Mailjet)
    monkeypatch.setattr(Mailjet, "trouble", None)


@pytest.fixture
def connection(people: Any) -> AppConnection:
    account = accounts.add_account(people.workspace, "http://127.0.0.1:1", "public", "private")
    return accounts.connect_list(account, 7, "Customers")


@pytest.fixture
def editor(client_of: Callable[[str], Client]) -> Client:
    return client_of("editor")


def url(people: Any, name: str = "destination-new", kind: str = "mailjet") -> str:
    return reverse(name, args=[people.workspace.id, kind])


def typed(connection: AppConnection, **values: Any) -> dict[str, Any]:
    return {
        "apiKey": connection.authentication_key,
        "listId": "7",
        "name": "Shop",
        "sources": [connection.source_id],
        **values,
    }


def test_the_catalogue_has_every_kind_and_finds_it_by_what_it_accepts(people: Any, editor: Client) -> None:
    page = reverse("destination-catalog", args=[people.workspace.id])
    kinds = lambda query: [tile.integration.kind for tile in editor.get(page, {"q": query}).context["tiles"]]  # noqa: E731
    assert sorted(kinds("")) == sorted(registry.destinations())
    assert {kind for kind, each in registry.destinations().items() if "track" in each.accepts} <= {
        *kinds("track")
    }
    assert (kinds("MAIL list"), "mailjet" in kinds("track"), kinds("fax")) == (["mailjet"], False, [])


def test_app_connections_are_offered_the_unused_one_first(
    people: Any, editor: Client, connection: AppConnection
) -> None:
    assert editor.post(url(people), typed(connection)).status_code == 302
    second = accounts.connect_list(connection.account, 8, "Newsletter")
    form = editor.get(url(people)).context["form"]
    offered = [
        (str(second.id), "Newsletter (List ID 8)"),
        (str(connection.id), "Customers (List ID 7)"),
        ("", "Another"),
    ]
    choices = form.fields["preset"].choices
    assert [
        (key, label[: len(start)]) for (key, label), (_, start) in zip(choices, offered, strict=True)
    ] == offered
    assert form["preset"].initial == str(second.id)
    assert editor.get(url(people), {"preset": connection.id}).context["form"]["preset"].initial == str(
        connection.id
    )
    values = {"preset": second.id, "name": "News", "apiKey": "of nobody", "listId": "1"}
    page = editor.post(url(people, "destination-new-confirm"), values).content.decode()
    assert "list 8 Newsletter" in page
    assert editor.post(url(people), values).status_code == 302
    row = Destination.objects.get(name="News")
    assert (row.settings["listId"], json.loads(row.secrets)) == ("8", {"apiKey": second.authentication_key})


def test_where_the_list_of_the_chosen_app_connection_is_gone_nothing_is_suggested_to_enter(
    people: Any, editor: Client, connection: AppConnection
) -> None:
    accounts.choose_list(connection, 9, "Old")
    page = editor.post(url(people, "destination-new-confirm"), {"preset": connection.id}).content.decode()
    assert "Key and list don't match." in page
    assert "data-fill" not in page


def test_an_app_connection_of_another_workspace_is_no_choice(
    people: Any, client_of: Any, editor: Client, connection: AppConnection
) -> None:
    other = Workspace.objects.create(name="Other")
    theirs = accounts.connect_list(accounts.add_account(other, "http://127.0.0.1:1", "p", "s"), 8, "Theirs")
    page = editor.get(url(people)).content.decode()
    assert "Theirs" not in page
    assert theirs.authentication_key not in page
    assert connection.authentication_key not in page
    answer = editor.post(url(people), {"preset": theirs.id, "name": "Stolen"})
    assert (answer.status_code, Destination.objects.count()) == (422, 0)


def test_without_an_app_connection_the_form_says_what_to_do_first(people: Any, editor: Client) -> None:
    assert "There is no app connection yet" in editor.get(url(people)).content.decode()


def test_a_viewer_sees_the_catalogue_and_opens_nothing(people: Any, client_of: Any) -> None:
    viewer = client_of("viewer")
    page = viewer.get(reverse("destination-catalog", args=[people.workspace.id])).content.decode()
    assert "Contacts of a Mailjet list" in page
    assert url(people) not in page
    assert viewer.get(url(people)).status_code == 403


def test_an_unknown_kind_is_not_found(people: Any, editor: Client) -> None:
    assert editor.get(url(people, kind="fax")).status_code == 404


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("right", "7"), (True, "Mailjet account public, list 7 Customers, 2 subscribers.")),
        (
            ("right", "8"),
            (None, "list 8 Newsletter, 1 subscriber; but the app connection of this key is for list 7"),
        ),
        (("right", "9"), (False, "has no contacts list 9. Its app connection is for list 7 Customers.")),
        (("right", "10"), (False, "has no contacts list 10.")),
        (("right", ""), (None, "Its app connection is for list 7 Customers.")),
        (("right", "x"), (False, "&#x27;x&#x27; is no Mailjet list ID.")),
        (("wrong", "7"), (False, "The Authentication key belongs to no app connection here.")),
    ],
)
def test_the_page_says_what_key_and_list_mean(
    people: Any, editor: Client, connection: AppConnection, given: tuple[str, str], expected: tuple[Any, str]
) -> None:
    (key, list_id), (fits, sentence) = given, expected
    values = {"apiKey": connection.authentication_key if key == "right" else "wrong", "listId": list_id}
    answer = editor.post(url(people, "destination-new-confirm"), values)
    assert answer.context["confirmation"].fits is fits
    assert sentence in answer.content.decode()


def test_where_the_list_of_the_app_connection_is_gone_those_that_are_there_are_offered(
    people: Any, editor: Client
) -> None:
    account = accounts.add_account(people.workspace, "http://127.0.0.1:1", "public", "private")
    gone = accounts.connect_list(account, 9, "Old")
    answer = editor.post(url(people, "destination-new-confirm"), typed(gone, listId="9"))
    text = answer.content.decode()
    assert "has no contacts list 9." in text
    assert "Use 8 Newsletter" in text
    assert "Use 7 Customers" in text
    assert "Its app connection is for" not in text


def test_without_a_key_there_is_nothing_to_say(people: Any, editor: Client) -> None:
    answer = editor.post(url(people, "destination-new-confirm"), {"listId": "7"})
    assert answer.context["confirmation"] is None


def test_the_key_of_another_workspace_means_nothing_here(
    people: Any, client_of: Any, connection: AppConnection
) -> None:
    page = reverse("destination-new-confirm", args=[people.elsewhere.id, "mailjet"])
    answer = client_of("outsider").post(page, typed(connection))
    assert answer.context["confirmation"].fits is False
    assert "Customers" not in answer.content.decode()


def test_when_mailjet_does_not_answer_what_we_know_ourselves_is_said(
    people: Any, editor: Client, connection: AppConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Mailjet, "trouble", TransientError("NO_ANSWER", "Mailjet did not answer."))
    answer = editor.post(url(people, "destination-new-confirm"), typed(connection))
    assert answer.context["confirmation"].fits is None
    assert "list 7 Customers. Mailjet could not be read: Mailjet did not answer." in answer.content.decode()
    other = editor.post(url(people, "destination-new-confirm"), typed(connection, listId="8"))
    assert other.context["confirmation"].fits is None  # nobody knows


def test_it_is_saved_disabled_with_a_reader_and_an_audit_entry(
    people: Any, editor: Client, connection: AppConnection
) -> None:
    answer = editor.post(url(people), typed(connection, mapping="plan = tariff"))
    row = Destination.objects.get()
    assert answer.headers["location"] == reverse("destination-settings", args=[people.workspace.id, row.id])
    assert (row.name, row.kind, row.enabled) == ("Shop", "mailjet", False)
    assert row.settings == {"listId": "7", "mapping": "plan = tariff"}
    assert json.loads(row.secrets) == {"apiKey": connection.authentication_key}
    assert [each.id for each in row.sources.all()] == [connection.source_id]
    assert ledger.position(destination_consumer(row.id)) == 0
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.thing, entry.thing_id) == ("destination.added", "Shop", row.id)
    assert connection.authentication_key not in json.dumps(entry.details)


STAFF = {
    "filter_name": "No staff",
    "match": "all",
    "enabled": "yes",
    "field": ["traits.staff", ""],
    "operator": ["is true", "is"],
    "value": ["", ""],
}


def test_a_filter_is_saved_with_it(people: Any, editor: Client, connection: AppConnection) -> None:
    assert editor.post(url(people), typed(connection, **STAFF)).status_code == 302
    (row,) = parse_filters(Destination.objects.get().settings["filters"])
    assert (row.name, row.enabled, row.condition) == ("No staff", True, "traits.staff = true")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"filter_name": ""}, "Give the filter a name."),
        ({"operator": ["is greater than", "is"]}, "is no number"),
        ({"field": ["", ""]}, "A filter needs a condition"),
    ],
)
def test_a_filter_that_is_none_is_refused_and_stays_typed(
    people: Any, editor: Client, connection: AppConnection, wrong: dict[str, Any], sentence: str
) -> None:
    answer = editor.post(url(people), typed(connection, **{**STAFF, **wrong}))
    page = answer.content.decode()
    assert (answer.status_code, Destination.objects.count()) == (422, 0)
    assert sentence in page
    for kept in ("No staff" if "filter_name" not in wrong else "traits.staff",):
        assert f'value="{kept}"' in page


def test_conditions_come_and_go_without_anything_being_saved(people: Any, editor: Client) -> None:
    part = url(people, "destination-new-filter")
    more = editor.post(part, {**STAFF, "more": "yes"}).content.decode()
    assert ("Field 3" in more, "</html>" in more) == (True, False)
    less = editor.post(part, {**STAFF, "less": "0"}).content.decode()
    assert ("Field 2" in less, "traits.staff" in less) == (False, False)
    assert not Destination.objects.exists()


def test_the_slide_out_is_sent_on_by_htmx(people: Any, editor: Client, connection: AppConnection) -> None:
    answer = editor.post(url(people), typed(connection), headers={"HX-Request": "true"})
    assert answer.headers["HX-Redirect"].endswith("/settings/")


def test_a_pair_that_does_not_fit_is_saved_only_when_said_twice(
    people: Any, editor: Client, connection: AppConnection
) -> None:
    answer = editor.post(url(people), typed(connection, listId="10"))
    assert (answer.status_code, Destination.objects.count()) == (422, 0)
    assert "Save anyway" in answer.content.decode()
    assert editor.post(url(people), typed(connection, listId="10", anyway="yes")).status_code == 302


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"apiKey": ""}, "Authentication key is needed."),
        ({"listId": ""}, "List ID is needed."),
        ({"apiKey": "x"}, "belongs to no app connection here"),
        ({"mapping": "= x"}, "Line 1: no trait stands before the ="),
        ({"name": ""}, "This field is required."),
        ({"sources": ["999999"]}, "999999 is not one of the available choices"),
    ],
)
def test_what_is_wrong_stands_at_its_field_and_nothing_is_saved(
    people: Any, editor: Client, connection: AppConnection, wrong: dict[str, Any], sentence: str
) -> None:
    answer = editor.post(url(people), typed(connection, **wrong))
    assert (answer.status_code, Destination.objects.count()) == (422, 0)
    text = answer.content.decode()
    assert sentence in text
    assert connection.authentication_key not in text


def test_the_name_that_is_offered_is_free_and_one_that_is_taken_is_refused(
    people: Any, editor: Client, connection: AppConnection
) -> None:
    people.workspace.destinations.create(kind="mailjet", name="Mailjet", enabled=False)
    assert 'value="Mailjet 2"' in editor.get(url(people)).content.decode()
    answer = editor.post(url(people), typed(connection, name="Mailjet"))
    assert (answer.status_code, Destination.objects.count()) == (422, 1)
    assert "Another destination is named Mailjet." in answer.content.decode()


def test_sources_that_bring_nothing_it_accepts_are_not_offered(
    people: Any, editor: Client, connection: AppConnection
) -> None:
    people.workspace.sources.create(kind="http", name="Website")
    offered = lambda kind: [  # noqa: E731
        label for _, label in editor.get(url(people, kind=kind)).context["form"].fields["sources"].choices
    ]
    assert offered("mailjet") == ["Website", "Segment workspace (Customers)"]
    assert offered("segment") == ["Website", "Mailjet events", "Segment workspace (Customers)"]
    suggested = editor.get(url(people, kind="segment")).context["form"].initial["sources"]
    assert suggested == [connection.account.event_source_id]
