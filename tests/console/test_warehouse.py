"""The tabs of a warehouse."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from tests.pages import collapsed
from tests.processes import free_port

from jetbridge.control.models import Destination
from jetbridge.control.people import AuditEntry
from jetbridge.delivery import ledger
from jetbridge.delivery.models import ConsumerOffset, SyncRow, destination_consumer
from jetbridge.eventlog.base import Counts
from jetbridge.integrations.warehouse import location, rejected
from jetbridge.integrations.warehouse.duckdb import DuckDB
from jetbridge.integrations.warehouse.loader import Arrival, load
from jetbridge.integrations.warehouse.models import Run, Schema, Table
from jetbridge.spec.message import Message

NOW = datetime.now(UTC)
WRITER = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def row(people: Any) -> Destination:
    destination: Destination = people.workspace.destinations.create(name="Warehouse", kind="warehouse")
    return destination


def page(client: Client, row: Destination, name: str) -> str:
    response = client.get(reverse(f"warehouse-{name}", args=[row.workspace_id, row.id]))
    assert response.status_code == 200
    return response.content.decode()


def test_before_the_first_load_they_say_what_will_come(row: Destination, client_of: Any) -> None:
    client = client_of("viewer")
    assert "Nothing was loaded yet" in page(client, row, "tables")
    assert "Nothing was loaded yet" in page(client, row, "query")
    assert "No values were rejected" in page(client, row, "rejected-values")
    assert "No runs yet" in page(client, row, "runs")


def test_tables_have_their_columns_and_what_holds_them_up(row: Destination, client_of: Any) -> None:
    problem = "web.a is a view and has to be a table."
    Table.objects.create(
        destination_id=row.id,
        schema="web",
        name="tracks",
        rows=1_200,
        rejected=3,
        columns={"id": "text"},
        loaded_at=NOW,
    )
    Table.objects.create(destination_id=row.id, schema="web", name="a", problem=problem)
    Table.objects.create(destination_id=row.id + 1, schema="web", name="somebody_elses")
    text = page(client_of("editor"), row, "tables")
    for part in (
        "web.tracks",
        "1,200",
        "<code>id</code> text",
        problem,
        "not loaded",
        "3 values did not fit",
        reverse("warehouse-rejected-values", args=[row.workspace_id, row.id]),
    ):
        assert part in collapsed(text)
    assert "somebody_elses" not in text


def test_the_overview_leads_to_what_did_not_arrive(row: Destination, client_of: Any) -> None:
    Table.objects.create(
        destination_id=row.id, schema="web", name="a", rejected=3, problem="web.a is a view.", loaded_at=NOW
    )
    text = client_of("viewer").get(reverse("destination", args=[row.workspace_id, row.id])).content.decode()
    assert "Values rejected: 3. Their rows were loaded without them." in text
    assert (
        f'href="{reverse("warehouse-rejected-values", args=[row.workspace_id, row.id])}" id="notice-2"'
        in text
    )
    assert "web.a is a view." in text
    assert f'href="{reverse("warehouse-tables", args=[row.workspace_id, row.id])}" id="notice-1"' in text


def test_a_file_is_opened_by_editors(row: Destination, client_of: Any) -> None:
    Table.objects.create(destination_id=row.id, schema="web", name="tracks", loaded_at=NOW)
    text = page(client_of("editor"), row, "query")
    assert f"duckdb -readonly {location.default_file(row.id)}" in text
    assert "It needs a table that comes with the first event Email Delivered" in text
    assert "duckdb -readonly" not in page(client_of("viewer"), row, "query")


def test_a_server_is_queried_without_its_password(row: Destination, client_of: Any) -> None:
    Table.objects.create(destination_id=row.id, schema="web", name="tracks", loaded_at=NOW)
    row.secrets = '{"url": "postgresql://ann:secret-word@db.example:5433/shop"}'
    row.save()
    text = unescape(page(client_of("editor"), row, "query"))
    assert "psql 'postgresql://ann@db.example:5433/shop?sslmode=prefer'" in text
    assert "secret-word" not in text


@pytest.fixture
def loaded(row: Destination) -> Iterator[Path]:
    """The file of a warehouse of which 61 values were rejected."""
    file = location.default_file(row.id)
    calls = [
        Message(
            type="track",
            event="Order Completed",
            message_id=f"m{number}",
            user_id="ann",
            timestamp=NOW,
            received_at=NOW + timedelta(seconds=number),
            properties={"total": "<b>seven</b>" if number else 5, "event": "x"},
        )
        for number in range(31)
    ]
    load(DuckDB(file), [Arrival("web", call) for call in calls])
    Schema.objects.create(destination_id=row.id, source_id=1, name="web")
    yield file
    file.unlink()


def test_rejected_values_are_counted_by_reason_and_filtered_and_paged(
    row: Destination, loaded: Path, client_of: Any
) -> None:
    client = client_of("viewer")
    text = page(client, row, "rejected-values")
    for part in (
        "61 values; their rows were loaded without them",
        "the column is of type integer",
        "Have the sender use one kind of value in this field.",
        "?table=web.order_completed&amp;column=event&amp;reason=the+name+is+reserved",
        "&lt;b&gt;seven&lt;/b&gt;",
        "m30",
        '<a class="button" href="?skip=50" rel="next">',
    ):
        assert part in collapsed(text)
    assert "<b>seven" not in text
    url = reverse("warehouse-rejected-values", args=[row.workspace_id, row.id])
    older = client.get(url, {"skip": "50"}).content.decode()
    assert ("m30" in older, ">m2<" in older, 'rel="next"' in older) == (False, True, False)
    assert '<a class="button" href="?" rel="prev">' in older
    filtered = client.get(url, {"column": "total"}).content.decode()
    assert (filtered.count("&lt;b&gt;seven"), "&quot;x&quot;" in filtered) == (30, False)
    assert '<option value="total" selected>' in filtered
    nothing = client.get(url, {"table": "web.none"}).content.decode()
    assert "No values fit this filter" in nothing
    for skip in ("-1", "x", "9" * 30):
        assert client.get(url, {"skip": skip}).status_code == 200


def test_a_file_that_somebody_holds_is_not_read_and_the_page_says_who(
    row: Destination, loaded: Path, client_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejected, "READ_SECONDS", 0.1)
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, loaded], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdin
        assert writer.stdout
        assert writer.stdout.readline() == b"open\n"
        text = page(client_of("editor"), row, "rejected-values")
        writer.stdin.close()
    assert "The warehouse could not be read." in text
    assert f"PID {writer.pid}" in text


def test_a_warehouse_that_cannot_be_opened_is_said(row: Destination, client_of: Any) -> None:
    Schema.objects.create(destination_id=row.id, source_id=1, name="web")
    row.secrets = '{"url": "duckdb:////etc/elsewhere.duckdb"}'
    row.save()
    assert "It has to be in" in page(client_of("viewer"), row, "rejected-values")


@pytest.mark.parametrize(
    ("url", "command"),
    [
        ("filesystem://{home}/warehouses/files", "duckdb"),
        ("snowflake://u:s3cret-word@account/shop", "the program that comes with it"),
        (
            "dlt+postgresql://u:s3cret-word@db.example/shop",
            "psql 'postgresql://u@db.example:5432/shop?sslmode=prefer'",
        ),
    ],
)
def test_a_warehouse_that_is_only_written_says_so(
    row: Destination, client_of: Any, home: Path, url: str, command: str
) -> None:
    Table.objects.create(destination_id=row.id, schema="web", name="tracks", loaded_at=NOW)
    Schema.objects.create(destination_id=row.id, source_id=1, name="web")
    row.secrets = json.dumps({"url": url.format(home=home)})
    row.save()
    texts = {name: page(client_of("editor"), row, name) for name in ("tables", "query", "rejected-values")}
    assert "it does not read this warehouse" in texts["tables"]
    assert command in unescape(texts["query"])
    assert "and does not read it" in texts["rejected-values"]
    assert "s3cret-word" not in "".join(texts.values())


def test_runs_say_what_became_of_them(row: Destination, client_of: Any) -> None:
    times: dict[str, Any] = {"destination_id": row.id, "began_at": NOW, "ended_at": NOW}
    Run.objects.create(**times, messages=2, rows={"web.tracks": 2}, rejected={"web.a": 1})
    Run.objects.create(**times, messages=5, error="w.duckdb is open in another program.", attempts=7)
    Run.objects.create(**times, messages=1, waiting=1, problems={"web.a": "web.a is a view."})
    text = page(client_of("viewer"), row, "runs")
    for part in (
        "<code>web.tracks</code> 2",
        '?table=web.a">1 value</a> of <code>web.a</code> rejected',
        "w.duckdb is open in another program.",
        "tried 7 times",
        "1 message waits.",
        "web.a is a view.",
    ):
        assert part in collapsed(text)


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("", "The file {file} stays, with all its tables."),
        (
            "postgresql://ann:s3cret@db.example/shop",
            "The database shop on db.example stays, with all its tables.",
        ),
    ],
)
def test_a_warehouse_stays_where_it_is_and_the_page_says_where(
    row: Destination, client_of: Any, url: str, where: str
) -> None:
    row.secrets = f'{{"url": "{url}"}}'
    row.save()
    file = location.default_file(row.id)
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"a customer's")
    client: Client = client_of("editor")
    place = [row.workspace_id, row.id]
    sentence = where.format(file=file)
    settings = client.get(reverse("destination-settings", args=place)).content.decode()
    assert sentence in settings
    removed = client.post(reverse("destination-remove", args=place), {"name": "Warehouse"}, follow=True)
    assert f"Warehouse is removed. {sentence}" in removed.content.decode()
    assert "s3cret" not in settings + removed.content.decode()
    assert file.read_bytes() == b"a customer's"
    file.unlink()


def test_on_a_schedule_it_says_when_it_syncs_and_a_button_does_not_wait(
    row: Destination, client_of: Any
) -> None:
    row.settings = {"schedule": "daily", "syncTime": "03:30"}
    row.save()
    ledger.begin(destination_consumer(row.id), Counts(0, {}))
    address = reverse("destination-sync-now", args=[row.workspace_id, row.id])
    text = page(client_of("viewer"), row, "runs")
    assert "Next sync in " in text
    assert "(03:30)" in text
    assert address not in text
    assert "A run is one sync." in text
    for name in ("destination", "warehouse-runs"):
        shown = client_of("editor").get(reverse(name, args=[row.workspace_id, row.id])).content.decode()
        assert f'action="{address}"' in shown
    tab = reverse("warehouse-runs", args=[row.workspace_id, row.id])
    answer = client_of("editor").post(address, {"tab": tab}, follow=True)
    assert answer.redirect_chain == [(tab, 302)]
    assert "It syncs now." in answer.content.decode()
    assert AuditEntry.objects.get().action == "destination.sync-requested"
    assert SyncRow.objects.get().requested_at


def test_a_sync_under_way_shows_how_far_it_is(row: Destination, client_of: Any) -> None:
    row.settings = {"schedule": "daily"}
    row.save()
    ledger.begin(destination_consumer(row.id), Counts(0, {}))
    ConsumerOffset.objects.update(position=30)
    SyncRow.objects.create(destination_id=row.id, counted_from=NOW, began_at=NOW, upto=120)
    Run.objects.create(
        destination_id=row.id,
        sync_began_at=NOW,
        began_at=NOW,
        ended_at=NOW,
        messages=30,
        rows={"web.tracks": 30},
    )
    text = page(client_of("viewer"), row, "runs")
    assert "running</span>" in text
    assert '<progress max="100" value="25"' in text
    assert ", 25 % read" in text
    SyncRow.objects.update(ended_at=NOW)
    text = page(client_of("viewer"), row, "runs")
    assert "loaded</span>" in text
    assert "<progress" not in text


def test_one_that_loads_continuously_has_no_button(row: Destination, client_of: Any) -> None:
    address = reverse("destination-sync-now", args=[row.workspace_id, row.id])
    assert address not in page(client_of("editor"), row, "runs")
    assert "delivers continuously" in client_of("editor").post(address, follow=True).content.decode()


def new_warehouse(people: Any, client: Client, **values: Any) -> Any:
    source = people.workspace.sources.create(name="Web", kind="http")
    typed = {"name": "Warehouse", "sources": [source.id], "schedule": "daily", **values}
    return client.post(reverse("destination-new", args=[people.workspace.id, "warehouse"]), typed)


def test_without_javascript_the_connection_is_checked_when_it_is_saved(people: Any, client_of: Any) -> None:
    editor = client_of("editor")
    form = editor.get(reverse("destination-new", args=[people.workspace.id, "warehouse"])).content.decode()
    assert [form.index(f"</span>{step}</legend>") for step in ("Connect", "Select", "Schedule")]
    assert "It is checked when you save." in form
    answer = new_warehouse(people, editor, enable="yes")
    row = people.workspace.destinations.get(kind="warehouse")
    assert answer.headers["location"] == reverse("warehouse-runs", args=[people.workspace.id, row.id])
    assert (row.enabled, row.settings["schedule"], row.sources.count()) == (True, "daily", 1)


def test_what_cannot_be_reached_is_saved_anyway_and_disabled(people: Any, client_of: Any) -> None:
    editor = client_of("editor")
    url = f"postgresql://ann:secret-word@127.0.0.1:{free_port()}/shop"
    answer = new_warehouse(people, editor, url=url, enable="yes")
    text = answer.content.decode()
    assert answer.status_code == 422
    assert "Nothing answers at 127.0.0.1" in text
    assert 'id="check-login"' in text
    assert "secret-word" not in text
    assert not people.workspace.destinations.exists()
    people.workspace.sources.all().delete()
    answer = new_warehouse(people, editor, url=url, anyway="yes")
    row = people.workspace.destinations.get(kind="warehouse")
    assert answer.headers["location"] == reverse("destination-settings", args=[people.workspace.id, row.id])
    assert not row.enabled


def test_steps_come_one_by_one(people: Any, client_of: Any) -> None:
    check = reverse("destination-new-check", args=[people.workspace.id, "warehouse"])
    steps = [
        client_of("editor").post(check, {"step": name}).content.decode() for name in ("", "reach", "read")
    ]
    assert [text.count('class="passed"') for text in steps] == [0, 1, 5]
    assert [text.count('class="running"') for text in steps] == [1, 1, 0]
    assert [f'hx-post="{check}"' in text for text in steps] == [True, True, False]
    assert client_of("viewer").post(check).status_code == 403
    nothing = reverse("destination-new-check", args=[people.workspace.id, "segment"])
    assert client_of("editor").post(nothing).status_code == 404


def test_a_stored_url_is_checked_if_none_is_typed(row: Destination, people: Any, client_of: Any) -> None:
    row.secrets = f'{{"url": "postgresql://ann:secret-word@127.0.0.1:{free_port()}/shop"}}'
    row.save()
    check = reverse("destination-check", args=[row.workspace_id, row.id])
    text = client_of("editor").post(check, {"step": "read"}).content.decode()
    assert 'class="failed" id="check-reach"' in text
    assert text.count('class="skipped"') == 4
    assert "secret-word" not in text


def test_another_url_is_checked_before_it_is_saved(row: Destination, client_of: Any) -> None:
    settings = reverse("destination-settings", args=[row.workspace_id, row.id])
    typed = {"name": "Warehouse", "url": f"postgresql://ann:secret-word@127.0.0.1:{free_port()}/shop"}
    answer = client_of("editor").post(settings, typed)
    text = answer.content.decode()
    assert answer.status_code == 422
    assert "Nothing answers at 127.0.0.1" in text
    assert "Save anyway" in text
    row.refresh_from_db()
    assert "secret-word" not in row.secrets + text
    assert client_of("editor").post(settings, {**typed, "anyway": "yes"}).status_code == 302
    row.refresh_from_db()
    assert "secret-word" in row.secrets
    # What is stored is not checked again for another name.
    assert client_of("editor").post(settings, {"name": "Orders"}).status_code == 302
    row.refresh_from_db()
    assert row.name == "Orders"
