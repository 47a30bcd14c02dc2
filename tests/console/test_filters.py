"""The Filters tab: conditions or an expression, what it would do, and the same as JSON."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from jetbridge.control import directory
from jetbridge.control.models import Destination
from jetbridge.control.people import AuditEntry
from jetbridge.delivery.batch import RoutedBatch
from jetbridge.eventlog.base import Entry
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.routing.filters import (
    AllowProperties,
    DropProperties,
    Filter,
    OnlySend,
    Sample,
    dump,
    parse_filters,
)
from jetbridge.routing.rows import Row
from jetbridge.services import new_destinations
from jetbridge.services.destination_settings import integration_of
from jetbridge.services.queries.filter_preview import preview_filter
from jetbridge.source_schema.models import NameRow
from jetbridge.spec.message import Message, decode, encode

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STAFF = Filter("Staff", "traits.staff = true")
TESTS = Filter("Tests", 'match(event, "Test*")', enabled=False)


@pytest.fixture
def row(people: Any, event_log: SqliteEventLog) -> Destination:
    source = people.workspace.sources.create(kind="http", name="Website")
    return new_destinations.add(
        event_log, people.workspace, "segment", "Segment", {"writeKey": "k"}, sources=[source]
    )


@pytest.fixture
def two(row: Destination) -> Destination:
    row.settings["filters"] = dump([STAFF, TESTS])
    row.save()
    return row


@pytest.fixture
def editor(client_of: Callable[[str], Client]) -> Client:
    return client_of("editor")


def url(row: Destination, name: str = "destination-filters") -> str:
    return reverse(name, args=[row.workspace_id, row.id])


def stored(row: Destination) -> list[Filter]:
    row.refresh_from_db()
    return parse_filters(row.settings.get("filters", ""))


def form(*conditions: tuple[str, str, str], **fields: str) -> dict[str, Any]:
    names = ("field", "operator", "value")
    columns = {name: [row[at] for row in conditions] for at, name in enumerate(names)}
    return {"name": "Staff", "match": "all", "enabled": "yes", "original": "", **columns, **fields}


def test_without_filters_the_tab_says_what_they_are_for(row: Destination, editor: Client) -> None:
    assert "Nothing is filtered" in editor.get(url(row)).content.decode()


def test_filters_are_told_in_words(two: Destination, editor: Client) -> None:
    answer = editor.get(url(two))
    assert [each for each, _ in answer.context["filters"]] == [STAFF, TESTS]
    page = answer.content.decode()
    assert "<code>event</code> starts with <code>Test</code>" in page
    assert '<span class="badge">off</span>' in page


def test_a_filter_is_added_with_its_rows_and_audited(row: Destination, editor: Client) -> None:
    sent = form(("traits.staff", "is true", ""), ("", "is", ""), ("type", "is", "identify"))
    assert editor.post(url(row, "destination-filters-edit"), sent).status_code == 302
    assert stored(row) == [Filter("Staff", 'traits.staff = true and type = "identify"')]
    assert AuditEntry.objects.get().action == "destination.changed"


def test_a_filter_is_changed_in_its_place(two: Destination, editor: Client) -> None:
    sent = form(("traits.staff", "exists", ""), name="Employees", original="Staff")
    editor.post(url(two, "destination-filters-edit"), sent)
    assert stored(two) == [Filter("Employees", "traits.staff != null"), TESTS]


def test_rows_come_and_go_without_anything_being_saved(row: Destination, editor: Client) -> None:
    page = url(row, "destination-filters-edit")
    sent = form(("type", "is", "track"), ("event", "exists", ""))
    more = editor.post(page, {**sent, "more": "yes"})
    assert [each.field for each in more.context["draft"].rows] == ["type", "event", ""]
    less = editor.post(page, {**sent, "less": "0"})
    assert [each.field for each in less.context["draft"].rows] == ["event"]
    assert stored(row) == []


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        (form(("", "is", "")), "A filter needs a condition: choose a field, or every message."),
        (form(("type", "is", "track"), name=""), "Give the filter a name."),
        (form(("trait.x", "is", "1")), "trait.x: trait is no field of a message."),
        (form(("type", "equals", "1")), "is no operator"),
        (form(("traits.age", "is less than", "old")), "&#x27;old&#x27; is no number."),
        (form(("type", "is", "track"), name="Tests"), "Two filters are named Tests."),
        (form(("type", "is", "track"), name="x" * 65), "length &lt;= 64"),
    ],
)
def test_what_is_wrong_is_said_and_stays_typed(
    two: Destination, editor: Client, sent: dict[str, Any], sentence: str
) -> None:
    answer = editor.post(url(two, "destination-filters-edit"), sent)
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert answer.context["draft"].rows[0].field == sent["field"][0]
    assert stored(two) == [STAFF, TESTS]


class TestExpression:
    def test_it_is_saved_as_it_is_written(self, row: Destination, editor: Client) -> None:
        sent = form(described="expression", expression=" event = 'A'\n  or event = 'B' ")
        editor.post(url(row, "destination-filters-edit"), sent)
        assert stored(row) == [Filter("Staff", "event = 'A'\n  or event = 'B'")]

    def test_conditions_become_one_and_one_becomes_conditions(self, row: Destination, editor: Client) -> None:
        page = url(row, "destination-filters-edit")
        typed = form(("traits.plan", "is", "pro"), ("event", "contains", "7"), match="any")
        draft = editor.post(page, {**typed, "mode": "expression"}).context["draft"]
        assert draft.expression.startswith('traits.plan = "pro" or (contains(event, "7") or ')
        sent = form(described="expression", expression=draft.expression, mode="rows")
        again = editor.post(page, sent).context["draft"]
        rows = [Row("traits.plan", "is", "pro"), Row("event", "contains", "7")]
        assert (again.mode, again.match, again.rows) == ("rows", "any", rows)
        assert stored(row) == []

    def test_one_that_conditions_cannot_say_stays_one(self, row: Destination, editor: Client) -> None:
        row.settings["filters"] = dump([Filter("Long", "length(event) > 9")])
        row.save()
        page = editor.get(f"{url(row, 'destination-filters-edit')}?filter=Long")
        assert page.context["draft"].mode == "expression"
        assert "Rows of conditions cannot say what this expression does." in page.content.decode()
        assert '<pre class="code wraps">length(event) &gt; 9</pre>' in editor.get(url(row)).content.decode()

    def test_an_error_is_shown_at_its_place(self, row: Destination, editor: Client) -> None:
        sent = form(described="expression", expression="type = 'track'\nand event == 'A'")
        for name, status in (("destination-filters-try", 200), ("destination-filters-edit", 422)):
            answer = editor.post(url(row, name), sent)
            page = answer.content.decode()
            assert answer.status_code == status
            assert "Line 2, column 12: expected a field" in page
            assert "and event =<mark>=</mark> &#x27;A&#x27;" in page
        assert stored(row) == []

    def test_an_error_in_json_is_shown_at_its_place(self, row: Destination, editor: Client) -> None:
        page = editor.post(url(row), {"filters": '[{"name": "A", "if": "event ="}]'}).content.decode()
        assert "Filter A: Line 1, column 8: expected a field" in page
        assert "event =<mark> </mark>" in page


@pytest.mark.parametrize(
    ("fields", "action"),
    [
        ({"action": "ONLY_SEND"}, OnlySend()),
        ({"action": "SAMPLE", "percent": "12.5", "by": "userId"}, Sample(0.125, "userId")),
        ({"action": "SAMPLE", "percent": "0"}, Sample(0)),
        (
            {
                "action": "DROP_PROPERTIES",
                "properties": "traits.email\r\n\r\n traits.ü\\ber \ncontext.page.url",
            },
            None,
        ),
        (
            {"action": "DROP_PROPERTIES", "properties": "traits.email\r\n\r\ntraits.plan \ncontext.page.url"},
            DropProperties({"traits": ["email", "plan"], "context.page": ["url"]}),
        ),
        (
            {"action": "ALLOW_PROPERTIES", "properties": "properties.product\\ 1.price"},
            AllowProperties({"properties.product\\ 1": ["price"]}),
        ),
        ({"action": "SAMPLE", "percent": "150"}, None),
        ({"action": "SAMPLE", "percent": "some"}, None),
        ({"action": "SAMPLE", "by": "user"}, None),
        ({"action": "DROP_PROPERTIES", "properties": ""}, None),
        ({"action": "DROP_PROPERTIES", "properties": "traits"}, None),
        ({"action": "DROP_PROPERTIES", "properties": "userId"}, None),
    ],
)
def test_what_is_done_is_chosen_and_comes_back(
    row: Destination, editor: Client, fields: dict[str, str], action: Any
) -> None:
    sent = form(match="every", **{"percent": "10", **fields})
    answer = editor.post(url(row, "destination-filters-edit"), sent)
    assert stored(row) == ([Filter("Staff", "all", action)] if action else [])
    if action is None:
        assert answer.status_code == 422
        return
    draft = editor.get(f"{url(row, 'destination-filters-edit')}?filter=Staff").context["draft"]
    assert (draft.match, draft.filter()) == ("every", Filter("Staff", "all", action))


def test_filters_are_switched_and_removed(two: Destination, editor: Client) -> None:
    page = url(two, "destination-filters-switch")
    editor.post(page, {"filter": "Tests", "to": "on"})
    assert [each.enabled for each in stored(two)] == [True, True]
    editor.post(page, {"filter": "Staff", "to": "off"})
    assert [each.enabled for each in stored(two)] == [False, True]
    editor.post(page, {"filter": "Staff", "to": "removed"})
    assert [each.name for each in stored(two)] == ["Tests"]
    assert editor.post(page, {"filter": "Staff", "to": "on"}).status_code == 404
    assert editor.post(page, {"filter": "Tests", "to": "nowhere"}).status_code == 404


def test_the_same_can_be_edited_as_json(row: Destination, editor: Client) -> None:
    editor.post(url(row), {"filters": dump([TESTS])})
    assert stored(row) == [TESTS]
    answer = editor.post(url(row), {"filters": '[{"name": "A"}]'})
    assert answer.status_code == 422
    assert "missing required field `if`" in answer.content.decode()
    assert stored(row) == [TESTS]


def test_filters_that_got_in_wrong_are_mended_as_json(row: Destination, editor: Client) -> None:
    row.settings["filters"] = "["
    row.save()
    page = editor.get(url(row)).content.decode()
    assert "The filters are not read" in page
    assert "Save JSON" in page
    assert editor.get(url(row, "destination-filters-edit")).status_code == 404


def test_fields_and_events_that_were_seen_are_suggested(row: Destination, editor: Client) -> None:
    at = {"source_id": row.sources.get().id, "kinds": 1, "first_at": 1, "last_at": 1}
    NameRow.objects.create(type="identify", event="", name="plan", total=5, **at)
    NameRow.objects.create(type="track", event="Order Completed", name="", total=3, **at)
    NameRow.objects.create(type="track", event="Order Completed", name="total", total=3, **at)
    context = editor.get(url(row, "destination-filters-edit")).context
    assert context["fields"][-2:] == ["traits.plan", "properties.total"]
    assert context["events"] == ["Order Completed"]


class TestAttempt:
    @pytest.fixture(autouse=True)
    def _messages(self, row: Destination, people: Any, event_log: SqliteEventLog) -> None:
        ours, theirs = row.sources.get().id, people.elsewhere.sources.create(kind="http", name="Theirs").id
        for number, source in enumerate((ours, ours, ours, theirs)):
            message = Message(
                type="track",
                message_id=str(number),
                timestamp=NOW,
                received_at=NOW,
                user_id=f"u{number}",
                event="Test" if number else "Order",
            )
            event_log.append([Entry(source, "track", 1_000, encode(message))])

    def test_it_says_what_would_be_dropped_of_the_destinations_own_messages(
        self, row: Destination, editor: Client
    ) -> None:
        answer = editor.post(url(row, "destination-filters-try"), form(("event", "is", "Test")))
        tried = answer.context["preview"]
        assert (tried.total, [each.sample.label for each in tried.dropped]) == (
            3,
            ["track · u2 · Test", "track · u1 · Test"],
        )
        assert stored(row) == []

    def test_a_filter_that_is_off_is_tried_all_the_same(self, row: Destination, editor: Client) -> None:
        sent = form(("event", "is", "Order"), enabled="no")
        answer = editor.post(url(row, "destination-filters-try"), sent)
        assert len(answer.context["preview"].dropped) == 1

    def test_a_filter_that_takes_its_time_is_tried_on_fewer_messages(self, row: Destination) -> None:
        clock = count()
        found = preview_filter(row, Filter("Slow", 'match(event, "*")'), lambda: next(clock))
        assert (found.total, len(found.dropped)) == (1, 1)

    def test_what_is_not_finished_yet_is_said_quietly(self, row: Destination, editor: Client) -> None:
        answer = editor.post(url(row, "destination-filters-try"), form(("trait.x", "is", "1")))
        assert "trait is no field of a message." in answer.content.decode()


def test_a_viewer_reads_filters_and_changes_none(two: Destination, client_of: Any) -> None:
    viewer = client_of("viewer")
    page = viewer.get(url(two)).content.decode()
    assert "Staff" in page
    assert "Add filter" not in page
    assert "Switch off" not in page
    assert viewer.get(url(two, "destination-filters-edit")).status_code == 403
    assert json.loads(dump(stored(two))) == json.loads(dump([STAFF, TESTS]))


@pytest.mark.parametrize(
    "wanted",
    [
        Filter("One", "event = 'Test'"),
        Filter("One", "event = 'Test'", OnlySend()),
        Filter("One", "all", Sample(0.5)),
        Filter("One", "all", Sample(0.5, "userId")),
        Filter("One", "properties.size != null", DropProperties({"properties": ["size"], "context": ["ip"]})),
        Filter("One", "all", AllowProperties({"properties": ["unsubscribed"]})),
        Filter("One", "length(properties.size) > 1"),
    ],
)
def test_what_is_tried_is_what_delivery_does(
    row: Destination, people: Any, event_log: SqliteEventLog, wanted: Filter
) -> None:
    source = row.sources.get().id
    sizes = [None, 1, "long", [1], {"a": 1}]
    for number in range(20):
        message = Message(
            type="track",
            message_id=f"m{number}",
            timestamp=NOW,
            received_at=NOW,
            user_id=f"u{number % 7}",
            event="Test" if number % 3 else "Order",
            properties={"size": sizes[number % 5], "id": number},
            integrations={"All": False} if number == 11 else None,
        )
        event_log.append([Entry(source, "track", 1_000, encode(message))])
    before = preview_filter(row, wanted)
    row.settings["filters"] = dump([wanted])
    row.save()
    ref = directory.destination(row.id)
    assert ref
    records = event_log.read(0, limit=100)
    routed = RoutedBatch(records, integration_of(row).route(ref))
    originals = {message.message_id: message for message in map(decode, (record.body for record in records))}
    changed = {
        item.message.message_id for item in routed.items if item.message != originals[item.message.message_id]
    }
    assert before.total == 19
    assert {each.sample.message.message_id for each in before.changed} == changed
    assert len(before.dropped) == routed.filtered["FILTERED_BY_DESTINATION_FILTER"]
    assert len(before.failed) == routed.filtered["DESTINATION_FILTER_ERROR"]
    assert len(routed.items) == 19 - len(before.dropped) - len(before.failed)
    assert before.dropped or before.failed or before.changed
