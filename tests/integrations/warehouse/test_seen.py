"""Hints about tables and columns that nobody has sent so far."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.conf import settings

from jetbridge.control.models import Source, Workspace
from jetbridge.eventlog.base import Entry
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.warehouse import seen as module
from jetbridge.integrations.warehouse.definition import WAREHOUSE
from jetbridge.integrations.warehouse.models import Schema, Table
from jetbridge.integrations.warehouse.seen import offered_names
from jetbridge.integrations.warehouse.selection import selection_problem
from jetbridge.source_schema.models import NameRow
from jetbridge.source_schema.names import Kind
from jetbridge.spec.message import encode

from .conftest import identify, track


@pytest.fixture
def source(home: Path) -> Source:
    workspace = Workspace.objects.create(name="Shop")
    source = workspace.sources.create(name="Web", kind="http")
    seen(source.id, "track", "Order Completed")
    seen(source.id, "track", "Order Completed", "Coupon Code")
    seen(source.id, "track", "Order Completed", "address", Kind.OBJECT)
    seen(source.id, "identify", "", "plan")
    return source


def seen(source: int, kind: str, event: str, name: str = "", value: Kind = Kind.TEXT) -> None:
    NameRow.objects.create(
        source_id=source, type=kind, event=event, name=name, total=1, kinds=value, first_at=1, last_at=1
    )


def offered(source: Source) -> dict[str, tuple[set[int], list[str]]]:
    """By table: the sources, and the columns."""
    return {
        each.name: (set(each.sources), [column.name for column in each.below])
        for each in offered_names(source.workspace_id)
    }


def test_what_sources_have_sent_is_offered(source: Source) -> None:
    other = source.workspace.sources.create(name="App", kind="http")
    seen(other.id, "track", "Order Completed", "Coupon Code")
    seen(other.id, "track", "Opened", "event")  # a column that every row needs
    seen(other.id, "page", "", "plan")
    seen(other.id, "identify", "", "event")
    web, both = {source.id}, {source.id, other.id}
    assert offered(source) == {
        "*": (set(), ["*.plan"]),
        "identifies": (both, ["identifies.event", "identifies.plan"]),
        "opened": ({other.id}, []),
        # Of the address the columns are not known yet.
        "order_completed": (both, ["order_completed.coupon_code"]),
        "pages": ({other.id}, ["pages.plan"]),
        "tracks": (both, []),
        "users": (both, ["users.event", "users.plan"]),
    }
    by_column = {
        column.name: column.sources for each in offered_names(source.workspace_id) for column in each.below
    }
    assert by_column["order_completed.coupon_code"] == both
    assert by_column["identifies.plan"] == web


def test_columns_of_objects_are_offered_once_they_are_loaded(source: Source) -> None:
    row = source.workspace.destinations.create(name="Warehouse", kind="warehouse")
    Schema.objects.create(destination_id=row.id, source_id=source.id, name="web")
    columns = {"id": "text", "coupon_code": "text", "address_city": "text", "context_ip": "text"}
    Table.objects.create(destination_id=row.id, schema="web", name="order_completed", columns=columns)
    Table.objects.create(destination_id=row.id, schema="web", name="tracks", columns={"context_ip": "text"})
    found = offered(source)
    assert found["order_completed"] == (
        {source.id},
        ["order_completed.address_city", "order_completed.context_ip", "order_completed.coupon_code"],
    )
    assert found["*"][1] == ["*.context_ip", "*.plan"]
    for table, (_, names) in found.items():
        assert all(selection_problem(name) == "" for name in names)
        assert table == "*" or selection_problem(table) == ""


def test_another_workspace_is_offered_nothing_of_it(source: Source) -> None:
    other = Workspace.objects.create(name="Other").sources.create(name="Web", kind="http")
    assert offered(other) == {}


def hint(source: Source, exclude: str) -> str:
    found = WAREHOUSE.settings_meaning(source.workspace_id, {"exclude": exclude})
    assert found is None or found.fits is None  # never an error
    return found.message if found else ""


@pytest.mark.parametrize(
    "exclude",
    [
        "",
        "pages, order_completed",
        "order_completed.coupon_code",
        "order_completed.address_city",
        "*.context_ip, order_completed.context_page_url",
        "*.plan, users.plan, identifies.plan",
        "not a table!",  # an error of its own
    ],
)
def test_what_is_known_needs_no_hint(source: Source, exclude: str) -> None:
    assert hint(source, exclude) == ""


@pytest.mark.parametrize(
    ("exclude", "message"),
    [
        ("order_complete", "There is no table named order_complete so far. Do you mean order_completed?"),
        (
            "order_completed.coupon_cod",
            "There is no column of order_completed named coupon_cod so far. Do you mean coupon_code?",
        ),
        ("nothing_like_it.x", "There is no table named nothing_like_it so far."),
        ("*.zzz", "There is no column named zzz so far."),
    ],
)
def test_what_nobody_has_sent_gets_one(source: Source, exclude: str, message: str) -> None:
    assert hint(source, exclude) == message


def test_a_schema_of_a_source_that_is_not_there_gets_one(source: Source) -> None:
    def message(schemas: dict[str, str]) -> str:
        found = WAREHOUSE.settings_meaning(source.workspace_id, {"schemas": schemas})
        return found.message if found else ""

    Workspace.objects.create(name="Other").sources.create(name="Website", kind="http")
    assert message({"Web": "a"}) == ""
    assert message({"web": "a"}) == "There is no source named web so far. Do you mean Web?"
    assert (
        message({"Website": "a", "Web": "b"}) == "There is no source named Website so far. Do you mean Web?"
    )
    assert len(message({"x" * 90_000: "a"})) < 300


def test_a_hint_is_short_and_speaks_of_the_own_workspace_alone(source: Source) -> None:
    assert hint(source, ", ".join(f"xx{number}" for number in range(9))).endswith(" And 4 more.")
    other = Workspace.objects.create(name="Other").sources.create(name="Web", kind="http")
    assert "so far." in hint(other, "order_completed")
    assert "Do you mean" not in hint(other, "order_complete")
    row = other.workspace.destinations.create(name="W", kind="warehouse")
    Table.objects.create(
        destination_id=row.id, schema="web", name="invoice_paid", columns={"total": "integer"}
    )
    assert hint(other, "invoice_paid, invoice_paid.total") == ""


def test_columns_of_objects_in_the_last_messages_are_offered_before_the_first_load(
    source: Source, event_log: SqliteEventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = Workspace.objects.create(name="Elsewhere").sources.create(name="Theirs", kind="http")
    calls = [
        (source.id, track("Order Completed", {"address": {"city": "Ulm", "geo": {"lat": 1.5}}, "empty": {}})),
        (source.id, identify({"company": {"name": "Ulm"}}, context={"app": {"build": 3}})),
        (elsewhere.id, track("Order Completed", {"address": {"secret": 1}})),
    ]
    entries = [Entry(id_, call.type, 1_000, encode(call)) for id_, call in calls]
    event_log.append(
        [*entries, Entry(source.id, "track", 1_000, b"{}"), Entry(source.id, "invalid", 1_000, b"?", "x")]
    )
    found = offered(source)
    assert found["order_completed"][1] == [
        "order_completed.address_city",
        "order_completed.address_geo_lat",
        "order_completed.coupon_code",
    ]
    assert {"users.company_name", "users.context_app_build"} <= set(found["users"][1])
    assert "*.company_name" in found["*"][1]
    monkeypatch.setattr(module, "LAST_MESSAGES", 1)
    assert found != offered(source), "only the last ones are looked at"
    path = settings.CONFIG.log_path
    event_log.close()
    path.write_bytes(b"no database")
    assert offered(source)["order_completed"][1] == ["order_completed.coupon_code"]


def test_of_very_many_names_the_ones_seen_last_are_offered(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_OFFERED", 4)
    NameRow.objects.all().delete()
    for number in range(10):
        seen(source.id, "track", f"Event {number}")
    NameRow.objects.filter(event="Event 2").update(last_at=5)
    row = source.workspace.destinations.create(name="Warehouse", kind="warehouse")
    Schema.objects.create(destination_id=row.id, source_id=source.id, name="web")
    for number in range(3):
        Table.objects.create(
            destination_id=row.id, schema="web", name=f"loaded_{number}", columns={"a": "text", "b": "text"},
            loaded_at=datetime(2026, 1, 1 + number, tzinfo=UTC),
        )  # fmt: skip
    found = offered(source)
    assert set(found) == {"tracks", "event_2", "event_9", "event_8", "event_7", "loaded_2", "loaded_1"}
    assert found["loaded_2"][1] == ["loaded_2.a", "loaded_2.b"]
    assert found["loaded_1"][1] == []
