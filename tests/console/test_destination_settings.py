"""The list of destinations, the header of each, and its settings."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from jetbridge.control.models import Destination, Source
from jetbridge.control.people import AuditEntry
from jetbridge.delivery import ledger, pauses
from jetbridge.delivery.base import DeliveryCounts
from jetbridge.delivery.models import (
    ConsumerOffset,
    DeliveryRecordRow,
    Replay,
    RetryEntry,
    destination_consumer,
)
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.services import new_destinations

from .delivered import join

WRITE_KEY = "writekey123"


@pytest.fixture
def source(people: Any) -> Source:
    source: Source = people.workspace.sources.create(kind="http", name="Website")
    return source


@pytest.fixture
def row(people: Any, event_log: SqliteEventLog, source: Source) -> Destination:
    values = {"writeKey": WRITE_KEY}
    return new_destinations.add(event_log, people.workspace, "segment", "Segment", values, sources=[source])


@pytest.fixture
def editor(client_of: Callable[[str], Client]) -> Client:
    return client_of("editor")


def url(row: Destination, name: str = "destination-settings") -> str:
    return reverse(name, args=[row.workspace_id, row.id])


def pause(row: Destination, code: str = "INVALID_AUTHENTICATION") -> None:
    pauses.pause(destination_consumer(row.id), code, "Segment refuses the write key.")


def test_an_empty_list_says_what_to_do_first(people: Any, editor: Client) -> None:
    page = editor.get(reverse("destinations", args=[people.workspace.id])).content.decode()
    assert "No destination yet" in page
    assert reverse("destination-catalog", args=[people.workspace.id]) in page


def test_the_list_tells_state_sources_and_the_last_hour(
    row: Destination, editor: Client, source: Source
) -> None:
    counts = DeliveryCounts(delivered=1_234)
    counts.failed["REFUSED"] = 5
    ledger.add_metrics(row.id, counts)
    pause(row)
    answer = editor.get(reverse("destinations", args=[row.workspace_id]))
    (line,) = answer.context["lines"]
    assert (line.state, line.delivered, line.failed) == ("paused", 1_234, 5)
    page = answer.content.decode()
    assert "Website" in page
    assert "Segment refuses the write key." in page
    assert 'title="1,234">1.23k' in page


def test_the_list_costs_the_same_however_many_there_are(
    row: Destination, editor: Client, source: Source, event_log: SqliteEventLog, queries: Any
) -> None:
    page = reverse("destinations", args=[row.workspace_id])
    with queries() as one:
        editor.get(page)
    for name in "abcdef":
        new_destinations.add(event_log, row.workspace, "segment", name, {"writeKey": "k"}, sources=[source])
    with queries() as seven:
        editor.get(page)
    assert len(one) == len(seven) < 27


def test_destinations_of_other_workspaces_are_not_there(
    row: Destination, people: Any, client_of: Any
) -> None:
    outsider = client_of("outsider")
    listed = outsider.get(reverse("destinations", args=[people.elsewhere.id])).content.decode()
    assert "No destination yet" in listed
    for name in ("destination-settings", "destination-confirm", "destination-resume", "destination-remove"):
        assert outsider.post(reverse(name, args=[people.elsewhere.id, row.id])).status_code == 404
    assert Destination.objects.filter(id=row.id).exists()


def test_a_hold_cannot_be_missed_and_says_what_to_do(row: Destination, editor: Client) -> None:
    pause(row)
    page = editor.get(url(row)).content.decode()
    assert "Paused by an error: the write key is refused" in page
    assert "<code>INVALID_AUTHENTICATION</code> Segment refuses the write key." in page
    assert "Enter the write key of a Segment source again." in page
    assert url(row, "destination-resume") in page


def test_a_viewer_sees_the_hold_and_no_button(row: Destination, client_of: Any) -> None:
    pause(row)
    page = client_of("viewer").get(url(row)).content.decode()
    assert "Paused by an error: the write key is refused" in page
    assert url(row, "destination-resume") not in page
    assert 'name="writeKey"' not in page


def test_a_release_ends_the_hold_and_is_audited(row: Destination, editor: Client) -> None:
    pause(row)
    editor.post(url(row, "destination-resume"))
    assert ConsumerOffset.objects.get(consumer=destination_consumer(row.id)).pause_code == ""
    assert AuditEntry.objects.get().action == "destination.resumed"


def test_it_is_disabled_and_enabled_from_its_header(row: Destination, editor: Client) -> None:
    for wanted, enabled in (("no", False), ("no", False), ("yes", True)):
        editor.post(url(row, "destination-enable"), {"enabled": wanted})
        row.refresh_from_db()
        assert row.enabled is enabled
    actions = list(AuditEntry.objects.order_by("id").values_list("action", flat=True))
    assert actions == ["destination.disabled", "destination.enabled"]


def test_settings_are_changed_and_audited_without_the_secret(
    row: Destination, editor: Client, source: Source, people: Any
) -> None:
    other = people.workspace.sources.create(kind="http", name="App")
    form = {
        "name": "Analytics",
        "endpoint": "https://eu.example.com",
        "writeKey": "newkey",
        "sources": [other.id],
    }
    assert editor.post(url(row), form).status_code == 302
    row.refresh_from_db()
    assert (row.name, row.settings) == ("Analytics", {"endpoint": "https://eu.example.com"})
    assert json.loads(row.secrets) == {"writeKey": "newkey"}
    assert list(row.sources.all()) == [other]
    details = AuditEntry.objects.get(action="destination.changed").details
    assert details["sources"] == ["Website", "App"]
    assert details["name"] == ["Segment", "Analytics"]
    assert "newkey" not in json.dumps(details)


def test_a_secret_is_never_shown_and_stays_when_left_empty(
    row: Destination, editor: Client, source: Source
) -> None:
    assert WRITE_KEY not in editor.get(url(row)).content.decode()
    editor.post(url(row), {"name": "Segment", "endpoint": "", "writeKey": "", "sources": [source.id]})
    row.refresh_from_db()
    assert json.loads(row.secrets) == {"writeKey": WRITE_KEY}
    assert not AuditEntry.objects.exists()


def test_a_form_that_was_not_touched_changes_nothing(
    people: Any, editor: Client, event_log: SqliteEventLog
) -> None:
    """Though it names the defaults, which were never chosen."""
    mailjet = join(people, event_log).row
    form = editor.get(url(mailjet)).context["form"]
    typed = {name: form[name].value() or "" for name in form.fields}
    assert typed["formerContact"] == "keep"
    assert "Nothing changed" in editor.post(url(mailjet), typed, follow=True).content.decode()
    assert not AuditEntry.objects.exists()
    answer = editor.post(url(mailjet), {**typed, "listId": "7"}, follow=True)
    assert "Saved: List ID. Who is on the former list stays there." in answer.content.decode()
    assert AuditEntry.objects.get().details == {"listId": ["10234", "7"]}


def test_what_somebody_else_saved_meanwhile_is_not_undone_unseen(
    row: Destination, editor: Client, source: Source
) -> None:
    seen = editor.get(url(row)).context["form"].etag
    form = {"name": "Segment", "endpoint": "", "writeKey": "", "sources": [source.id], "etag": seen}
    assert editor.post(url(row), {**form, "name": "Analytics"}).status_code == 302
    answer = editor.post(url(row), form)
    assert "Somebody changed these settings after you opened them" in answer.content.decode()
    row.refresh_from_db()
    assert row.name == "Analytics"
    assert editor.post(url(row), {**form, "etag": answer.context["form"].etag}).status_code == 302
    row.refresh_from_db()
    assert row.name == "Segment"


def test_what_is_wrong_stands_at_its_field(row: Destination, editor: Client, source: Source) -> None:
    form = {"name": "Segment", "endpoint": "nowhere", "writeKey": "", "sources": [source.id]}
    answer = editor.post(url(row), form)
    assert answer.status_code == 422
    assert "Enter an address such as https://example.com." in answer.content.decode()
    assert row.settings == {}


def test_a_source_that_was_disabled_stays_chosen(row: Destination, editor: Client, source: Source) -> None:
    source.enabled = False
    source.save()
    choices = editor.get(url(row)).context["form"].fields["sources"].choices
    assert choices == [(source.id, "Website (disabled)")]


def test_a_name_that_is_taken_is_refused(row: Destination, editor: Client, source: Source) -> None:
    row.workspace.destinations.create(kind="segment", name="Other")
    form = {"name": "Other", "endpoint": "", "writeKey": "", "sources": [source.id]}
    assert "Another destination is named Other." in editor.post(url(row), form).content.decode()


def test_a_source_of_another_workspace_cannot_be_chosen(
    row: Destination, editor: Client, people: Any
) -> None:
    theirs = people.elsewhere.sources.create(kind="http", name="Theirs")
    form = {"name": "Segment", "endpoint": "", "writeKey": "", "sources": [theirs.id]}
    assert editor.post(url(row), form).status_code == 422
    assert [each.name for each in row.sources.all()] == ["Website"]


def test_it_is_removed_when_its_name_is_typed(row: Destination, editor: Client) -> None:
    editor.post(url(row, "destination-remove"), {"name": "segment"})
    assert Destination.objects.filter(id=row.id).exists()
    editor.post(url(row, "destination-remove"), {"name": "Segment"})
    assert not Destination.objects.filter(id=row.id).exists()
    assert AuditEntry.objects.get().action == "destination.removed"


def test_what_is_removed_holds_up_no_retention_and_keeps_no_message(row: Destination, editor: Client) -> None:
    now, at = datetime.now(UTC), {"destination_id": row.id}
    Replay.objects.create(**at, after=0, position=0, upto=9, messages=9)
    RetryEntry.objects.create(**at, position=1, total=1, source_id=1, body=b"{}")
    delivery_record = {
        "outcome": "failed",
        "reason": "R",
        "detail": "",
        "position": 1,
        "total": 1,
        "message_id": "m",
    }
    DeliveryRecordRow.objects.create(**at, **delivery_record, person="u", request="", response="", at=now)
    editor.post(url(row, "destination-remove"), {"name": "Segment"})
    assert ledger.positions() == {}
    assert not Replay.objects.filter(ended_at=None).exists()
    assert (RetryEntry.objects.count(), DeliveryRecordRow.objects.count()) == (0, 0)


@pytest.mark.parametrize(
    "tab", ["https://evil.example.com/", "//evil.example.com", "javascript:alert(1)", ""]
)
def test_a_button_leads_back_to_its_tab_and_nowhere_else(row: Destination, editor: Client, tab: str) -> None:
    answer = editor.post(url(row, "destination-resume"), {"tab": tab})
    assert answer.headers["location"] == url(row)
    tester = url(row, "destination-confirm")
    assert editor.post(url(row, "destination-resume"), {"tab": tester}).headers["location"] == tester


def test_names_of_email_events_have_a_field_each(row: Destination, editor: Client) -> None:
    page = editor.get(url(row)).content.decode()
    assert 'name="ownEmailEventNames.unsub" value="" placeholder="Unsubscribed"' in page
    form = {"name": "Segment", "endpoint": "https://api.segment.io", "emailEventNames": "source"}
    typed = {"ownEmailEventNames.unsub": 'It\'s "over" <b>', "ownEmailEventNames.open": "  "}
    assert editor.post(url(row), form | typed).status_code == 302
    row.refresh_from_db()
    assert row.settings["emailEventNames"] == "source"
    assert row.settings["ownEmailEventNames"] == {"unsub": 'It\'s "over" <b>'}
    page = editor.get(url(row)).content.decode()
    assert 'value="It&#x27;s &quot;over&quot; &lt;b&gt;"' in page
    wrong = editor.post(url(row), form | {"ownEmailEventNames.unsub": "x" * 101})
    assert wrong.status_code == 422
    assert "The name of unsub is longer than 100 characters." in wrong.content.decode()
    assert f'value="{"x" * 101}"' in wrong.content.decode()
    assert editor.post(url(row), form | {"emailEventNames": "spec"}).status_code == 302
    row.refresh_from_db()
    assert "ownEmailEventNames" not in row.settings


def test_a_stored_secret_is_not_said_to_have_a_default(people: Any, editor: Client) -> None:
    default, keep = "If empty, a DuckDB file", "Leave it empty to keep the stored one."
    for secrets, shown in (
        ("{}", (True, False)),
        ('{"url": "postgresql://u:p@db.example.com/w"}', (False, True)),
    ):
        row = people.workspace.destinations.create(
            kind="warehouse", name=f"W{len(secrets)}", secrets=secrets, enabled=False
        )
        page = editor.get(url(row)).content.decode()
        assert (default in page.replace("&#x27;", "'"), keep in page) == shown


def test_selects_are_not_called_optional(people: Any, editor: Client) -> None:
    row = people.workspace.destinations.create(kind="webhook", name="Hook", enabled=False)
    page = editor.get(url(row)).content.decode()
    (label,) = re.findall('<label for="id_method">(.*?)</label>', page, re.DOTALL)
    assert "optional" not in label
    assert "optional" in page
