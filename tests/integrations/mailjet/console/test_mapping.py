"""The Mapping tab: rows, text, and the preview of what is typed so far."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from tests.pages import collapsed

from jetbridge.control.models import Destination
from jetbridge.control.people import AuditEntry
from jetbridge.errors import TransientError
from jetbridge.eventlog.base import Entry
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet import accounts
from jetbridge.integrations.mailjet.models import TraitName
from jetbridge.integrations.mailjet.sync import preview
from jetbridge.services import new_destinations
from jetbridge.spec.message import Message, encode

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TRAITS = {"email": "ada@example.com", "firstName": "Ada", "plan": "pro", "Plan": 1, "secret": "x"}


class Types:
    """In place of Mailjet's Datatypes; `trouble` instead, if there is some."""

    trouble: Exception | None = None

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def contactmetadata(self) -> dict[str, str]:
        if Types.trouble:
            raise Types.trouble
        return {"plan": "str"}


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview, "MailjetClient", Types)
    monkeypatch.setattr(Types, "trouble", None)
    preview._property_types.clear()


@pytest.fixture
def row(people: Any, event_log: SqliteEventLog) -> Destination:
    account = accounts.add_account(people.workspace, "http://127.0.0.1:1", "public", "private")
    connection = accounts.connect_list(account, 7, "Customers")
    source = people.workspace.sources.create(kind="http", name="Website")
    values = {"apiKey": connection.authentication_key, "listId": "7"}
    row = new_destinations.add(event_log, people.workspace, "mailjet", "Shop", values, sources=[source])
    for trait in TRAITS:
        TraitName.objects.create(destination_id=row.id, trait=trait, property=trait.lower())
    return row


@pytest.fixture
def editor(client_of: Callable[[str], Client]) -> Client:
    return client_of("editor")


def send(event_log: SqliteEventLog, source: int, traits: dict[str, Any], **fields: Any) -> int:
    fields = {"type": "identify", "user_id": "u1", **fields}
    message = Message(message_id="m", timestamp=NOW, received_at=NOW, traits=traits, **fields)
    event_log.append([Entry(source, message.type, 1_000, encode(message))])
    return event_log.counts().end


def url(row: Destination, name: str = "destination-mapping") -> str:
    return reverse(name, args=[row.workspace_id, row.id])


def rows(answer: Any) -> dict[str, tuple[str, bool]]:
    return {each.trait: (each.property, each.sends) for each in answer.context["table"].rows}


def form(**changed: str | None) -> dict[str, Any]:
    """The table as a browser sends it, some rows changed; None: not sent."""
    names = {"Plan": "plan", "firstName": "firstname", "plan": "plan", "secret": "secret", **changed}
    return {
        "form": "rows",
        "trait": list(names),
        "property": [name or "" for name in names.values()],
        "sends": [trait for trait, name in names.items() if name is not None],
    }


def test_every_trait_that_was_seen_or_is_named_has_a_row(row: Destination, editor: Client) -> None:
    row.settings["mapping"] = "secret =\nfuture = tomorrow"
    row.save()
    answer = editor.get(url(row))
    assert rows(answer) == {
        "Plan": ("plan", True),
        "email": ("", False),
        "firstName": ("firstname", True),
        "future": ("tomorrow", True),
        "plan": ("plan", True),
        "secret": ("secret", False),
    }
    page = collapsed(answer.content.decode())
    assert "not seen yet" in page
    assert "the last value wins" in page


def test_traits_are_searched_and_come_in_pages(row: Destination, editor: Client) -> None:
    TraitName.objects.bulk_create(
        TraitName(destination_id=row.id, trait=f"t{number:03}", property="p") for number in range(150)
    )
    first = editor.get(url(row), {"q": "t0"})
    assert list(rows(first)) == [f"t{number:03}" for number in range(100)]
    assert first.context["table"].after == ""
    every = editor.get(url(row), {"q": "t"})
    assert every.context["table"].after
    after = editor.get(url(row), {"q": "t", "after": every.context["table"].after})
    assert list(rows(every) | rows(after)) == sorted(list(rows(every)) + list(rows(after)))


def test_rows_are_renamed_blocked_and_added(row: Destination, editor: Client) -> None:
    changed = form(firstName="first_name", secret=None) | {"new_trait": "age", "new_property": "years"}
    assert editor.post(url(row), changed).status_code == 302
    row.refresh_from_db()
    assert row.settings["mapping"] == "firstName = first_name\nsecret =\nage = years"
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.thing) == ("destination.changed", "Shop")


def test_a_table_that_was_not_changed_changes_nothing(row: Destination, editor: Client) -> None:
    row.settings["mapping"] = "# kept\nfirstname   = x"
    row.save()
    editor.post(url(row), form())
    row.refresh_from_db()
    assert row.settings["mapping"] == "# kept\nfirstname   = x"
    assert not AuditEntry.objects.exists()


def test_two_pages_at_once_change_what_was_changed_on_them(row: Destination, editor: Client) -> None:
    opened = {each.trait: each.was for each in editor.get(url(row)).context["table"].rows}
    was = [opened[trait] for trait in form()["trait"]]
    editor.post(url(row), form(firstName="first_name") | {"was": was})
    editor.post(url(row), form(secret=None) | {"was": was})
    row.refresh_from_db()
    assert row.settings["mapping"] == "firstName = first_name\nsecret ="


def test_only_listed_traits_are_sent_once_that_is_chosen(row: Destination, editor: Client) -> None:
    editor.post(url(row), {"form": "properties", "properties": "listed"})
    assert set(rows(editor.get(url(row))).values()) == {
        ("plan", False),
        ("", False),
        ("firstname", False),
        ("secret", False),
    }
    editor.post(url(row), form(Plan=None, plan="plan", firstName=None, secret=None))
    row.refresh_from_db()
    assert row.settings == {"listId": "7", "properties": "listed", "mapping": "plan"}


def test_the_text_stays_available_and_what_is_wrong_is_said_with_its_line(
    row: Destination, editor: Client
) -> None:
    editor.post(url(row), {"form": "text", "mapping": "plan = tariff\r\n# why\r\n"})
    row.refresh_from_db()
    assert row.settings["mapping"] == "plan = tariff\n# why"
    answer = editor.post(url(row), {"form": "text", "mapping": "= x"})
    assert answer.status_code == 422
    assert "Line 1: no trait stands before the =" in answer.content.decode()
    assert "= x</textarea>" in answer.content.decode()


@pytest.mark.parametrize("bad", ["a=b", "a #b"])
def test_a_trait_that_no_line_can_name_is_refused_and_all_stays_typed(
    row: Destination, editor: Client, bad: str
) -> None:
    typed = form(firstName="first_name", secret=None) | {"new_trait": bad, "new_property": "x"}
    answer = editor.post(url(row), typed)
    assert answer.status_code == 422
    assert rows(answer)["firstName"] == ("first_name", True)
    assert rows(answer)["secret"] == ("", False)
    assert f'value="{bad}"' in answer.content.decode()
    row.refresh_from_db()
    assert "mapping" not in row.settings


def test_a_mapping_that_got_in_wrong_can_still_be_mended(row: Destination, editor: Client) -> None:
    row.settings["mapping"] = "= x"
    row.save()
    page = editor.get(url(row)).content.decode()
    assert "Line 1: no trait stands before the =" in page
    assert "Save text" in page


class TestPreview:
    @pytest.fixture
    def position(self, row: Destination, event_log: SqliteEventLog) -> int:
        return send(event_log, row.sources.get().id, TRAITS)

    def look(self, editor: Client, row: Destination, position: int, **typed: Any) -> Any:
        typed = typed or form(firstName="given")
        return editor.post(url(row, "destination-mapping-preview"), {**typed, "position": position})

    def traits(self, answer: Any) -> dict[str, str | None]:
        return {each.trait: each.property for each in answer.context["previewed"].preview.traits}

    def test_the_newest_identify_is_shown(self, row: Destination, editor: Client, position: int) -> None:
        answer = editor.get(url(row))
        assert [each.record.position for each in answer.context["recent"]] == [position]
        assert answer.context["previewed"] is None  # Mailjet may let wait: the page asks for it by itself
        assert 'hx-get="?preview=1"' in answer.content.decode()
        page = editor.get(url(row), {"preview": "1"}).content.decode()
        assert "<dd>ada@example.com" in page
        assert "would both go here" not in page

    def test_what_is_typed_is_previewed_and_not_saved(
        self, row: Destination, editor: Client, position: int
    ) -> None:
        answer = self.look(editor, row, position)
        assert self.traits(answer)["firstName"] == "given"
        text = self.look(editor, row, position, form="text", mapping="plan = tariff")
        assert self.traits(text)["plan"] == "tariff"
        row.refresh_from_db()
        assert "mapping" not in row.settings

    def test_a_mistake_is_said_where_the_preview_was(
        self, row: Destination, editor: Client, position: int
    ) -> None:
        answer = self.look(editor, row, position, form="text", mapping="a = b = c")
        assert "Line 1: there is more than one =" in answer.content.decode()

    def test_without_mailjet_it_does_without_datatypes(
        self, row: Destination, editor: Client, position: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Types, "trouble", TransientError("NO_ANSWER", "Mailjet did not answer."))
        page = self.look(editor, row, position).content.decode()
        assert "Datatypes are not shown: Mailjet did not answer." in page
        assert "given" in page

    def test_messages_of_other_sources_are_not_shown(
        self, row: Destination, editor: Client, people: Any, event_log: SqliteEventLog
    ) -> None:
        theirs = people.elsewhere.sources.create(kind="http", name="Theirs")
        position = send(event_log, theirs.id, {"email": "eve@example.com"})
        assert self.look(editor, row, position).context["previewed"].message is None
        assert "eve@example.com" not in editor.get(url(row)).content.decode()

    def test_what_is_no_position_is_no_message(self, row: Destination, editor: Client) -> None:
        for wrong in ("", "x", "-1", "9" * 30):
            answer = editor.post(url(row, "destination-mapping-preview"), {**form(), "position": wrong})
            assert answer.context["previewed"].message is None


def test_a_viewer_reads_the_mapping(row: Destination, client_of: Any) -> None:
    page = client_of("viewer").get(url(row)).content.decode()
    assert "firstname" in page
    assert "Save" not in page


def test_a_viewer_looks_at_a_message_of_their_choice(
    row: Destination, client_of: Any, event_log: SqliteEventLog
) -> None:
    source = row.sources.get().id
    first = send(event_log, source, {"email": "eve@example.com"})
    send(event_log, source, TRAITS)
    answer = client_of("viewer").get(url(row), {"preview": "1", "position": first})
    assert answer.context["previewed"].preview.email == "eve@example.com"
    assert f'<option value="{first}" selected>' in collapsed(answer.content.decode())


def test_only_mailjet_destinations_have_a_mapping(people: Any, editor: Client) -> None:
    other = people.workspace.destinations.create(
        kind="segment", name="S", secrets=json.dumps({"writeKey": "k"})
    )
    assert editor.get(url(other)).status_code == 404
