"""The Event Tester: loaded, pasted, tried, and sent only when that was confirmed."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from tests.pages import collapsed

from jetbridge.control.models import Destination, Source
from jetbridge.control.people import AuditEntry
from jetbridge.errors import TransientError
from jetbridge.eventlog.base import Entry
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.mailjet import accounts
from jetbridge.integrations.mailjet.contacts import state
from jetbridge.integrations.mailjet.contacts.state import Desired
from jetbridge.integrations.mailjet.models import Contact
from jetbridge.integrations.mailjet.sync import preview
from jetbridge.services import new_destinations
from jetbridge.spec.message import Message, decode, encode

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CALL = {"type": "identify", "userId": "u1", "traits": {"email": "ada@example.com", "plan": "pro"}}


class Types:
    """In place of Mailjet's Datatypes, or the trouble that there is."""

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
def source(people: Any) -> Source:
    source: Source = people.workspace.sources.create(kind="http", name="Website")
    return source


@pytest.fixture
def row(people: Any, event_log: SqliteEventLog, source: Source) -> Destination:
    account = accounts.add_account(people.workspace, "http://127.0.0.1:1", "public", "private")
    connection = accounts.connect_list(account, 7, "Customers")
    values = {"apiKey": connection.authentication_key, "listId": "7"}
    return new_destinations.add(event_log, people.workspace, "mailjet", "Shop", values, sources=[source])


@pytest.fixture
def editor(client_of: Callable[[str], Client]) -> Client:
    return client_of("editor")


def url(row: Destination, name: str = "destination-tester") -> str:
    return reverse(name, args=[row.workspace_id, row.id])


def log(event_log: SqliteEventLog, source: int, message_id: str, **fields: Any) -> int:
    fields = {"type": "identify", "user_id": "u1", "traits": CALL["traits"], **fields}
    message = Message(message_id=message_id, timestamp=NOW, received_at=NOW, **fields)
    event_log.append([Entry(source, message.type, 1_000, encode(message))])
    return event_log.counts().end


def tried(editor: Client, row: Destination, **call: Any) -> Any:
    return editor.post(url(row), {"text": json.dumps({**CALL, **call})}).context["tested"]


def test_without_messages_it_says_what_to_paste(row: Destination, editor: Client) -> None:
    assert "Nothing to test yet" in editor.get(url(row)).content.decode()


def test_without_a_source_it_says_so(row: Destination, editor: Client) -> None:
    row.sources.clear()
    assert "This destination has no source" in editor.get(url(row)).content.decode()


def test_the_newest_message_is_loaded_and_tried(
    row: Destination, editor: Client, source: Source, event_log: SqliteEventLog
) -> None:
    log(event_log, source.id, "m-1")
    newest = log(event_log, source.id, "m-2", settings={"apiKey": "in confidence"})
    answer = editor.get(url(row))
    assert answer.context["sample"].record.position == newest
    assert "m-2" in answer.context["text"]
    assert "in confidence" not in answer.content.decode()
    assert answer.context["tested"] is None  # Mailjet may let wait: the page asks for it by itself
    assert 'hx-get="' + url(row) + '?tested=1"' in answer.content.decode()
    tried = editor.get(url(row), {"tested": "1"})
    assert tried.context["tested"].preview.detail.email == "ada@example.com"
    assert 'hx-trigger="load"' not in tried.content.decode()


def test_a_message_is_loaded_by_place_and_by_message_id(
    row: Destination, editor: Client, source: Source, event_log: SqliteEventLog
) -> None:
    first = log(event_log, source.id, "m-1")
    log(event_log, source.id, "m-2")
    for query in ({"position": first}, {"message_id": "m-1"}):
        assert editor.get(url(row), query).context["sample"].record.position == first
    missing = editor.get(url(row), {"message_id": "m-3"})
    assert "has the messageId m-3" in missing.content.decode()
    assert missing.context["tested"] is None


def test_messages_of_another_workspace_are_not_loaded(
    row: Destination, editor: Client, people: Any, event_log: SqliteEventLog
) -> None:
    theirs = people.elsewhere.sources.create(kind="http", name="Theirs")
    position = log(event_log, theirs.id, "m-1", traits={"email": "eve@example.com"})
    for query in ({}, {"position": position}, {"message_id": "m-1"}):
        assert "eve@example.com" not in editor.get(url(row), query).content.decode()


def test_what_is_pasted_is_tried_and_changes_nothing(
    row: Destination, editor: Client, event_log: SqliteEventLog
) -> None:
    tested = tried(editor, row)
    assert [step.passed for step in tested.steps] == [True] * 5
    assert [(each.trait, each.state) for each in tested.preview.detail.traits][1] == ("plan", "sent")
    address, _, body = tested.preview.request.partition("\n\n")
    assert address == "POST http://127.0.0.1:1/v3/REST/contactslist/7/managecontact"
    assert json.loads(body)["Properties"] == {"plan": "pro"}
    assert event_log.counts().end == 0


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ({"type": "track", "event": "Order Completed"}, "UNSUPPORTED_EVENT_TYPE"),
        ({"integrations": {"Mailjet": False}}, "FILTERED_BY_INTEGRATIONS_OBJECT"),
    ],
)
def test_where_it_stops_is_said_and_no_contact_is_shown(
    row: Destination, editor: Client, call: dict[str, Any], code: str
) -> None:
    tested = tried(editor, row, **call)
    assert [step.code for step in tested.steps if step.passed is False] == [code]
    assert (tested.preview.detail, tested.arrives) == (None, False)


def test_what_no_door_would_take_is_said(row: Destination, editor: Client) -> None:
    page = editor.post(url(row), {"text": '{"type": "identify"}'}).content.decode()
    assert "No ingest endpoint would take this call" in page
    assert "Yes, send it" not in page


def test_settings_that_lead_nowhere_are_said(row: Destination, editor: Client) -> None:
    row.settings["listId"] = "x"
    row.save()
    assert "is no Mailjet list ID" in tried(editor, row).problem


def test_without_mailjet_it_does_without_datatypes(
    row: Destination, editor: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Types, "trouble", TransientError("NO_ANSWER", "Mailjet did not answer."))
    tested = tried(editor, row)
    assert tested.preview.warning == "Datatypes are not shown: Mailjet did not answer."
    assert (tested.problem, "managecontact" in tested.preview.request) == ("", True)


def test_what_earlier_calls_left_to_be_told_is_named(row: Destination, editor: Client) -> None:
    """The request goes to their list, then."""
    desired = Desired(time=1, lists={8: ("addnoforce", 1)}, users={"u1": 1})
    Contact.objects.create(
        account_id=1,
        email="ada@example.com",
        desired=state.encode(desired),
        delivered=b"{}",
        next_attempt_at=1,
    )
    answer = editor.post(url(row), {"text": json.dumps(CALL)})
    assert answer.context["tested"].preview.detail.others == {8: "addnoforce"}
    assert "<dt>Also waiting</dt><dd>8: addnoforce" in collapsed(answer.content.decode())


def test_what_is_not_sent_stays_typed(row: Destination, editor: Client, source: Source) -> None:
    typed = {"text": '{"type": "identify", "userId": "typed by hand"}', "source": source.id}
    page = editor.post(url(row, "destination-tester-send"), typed).content.decode()
    assert "Nothing was sent: confirm that it should be sent." in page
    assert "typed by hand" in page
    wrong = {**typed, "text": '{"type": "typed by hand"}', "confirmed": "yes"}
    page = editor.post(url(row, "destination-tester-send"), wrong).content.decode()
    assert "Nothing was sent: " in page
    assert "typed by hand" in page


def test_nothing_is_sent_unless_it_is_confirmed(
    row: Destination, editor: Client, source: Source, event_log: SqliteEventLog
) -> None:
    sent = {"text": json.dumps(CALL), "source": source.id}
    editor.post(url(row, "destination-tester-send"), sent)
    assert event_log.counts().end == 0
    answer = editor.post(url(row, "destination-tester-send"), {**sent, "confirmed": "yes"})
    (record,) = event_log.read(0)
    message = decode(record.body)
    assert (record.source, message.traits) == (source.id, CALL["traits"])
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.details["messageId"]) == ("destination.test-sent", message.message_id)
    page = editor.get(answer.headers["location"])
    assert [(status.destination, status.outcome) for status in page.context["statuses"]] == [
        ("Shop", "pending")
    ]
    assert page.context["is_pending"]
    part = editor.get(answer.headers["location"], headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part


def test_a_source_of_another_destination_sends_nothing(
    row: Destination, editor: Client, people: Any, event_log: SqliteEventLog
) -> None:
    theirs = people.elsewhere.sources.create(kind="http", name="Theirs")
    for source in (theirs.id, "x", ""):
        sent = {"text": json.dumps(CALL), "source": source, "confirmed": "yes"}
        assert editor.post(url(row, "destination-tester-send"), sent).status_code == 404
    assert event_log.counts().end == 0


def test_what_was_not_sent_from_here_is_not_found(
    row: Destination, editor: Client, people: Any, event_log: SqliteEventLog
) -> None:
    theirs = people.elsewhere.sources.create(kind="http", name="Theirs")
    log(event_log, theirs.id, "m-1")
    for query in ({"id": "m-1", "after": "0"}, {"id": "m-1", "after": "x"}, {}):
        assert editor.get(url(row, "destination-tester-sent"), query).status_code == 404


def test_a_viewer_looks_and_sends_nothing(
    row: Destination, client_of: Any, source: Source, event_log: SqliteEventLog
) -> None:
    log(event_log, source.id, "m-1")
    viewer = client_of("viewer")
    page = viewer.get(url(row), {"tested": "1"}).content.decode()
    assert "The contact" in page
    assert "Yes, send it" not in page
    assert viewer.post(url(row, "destination-tester-send"), {"confirmed": "yes"}).status_code == 403
