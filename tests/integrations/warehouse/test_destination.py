"""The destination: settings, delivery through a consumer, runs, and what waits."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from django.conf import settings
from django.db import connections
from tests import postgres

from jetbridge.config import private_networks
from jetbridge.control import directory
from jetbridge.control.directory import DestinationRef
from jetbridge.control.models import Destination, Source, Workspace
from jetbridge.delivery import ledger, replay, syncs
from jetbridge.delivery.consumer import Consumer
from jetbridge.delivery.models import RetryEntry, SyncRow
from jetbridge.delivery.report import DestinationReport, report
from jetbridge.errors import PauseError
from jetbridge.eventlog.base import Entry, PositionRange
from jetbridge.eventlog.sqlite import SqliteEventLog
from jetbridge.integrations.base import ValueType
from jetbridge.integrations.connection import ConnectionDraft
from jetbridge.integrations.testing import DestinationContract
from jetbridge.integrations.warehouse import destination as sink
from jetbridge.integrations.warehouse import erasure as warehouse_erasure
from jetbridge.integrations.warehouse import location
from jetbridge.integrations.warehouse.definition import WAREHOUSE
from jetbridge.integrations.warehouse.duckdb import DuckDB
from jetbridge.integrations.warehouse.erase import erase
from jetbridge.integrations.warehouse.loader import Arrival, load
from jetbridge.integrations.warehouse.models import Run, Schema, Table
from jetbridge.integrations.warehouse.rows import rows_of
from jetbridge.integrations.warehouse.schemas import schema_of
from jetbridge.privacy import erasure
from jetbridge.privacy.erasure import Eraser
from jetbridge.privacy.models import Erasure
from jetbridge.services import destination_settings
from jetbridge.services.queries import health
from jetbridge.services.removal import remove
from jetbridge.spec.message import Message, encode
from jetbridge.spec.person import Identity

from .conftest import identify, track
from .test_duckdb import held


class TestContract(DestinationContract):
    destination = WAREHOUSE

    @pytest.fixture
    def settings(self, postgres_server: postgres.Server) -> dict[str, Any]:
        database = postgres_server.create_database()
        return {"url": f"postgresql://postgres:se%20cret%2F1@127.0.0.1:{postgres_server.port}/{database}"}


class TestContractThroughDlt(DestinationContract):
    destination = WAREHOUSE

    @pytest.fixture
    def settings(self, postgres_server: postgres.Server, home: Path) -> dict[str, Any]:
        database = postgres_server.create_database()
        return {
            "url": f"dlt+postgresql://postgres:se%20cret%2F1@127.0.0.1:{postgres_server.port}/{database}",
            "schedule": "15m",
        }


class Shop:
    """A workspace with a source and a warehouse, and a consumer for it."""

    def __init__(self, log: SqliteEventLog, **secrets: str) -> None:
        self.log = log
        self.workspace = Workspace.objects.create(name="Main")
        self.source = self.workspace.sources.create(name="Web Shop", kind="http")
        self.row = self.workspace.destinations.create(name="Warehouse", kind="warehouse")
        self.row.sources.add(self.source)
        ledger.begin_destination(self.row.id, [self.source.id], log.counts())

    def send(self, *messages: Message, source: Source | None = None) -> None:
        source_id = (source or self.source).id
        self.log.append(Entry(source_id, each.type, 1_000, encode(each)) for each in messages)

    @property
    def ref(self) -> DestinationRef:
        ref = directory.destination(self.row.id)
        assert ref
        return ref

    @property
    def figures(self) -> DestinationReport:
        [row] = report(self.log.counts)
        assert row.balanced
        return row

    @property
    def file(self) -> Path:
        return location.default_file(self.row.id)

    def rows(self, table: str, columns: str = "*") -> list[tuple[Any, ...]]:
        with duckdb.connect(self.file, read_only=True) as connection:
            return connection.execute(f"SELECT {columns} FROM web_shop.{table} ORDER BY 1").fetchall()


@pytest.fixture
def shop(event_log: SqliteEventLog) -> Shop:
    return Shop(event_log)


def test_through_dlt_it_loads_on_a_schedule(shop: Shop, home: Path) -> None:
    url = f"filesystem://{home}/warehouses/files"
    shop.row.secrets = json.dumps({"url": url})
    shop.row.save()
    schedule = WAREHOUSE.schedule(shop.ref)
    assert schedule
    assert schedule.minutes == 15
    assert destination_settings.shown_values(shop.row)["schedule"] == "15m", (
        "what is read can be written back"
    )
    assert WAREHOUSE.parsed({"url": url, "schedule": "1h"})["schedule"] == "1h"
    assert "schedule" not in WAREHOUSE.parsed({"exclude": "pages"})
    assert "on a schedule" in WAREHOUSE.problems({"url": url, "schedule": "continuous"})["schedule"]
    assert not WAREHOUSE.problems({"url": url, "schedule": "1h"})
    assert not WAREHOUSE.problems({"url": "", "schedule": "continuous"})


def test_the_connection_to_files_is_tested_by_writing_them(shop: Shop, home: Path) -> None:
    shop.row.secrets = json.dumps({"url": f"filesystem://{home}/warehouses/files"})
    shop.row.save()
    assert [step.name for step in WAREHOUSE.connection_steps(shop.ref.secrets)] == ["reach", "write"]
    [finding] = WAREHOUSE.check(shop.ref)
    assert finding[:2] == ("ok", "Warehouse: the database can be reached, logged in to, written and read.")
    (home / "warehouses" / "files").rmdir()
    (home / "warehouses" / "files").write_text("in the way")
    [finding] = WAREHOUSE.check(shop.ref)
    assert finding[0] == "fail"
    assert "Files cannot be loaded at the moment" in finding[1]


def test_what_is_known_of_a_removed_warehouse_goes_and_its_files_stay(shop: Shop, home: Path) -> None:
    shop.row.secrets = json.dumps({"url": f"filesystem://{home}/warehouses/files"})
    shop.row.save()
    folder = location.dlt_folder(shop.row.id)
    load(WAREHOUSE._database(shop.ref), [Arrival("web", track("A"))])
    assert list(folder.iterdir())
    remove(shop.row)
    assert not folder.exists()
    assert list((home / "warehouses" / "files" / "web" / "a").iterdir())


Run_ = Callable[..., Callable[[], None]]


@pytest.fixture
def run() -> Iterator[Run_]:
    """Starts a consumer, which does not linger; what it returns stops it, and so does the end of the test."""
    running: list[Callable[[], None]] = []

    def start(shop: Shop, records: int = 10_000) -> Callable[[], None]:
        ref = shop.ref
        consumer = Consumer(
            event_log=shop.log,
            destination_id=ref.id,
            destination=WAREHOUSE.open(ref),
            route=WAREHOUSE.route(ref),
            policy=replace(
                WAREHOUSE.batch_policy(ref), records=records, linger_seconds=0.05, retry_cap_seconds=0.2
            ),
            schedule=WAREHOUSE.schedule(ref),
        )
        stop = threading.Event()

        def body() -> None:
            try:
                consumer.run(stop)
            finally:
                connections.close_all()

        thread = threading.Thread(target=body)
        thread.start()

        def end() -> None:
            stop.set()
            thread.join(20)
            assert not thread.is_alive()

        running.append(end)
        return end

    yield start
    for end in running:
        end()


def test_messages_become_rows_in_the_schema_of_their_source(shop: Shop, run: Run_, eventually: Any) -> None:
    run(shop)
    shop.send(track("Order Completed", {"total": 5}, message_id="m1"), identify({"age": 40}, message_id="m2"))
    eventually(lambda: shop.figures.delivered == 2, "they are delivered")
    assert shop.rows("order_completed", "id, total") == [("m1", 5)]
    assert shop.rows("users", "id, age") == [("ann", 40)]
    assert oct(shop.file.parent.stat().st_mode)[-3:] == "700"
    shop.source.name = "Another name"
    shop.source.save()
    shop.send(track("Order Completed", message_id="m3"))
    eventually(lambda: shop.figures.delivered == 3, "so is the next")
    assert len(shop.rows("order_completed")) == 2


def test_a_run_says_what_became_of_a_batch(shop: Shop, run: Run_, eventually: Any) -> None:
    shop.send(track("A", {"n": 1}), track("A", {"n": "x"}))
    run(shop)
    eventually(lambda: shop.figures.delivered == 2, "they are delivered")
    row = Run.objects.get()
    assert (row.messages, row.rows) == (2, {"web_shop.tracks": 2, "web_shop.a": 2})
    assert (row.rejected, row.error, row.waiting, row.problems) == ({"web_shop.a": 1}, "", 0, {})
    table = Table.objects.get(name="a")
    assert (table.rows, table.rejected, table.problem) == (2, 1, "")
    assert table.columns["n"] == "integer"
    assert WAREHOUSE.warnings(shop.ref) == ["Values rejected: 1. Their rows were loaded without them."]


def test_a_sync_is_one_run_however_many_loads_it_takes(
    shop: Shop, run: Run_, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syncs, "LOOK_SECONDS", 0.05)
    shop.row.settings = {"schedule": "daily"}
    shop.row.save()
    run(shop, records=2)
    shop.send(*(track("A", {"n": value}) for value in (1, 2, "x", 4, 5)))
    eventually(lambda: SyncRow.objects.exclude(counted_from=None).exists(), "it waits for its moment")
    assert (shop.figures.pending, Run.objects.exists()) == (5, False)
    syncs.request(shop.row.id)
    eventually(lambda: SyncRow.objects.exclude(ended_at=None).exists(), "the sync ends")
    row = Run.objects.get()
    assert (row.messages, row.rows) == (5, {"web_shop.tracks": 5, "web_shop.a": 5})
    assert (row.rejected, row.attempts, row.error) == ({"web_shop.a": 1}, 1, "")
    assert row.began_at == row.sync_began_at == SyncRow.objects.get().began_at
    with held(shop.file):
        shop.send(track("A"))
        syncs.request(shop.row.id)
        eventually(lambda: Run.objects.filter(attempts__gt=1, messages=0).exists(), "it is tried again")
        assert "is open in another program" in Run.objects.order_by("-id")[0].error
    eventually(lambda: shop.figures.delivered == 6, "it goes on")
    assert [(row.messages, row.error) for row in Run.objects.order_by("id")] == [(5, ""), (1, "")]


def test_while_somebody_has_the_file_open_it_waits_says_who_and_goes_on(
    shop: Shop, run: Run_, eventually: Any
) -> None:
    run(shop)
    shop.send(track("A", message_id="m1"))
    eventually(lambda: shop.figures.delivered == 1, "the first is delivered")
    with held(shop.file) as pid:
        shop.send(track("A", message_id="m2"))
        eventually(lambda: f"PID {pid}" in shop.figures.last_error, "it says who")
        eventually(lambda: Run.objects.filter(attempts__gt=1).exists(), "tries count as one run")
        assert shop.figures.pending == 1
    eventually(lambda: shop.figures.delivered == 2, "it goes on", seconds=10)
    assert shop.rows("a", "id") == [("m1",), ("m2",)]
    assert [bool(row.error) for row in Run.objects.order_by("id")] == [False, True, False]


def test_a_table_that_cannot_be_loaded_holds_up_its_rows_alone(
    shop: Shop, run: Run_, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sink, "TABLE_RETRY_SECONDS", 0.2)
    run(shop)
    shop.send(track("A", message_id="m1"))
    eventually(lambda: shop.figures.delivered == 1, "the first is delivered")
    with duckdb.connect(shop.file) as connection:
        connection.execute("ALTER TABLE web_shop.a RENAME TO old; CREATE VIEW web_shop.a AS SELECT 1 AS id")
    shop.send(track("A", message_id="m2"), track("B", message_id="m3"))
    eventually(lambda: shop.figures.delivered == 2, "the other is delivered")
    assert (shop.figures.awaiting_retry, shop.figures.pending) == (1, 1)
    assert "web_shop.a is a view" in Table.objects.get(name="a").problem
    assert "web_shop.a is a view" in WAREHOUSE.warnings(shop.ref)[0]
    eventually(lambda: Run.objects.order_by("-id")[0].attempts > 1, "tries count as one run")

    eventually(lambda: _drop_view(shop.file), "the view is dropped")
    eventually(lambda: shop.figures.delivered == 3, "what waited is delivered")
    assert shop.rows("a", "id") == [("m2",)]
    assert Table.objects.get(name="a").problem == ""


def test_a_table_that_waits_is_a_light_since_it_waited_first(
    shop: Shop, run: Run_, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sink, "TABLE_RETRY_SECONDS", 0.1)
    with duckdb.connect(_made(shop.file)) as connection:
        connection.execute("CREATE SCHEMA web_shop; CREATE VIEW web_shop.a AS SELECT 1 AS id")
    stop = run(shop)
    shop.send(track("A", message_id="m1"), track("B", message_id="m2"))
    eventually(lambda: shop.figures.awaiting_retry == 1, "it waits")
    [light] = WAREHOUSE.lights()
    assert (light.code, light.state, light.thing) == ("TABLE_BLOCKED", "warn", f"destination:{shop.row.id}")
    long_ago = datetime(2026, 1, 1, tzinfo=UTC)
    RetryEntry.objects.update(requested_at=long_ago)
    before = RetryEntry.objects.get().id
    eventually(lambda: RetryEntry.objects.exclude(id=before).exists(), "it is tried again")
    [light] = WAREHOUSE.lights()
    assert (light.state, light.since) == ("fail", long_ago)
    assert light.text == (
        "Warehouse: 1 message waits for web_shop.a since 2026-01-01 00:00 UTC: web_shop.a is a view and has to be a table. "
        "Rename or drop it, and it is made anew, and what waits is loaded."
    )
    backlog = health.read(shop.log).backlog(shop.row.id)
    assert backlog.oldest_at == long_ago
    stop()
    shop.row.settings = {"exclude": "a"}  # it is left out from now on
    shop.row.save()
    run(shop)
    eventually(lambda: shop.figures.delivered == 2, "nothing waits for it any more")
    assert not list(WAREHOUSE.lights())
    shop.send(track("B", message_id="m3"))
    eventually(lambda: shop.figures.delivered == 3, "the next one is loaded")
    assert not Table.objects.exclude(problem="").exists()


def test_a_table_that_very_much_waits_for_lets_new_messages_wait_in_the_log(
    shop: Shop, run: Run_, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sink, "TABLE_RETRY_SECONDS", 0.1)
    monkeypatch.setattr(sink, "MOST_WAITING", 2)
    with duckdb.connect(_made(shop.file)) as connection:
        connection.execute("CREATE SCHEMA web_shop; CREATE VIEW web_shop.a AS SELECT 1 AS id")
    run(shop)
    shop.send(track("A", message_id="m1"), track("A", message_id="m2"))
    eventually(lambda: shop.figures.awaiting_retry == 2, "they wait")
    shop.send(track("B", message_id="m3"), track("A", message_id="m4"))
    eventually(
        lambda: "2 messages of tables that cannot" in Run.objects.order_by("-id")[0].error, "it says so"
    )
    assert (shop.figures.awaiting_retry, shop.figures.unread) == (2, 2)
    eventually(lambda: _drop_view(shop.file), "the view is dropped")
    eventually(lambda: shop.figures.delivered == 4, "all is delivered")
    assert shop.rows("a", "id") == [("m1",), ("m2",), ("m4",)]


def _made(file: Path) -> Path:
    """The file, in a folder that is there."""
    file.parent.mkdir(exist_ok=True)
    return file


def _drop_view(file: Path) -> bool:
    """False while the file is being loaded."""
    try:
        with duckdb.connect(file) as connection:
            connection.execute("DROP VIEW web_shop.a")
    except duckdb.Error:
        return False
    return True


def test_forgetting_a_person_deletes_their_rows_and_says_how_many(
    shop: Shop, run: Run_, eventually: Any
) -> None:
    run(shop)
    shop.send(track("A", message_id="m1"), identify({"x": 1}), track("A", message_id="m2", user_id="bob"))
    eventually(lambda: shop.figures.delivered == 3, "they are delivered")
    row = erasure.request(shop.workspace.id, Identity.of(["ann"], []))
    eraser = Eraser(shop.log, lambda workspace: list(WAREHOUSE.erasure_handlers(workspace)))
    eventually(lambda: eraser.step(row), "the person is forgotten")
    assert row.receipt[0] == (
        "Warehouse: 4 rows deleted (web_shop.a 1, web_shop.identifies 1, web_shop.tracks 1, web_shop.users 1)."
    )
    assert shop.rows("a", "id") == [("m2",)]
    assert Table.objects.get(name="a").rows == 1
    shop.send(track("A", message_id="m4"))
    eventually(lambda: shop.figures.filtered == 1, "no message brings them back")


def test_a_delete_call_forgets_the_person(shop: Shop, run: Run_, eventually: Any) -> None:
    run(shop)
    shop.send(track("A", message_id="m1"), track("A", message_id="m2", user_id="bob"))
    eventually(lambda: shop.figures.delivered == 2, "they are delivered")
    shop.send(
        Message(
            type="delete",
            message_id="d",
            timestamp=track("A").timestamp,
            received_at=track("A").timestamp,
            user_id="ann",
        )
    )
    eventually(lambda: shop.figures.in_flight == 1, "it is taken")
    [row] = erasure.receipts(shop.workspace.id, Identity.of(["ann"], []))
    eraser = Eraser(shop.log, lambda workspace: list(WAREHOUSE.erasure_handlers(workspace)))
    eventually(lambda: eraser.step(row), "the person is forgotten")
    assert shop.figures.delivered == 3
    assert shop.rows("a", "id") == [("m2",)]


ANN = Identity.of(["ann"], [])


class TestErasureAttacked:
    """Whatever happens meanwhile, a person is forgotten completely, and what it waits for is said."""

    @pytest.fixture
    def eraser(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Eraser:
        monkeypatch.setattr(warehouse_erasure, "REFUSED_SECONDS", 0.0)
        return Eraser(shop.log, lambda workspace: list(WAREHOUSE.erasure_handlers(workspace)))

    def test_it_waits_for_a_file_that_somebody_has_open(
        self, shop: Shop, run: Run_, eventually: Any, eraser: Eraser
    ) -> None:
        run(shop)
        shop.send(track("A", message_id="m1"))
        eventually(lambda: shop.figures.delivered == 1, "it is delivered")
        row = erasure.request(shop.workspace.id, ANN)
        with held(shop.file):
            eventually(lambda: not eraser.step(row) and "WAREHOUSE_LOCKED" in _waits_for(row), "it says so")
            assert _waits_for(row).startswith("Warehouse does not delete the rows now: ")
            assert "ann" not in _waits_for(row)
        eventually(lambda: eraser.step(row), "the person is forgotten")
        assert row.receipt[0] == "Warehouse: 2 rows deleted (web_shop.a 1, web_shop.tracks 1)."
        assert _waits_for(row) == ""

    def test_a_warehouse_that_refuses_is_asked_again_later_for_whichever_person(
        self, shop: Shop, run: Run_, eventually: Any, monkeypatch: pytest.MonkeyPatch, *, eraser: Eraser
    ) -> None:
        run(shop)
        shop.send(track("A", message_id="m1"))
        eventually(lambda: shop.figures.delivered == 1, "it is delivered")
        monkeypatch.setattr(warehouse_erasure, "REFUSED_SECONDS", 3_600.0)
        rows = [erasure.request(shop.workspace.id, Identity.of([name], [])) for name in ("ann", "bob")]
        with held(shop.file):
            eventually(lambda: not eraser.step(rows[0]) and _waits_for(rows[0]), "it says so")
        eventually(lambda: not eraser.step(rows[1]) and _waits_for(rows[1]), "so does the other")
        monkeypatch.setattr(warehouse_erasure, "REFUSED_SECONDS", 0.0)
        eventually(lambda: all(map(eraser.step, rows)), "both are forgotten")

    def test_a_warehouse_is_looked_through_once_while_others_are_waited_for(
        self, shop: Shop, run: Run_, eventually: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run(shop)
        shop.send(track("A", message_id="m1"))
        eventually(lambda: shop.figures.delivered == 1, "it is delivered")
        [handler] = WAREHOUSE.erasure_handlers(shop.workspace.id)
        looks = []
        monkeypatch.setattr(warehouse_erasure, "erase", lambda *args: looks.append(1) or erase(*args))
        receipt = "Warehouse: 2 rows deleted (web_shop.a 1, web_shop.tracks 1)."
        assert [handler.erased(ANN) for _ in range(3)] == [receipt] * 3
        assert len(looks) == 1
        monkeypatch.setattr(warehouse_erasure, "LOOKED_THROUGH_SECONDS", 0.0)
        assert handler.erased(ANN) == receipt, "it has what all times deleted together"
        assert len(looks) == 2
        handler.erase(ANN, 0)
        assert handler.erased(ANN) == "Warehouse: 0 rows deleted."

    def test_a_destination_that_tries_again_keeps_no_erasure_waiting(
        self, shop: Shop, run: Run_, eventually: Any, eraser: Eraser
    ) -> None:
        run(shop)
        shop.send(track("A", message_id="m1"))
        eventually(lambda: shop.figures.delivered == 1, "it is delivered")
        row = erasure.request(shop.workspace.id, ANN)
        with held(shop.file):
            shop.send(track("A", message_id="m2"), track("A", message_id="m3", user_id="bob"))
            eventually(lambda: shop.figures.last_error, "it tries again")
            eventually(lambda: eraser.step(row) or _begun(row), "others are asked to erase")
        eventually(lambda: eraser.step(row), "the person is forgotten")
        eventually(lambda: shop.figures.pending == 0, "all is settled")
        assert (shop.figures.delivered, shop.figures.filtered) == (2, 1)
        assert shop.rows("a", "id") == [("m3",)]

    def test_what_waits_for_a_table_is_not_loaded_any_more(
        self, shop: Shop, run: Run_, eventually: Any, monkeypatch: pytest.MonkeyPatch, *, eraser: Eraser
    ) -> None:
        monkeypatch.setattr(sink, "TABLE_RETRY_SECONDS", 0.1)
        with duckdb.connect(_made(shop.file)) as connection:
            connection.execute("CREATE SCHEMA web_shop; CREATE VIEW web_shop.a AS SELECT 1 AS id")
        run(shop)
        shop.send(track("A", message_id="m1"), track("A", message_id="m2", user_id="bob"))
        eventually(lambda: shop.figures.awaiting_retry == 2, "they wait")
        row = erasure.request(shop.workspace.id, ANN)  # nobody carries it out yet
        eventually(lambda: shop.figures.filtered == 1, "it is filtered")
        eventually(lambda: _drop_view(shop.file), "the view is dropped")
        eventually(lambda: shop.figures.pending == 0, "the other is loaded")
        eventually(lambda: eraser.step(row), "the person is forgotten")
        assert shop.rows("a", "id") == shop.rows("tracks", "id") == [("m2",)]

    @pytest.mark.parametrize("how", ["new", "again", "replay"])
    def test_it_waits_for_a_batch_that_was_read_before(
        self,
        shop: Shop,
        *,
        run: Run_,
        eventually: Any,
        monkeypatch: pytest.MonkeyPatch,
        eraser: Eraser,
        how: str,
    ) -> None:
        reached, go_on = threading.Event(), threading.Event()

        def slow(*args: Any, **options: Any) -> Any:
            if shop.log.counts().end:
                reached.set()
                go_on.wait(60)
            return load(*args, **options)

        if how != "new":
            stop = run(shop)
            shop.send(track("A", message_id="m1"))
            eventually(lambda: shop.figures.delivered == 1, "it is delivered")
            stop()  # it has ended: two consumers of one destination would take the batch from each other
            shop.file.unlink()
            body = encode(track("A", message_id="m1"))
            if how == "again":
                again = {"position": 1, "total": 1, "source_id": shop.source.id}
                RetryEntry.objects.create(destination_id=shop.row.id, body=body, **again)
            else:
                replay.request(shop.row.id, PositionRange(0, 1), None, 1)
        monkeypatch.setattr(sink, "load", slow)
        run(shop)
        if how == "new":
            shop.send(track("A", message_id="m1"))
        assert reached.wait(60)
        row = erasure.request(shop.workspace.id, ANN)
        for _ in range(3):
            assert not eraser.step(row)
        assert _waits_for(row).startswith(f"It waits until destination:{shop.row.id} has read ")
        go_on.set()
        eventually(lambda: eraser.step(row), "the person is forgotten")
        assert row.receipt[0] == "Warehouse: 2 rows deleted (web_shop.a 1, web_shop.tracks 1)."
        assert shop.rows("a", "id") == []

    def test_it_finds_what_a_worker_loaded_that_was_killed_before_it_could_say_so(
        self, shop: Shop, run: Run_, eventually: Any, eraser: Eraser
    ) -> None:
        shop.send(track("A", message_id="m1"), track("A", message_id="m2", user_id="bob"))
        schema = schema_of(shop.row.id, shop.source.id, {})
        calls = [track("A", message_id="m1"), track("A", message_id="m2", user_id="bob")]
        load(DuckDB(shop.file), [Arrival(schema, call) for call in calls])
        row = erasure.request(shop.workspace.id, ANN)
        assert not eraser.step(row), "its position is behind"
        run(shop)
        eventually(lambda: eraser.step(row), "the person is forgotten")
        assert (shop.figures.delivered, shop.figures.filtered) == (1, 1)
        assert shop.rows("a", "id") == shop.rows("tracks", "id") == [("m2",)]

    def test_no_replay_brings_anything_back(
        self, shop: Shop, run: Run_, eventually: Any, eraser: Eraser
    ) -> None:
        run(shop)
        shop.send(track("A", message_id="m1"), track("A", message_id="m2", user_id="bob"))
        eventually(lambda: shop.figures.delivered == 2, "they are delivered")
        row = erasure.request(shop.workspace.id, ANN)
        eventually(lambda: eraser.step(row), "the person is forgotten")
        replay.request(shop.row.id, PositionRange(0, 2), None, 2)
        eventually(lambda: shop.figures.replayed == 2, "both are read again")
        assert (shop.figures.delivered, shop.figures.filtered) == (3, 1)
        assert shop.rows("a", "id") == shop.rows("tracks", "id") == [("m2",)]


def _waits_for(row: Erasure) -> str:
    row.refresh_from_db()
    return row.waits_for


def _begun(row: Erasure) -> bool:
    row.refresh_from_db()
    return row.begun_at is not None


class TestSchemas:
    def test_two_sources_never_share_one(self, shop: Shop, run: Run_, eventually: Any) -> None:
        other = shop.workspace.sources.create(name="web-shop", kind="http")
        third = shop.workspace.sources.create(name="日本", kind="http")
        shop.row.sources.add(other, third)
        ledger.begin_destination(shop.row.id, [shop.source.id, other.id, third.id], shop.log.counts())
        run(shop)
        for source in (shop.source, other, third):
            shop.send(track("A"), source=source)
        eventually(lambda: shop.figures.delivered == 3, "they are delivered")
        names = set(Schema.objects.values_list("name", flat=True))
        assert names == {"web_shop", "web_shop_2", f"source_{third.id}"}

    def test_a_schema_can_be_chosen_before_the_first_load(
        self, shop: Shop, run: Run_, eventually: Any
    ) -> None:
        shop.row.settings = {"schemas": {"Web Shop": "shop"}}
        shop.row.save()
        run(shop)
        shop.send(track("A"))
        eventually(lambda: shop.figures.delivered == 1, "it is delivered")
        assert Schema.objects.get().name == "shop"

    @pytest.mark.parametrize(
        "schemas", [{"a": "B"}, {"a": "x y"}, {"a": 1}, {"a": "x", "b": "x"}, {"a": "pg_x"}]
    )
    def test_what_is_no_schema_is_refused(self, schemas: dict[str, Any]) -> None:
        assert WAREHOUSE.problems({"schemas": schemas})["schemas"].endswith(".")


def test_tables_and_columns_can_be_left_out(shop: Shop, run: Run_, eventually: Any) -> None:
    shop.row.settings = {"exclude": "users, a.coupon\n*.context_ip"}
    shop.row.save()
    run(shop)
    context = {"ip": "10.0.0.1", "locale": "en"}
    shop.send(track("A", {"coupon": "X", "total": 1}, context=context), identify({"age": 1}, context=context))
    eventually(lambda: shop.figures.delivered == 2, "they are delivered")
    tables = {row.name: set(row.columns) for row in Table.objects.all()}
    assert set(tables) == {"tracks", "a", "identifies"}
    assert tables["a"] & {"coupon", "total", "context_ip", "context_locale"} == {"total", "context_locale"}


@pytest.mark.parametrize("text", ["*", "a b.c.d", "Orders", "tracks.id", "*.user_id", "x;y"])
def test_what_cannot_be_left_out_is_refused(text: str) -> None:
    assert "is neither a table" in (problem := WAREHOUSE.problems({"exclude": text})["exclude"]) or (
        "is a column that every row needs" in problem
    )


class TestIntegrationsObject:
    @pytest.mark.parametrize(
        ("integrations", "is_meant"),
        [
            (None, True),
            ({"All": False}, True),
            ({"All": False, "Warehouses": {"all": False}}, False),
            ({"Warehouses": {"all": False}}, False),
            ({"Warehouses": {"all": True}}, True),
            ({"Warehouses": {}}, True),
            ({"Warehouses": False}, False),
            ({"Warehouses": True}, True),
            ({"Warehouses": {"warehouseIds": ["THIS"]}}, True),
            ({"Warehouses": {"all": False, "warehouseIds": ["other", "THIS"]}}, True),
            ({"Warehouses": {"warehouseIds": ["other"]}}, False),
            ({"Warehouses": {"warehouseIds": []}}, False),
        ],
    )
    def test_it_is_obeyed_as_segment_does(
        self,
        shop: Shop,
        integrations: dict[str, Any] | None,
        is_meant: bool,  # noqa: FBT001 - of the table above
    ) -> None:
        text = json.dumps(integrations).replace("THIS", str(shop.row.id))
        call = track("A", integrations=json.loads(text))
        decision = WAREHOUSE.route(shop.ref).decide(call, shop.source.id)
        assert (decision.reason is None) is is_meant


def test_a_preview_shows_rows_and_rejections(shop: Shop) -> None:
    preview = WAREHOUSE.preview(shop.ref, track("A", {"total": 5, "user_id": "x"}))
    assert "\n  total = 5\n" in preview.request
    assert "user_id is rejected: the name is reserved" in preview.request


@pytest.mark.parametrize("key", ["id", "user_id", "received_at", "event", "total", "order_completed", "ctid"])
def test_a_key_of_engage_is_refused_if_its_value_had_no_column(shop: Shop, key: str) -> None:
    """Whatever is not refused has its column wherever Engage's calls are."""
    rows = [
        row
        for call in (identify({key: True}), track("Audience Entered", {"audience_key": key, key: True}))
        for row in rows_of(call)
        if row.table != "tracks"
    ]
    has_column = all(row.values.get(key) is True for row in rows)
    assert (key in WAREHOUSE.engage_key_problems(shop.ref, {key: ValueType.BOOLEAN})) is not has_column


def configure(monkeypatch: pytest.MonkeyPatch, **values: Any) -> None:
    monkeypatch.setattr(settings, "CONFIG", replace(settings.CONFIG, **values))


class TestWhere:
    @pytest.fixture(autouse=True)
    def _home(self, shop: Shop) -> None:
        self.shop = shop

    @pytest.mark.parametrize(
        "url",
        [
            "mysql://host/db",
            "oracle://u:p@h/d",
            "no url",
            "postgresql://host/db",
            "postgresql://user:secret-word@host",
            "postgresql://user:secret-word@host/db?options=-c%20x",
            "postgresql://user:secret-word@/db?host=/var/run",
            "postgresql://user:secret-word@a,b/db",
            "postgresql://user:secret-word@host:99999/db",
            "postgresql://user:secret-word@host/db?sslmode=no",
            "duckdb:///etc/passwd",
            "duckdb:///",
            "duckdb://host/file",
            "duckdb:///{home}/warehouses",
            "duckdb:///{home}/warehouses/../state.db",
            "duckdb:///{home}/warehouses/%2e%2e/state.db",
            "duckdb:///{home}/warehouses/x.duckdb?access_mode=x",
        ],
    )
    def test_what_names_no_warehouse_is_refused_without_its_password(self, url: str, home: Path) -> None:
        problem = WAREHOUSE.problems({"url": url.replace("{home}", str(home))})["url"]
        assert problem.endswith(".")
        assert "secret-word" not in problem

    def test_a_link_out_of_the_folder_is_followed_and_refused(self, home: Path, tmp_path: Path) -> None:
        (home / "warehouses").mkdir()
        (home / "warehouses" / "link").symlink_to(tmp_path)
        assert (
            "has to be in" in WAREHOUSE.problems({"url": f"duckdb://{home}/warehouses/link/x.duckdb"})["url"]
        )

    def test_the_operator_can_allow_other_folders(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        configure(monkeypatch, warehouse_dirs=(tmp_path,))
        assert not WAREHOUSE.problems({"url": f"duckdb://{tmp_path}/a%20b.duckdb"})

    def test_the_file_of_another_warehouse_is_refused(self, home: Path) -> None:
        mine, other = self.shop.row, self.shop.workspace.destinations.create(name="Other", kind="warehouse")
        self._set_url(mine, f"duckdb://{location.default_file(other.id)}")
        with pytest.raises(Exception, match="the file is that of another warehouse"):
            WAREHOUSE.open(self.shop.ref)

    def test_a_file_of_another_workspace_is_refused(self, home: Path) -> None:
        elsewhere = Workspace.objects.create(name="Elsewhere")
        url = f"duckdb://{home}/warehouses/shared.duckdb"
        self._set_url(elsewhere.destinations.create(name="Theirs", kind="warehouse"), url)
        self._set_url(self.shop.row, url)
        with pytest.raises(Exception, match="the file is that of another warehouse"):
            WAREHOUSE.open(self.shop.ref)

    @pytest.mark.parametrize("url", ["duckdb://{folder}/shop.duckdb", "filesystem://{folder}/shop"])
    def test_what_a_removed_warehouse_has_left_is_of_its_workspace_alone(self, home: Path, url: str) -> None:
        """Was taken over in silence, with all that another workspace had loaded."""
        url = url.format(folder=home / "warehouses")
        elsewhere = Workspace.objects.create(name="Elsewhere")
        theirs = elsewhere.destinations.create(name="Theirs", kind="warehouse")
        self._set_url(theirs, url)
        ref = directory.destination(theirs.id)
        assert ref
        WAREHOUSE.open(ref)
        load(WAREHOUSE._database(ref), [Arrival("web", track("A"))])
        remove(theirs)
        self._set_url(self.shop.row, url)
        with pytest.raises(PauseError, match=r"another workspace has made the (file|folder) shop") as caught:
            WAREHOUSE.open(self.shop.ref)
        assert caught.value.code == "INVALID_SETTINGS"
        if url.startswith("filesystem"):  # nor what is in it
            self._set_url(self.shop.row, f"duckdb://{home}/warehouses/shop/web/x.duckdb")
            with pytest.raises(PauseError, match="another workspace has made"):
                WAREHOUSE.open(self.shop.ref)
        self._set_url(self.shop.row, url)
        draft = ConnectionDraft(self.shop.workspace.id, WAREHOUSE.values(self.shop.ref), self.shop.row.id, [])
        assert "failed" in [step.state for step in WAREHOUSE.check_connection(draft)], (
            "it is said where it is set up"
        )

        self._set_url(self.shop.row, "")
        again = elsewhere.destinations.create(name="Again", kind="warehouse")
        self._set_url(again, url)
        again_ref = directory.destination(again.id)
        assert again_ref
        assert WAREHOUSE.open(again_ref), "its own workspace goes on with it"
        remove(again)
        self._set_url(self.shop.row, url)
        kept = Path(url.partition("://")[2])
        kept.rename(kept.with_name("kept"))
        assert WAREHOUSE.open(self.shop.ref), "what is not there any more is nobody's"

    def test_a_folder_of_files_is_of_one_warehouse_alone(self, home: Path) -> None:
        folder = home / "warehouses" / "files"
        other = self.shop.workspace.destinations.create(name="Other", kind="warehouse")
        self._set_url(other, f"filesystem://{folder}")
        for url in (f"filesystem://{folder}", f"filesystem://{folder}/below", f"duckdb://{folder}/x.duckdb"):
            self._set_url(self.shop.row, url)
            with pytest.raises(PauseError, match="is that of another warehouse"):
                WAREHOUSE.open(self.shop.ref)
        self._set_url(self.shop.row, f"filesystem://{home}/warehouses/more")
        assert WAREHOUSE.open(self.shop.ref)

    def test_a_folder_has_to_be_where_warehouses_may_be(self, home: Path) -> None:
        for path in ("/etc/x", f"{home}/warehouses", f"{home}/warehouses/../x", f"{home}/warehouses/1.dlt/x"):
            assert WAREHOUSE.problems({"url": f"filesystem://{path}"})["url"]

    def test_google_without_a_key_is_held(self) -> None:
        self._set_url(self.shop.row, "bigquery://project")
        with pytest.raises(PauseError, match="BigQuery needs the JSON key"):
            WAREHOUSE.open(self.shop.ref)
        assert "no JSON key" in WAREHOUSE.problems({"key": '{"a": 1}'})["key"]

    def test_the_host_of_any_database_is_judged(self) -> None:
        self._set_url(self.shop.row, "clickhouse://u:p@169.254.169.254/d")
        with pytest.raises(PauseError, match="does not connect to"):
            load(WAREHOUSE._database(self.shop.ref), [Arrival("web", track("A"))])
        self._set_url(self.shop.row, "s3://K:S@bucket?endpoint=http://169.254.169.254")
        with pytest.raises(PauseError, match="does not connect to"):
            load(WAREHOUSE._database(self.shop.ref), [Arrival("web", track("A"))])

    def _set_url(self, row: Destination, url: str) -> None:
        row.secrets = f'{{"url": "{url}"}}'
        row.save()

    @pytest.mark.parametrize(
        ("url", "shown"),
        [
            ("postgresql://u:p%40w@h:1/d", "postgresql://u:••••••••@h:1/d"),
            ("postgresql://u@h/d", "postgresql://u@h/d"),
            ("duckdb:///x/y.duckdb", "duckdb:///x/y.duckdb"),
            ("postgresql://u:p@[bad/d", "••••••••"),
        ],
    )
    def test_a_url_is_shown_without_its_password(self, url: str, shown: str) -> None:
        assert location.shown_url(url) == shown

    @pytest.mark.parametrize(
        "address", ["169.254.169.254", "fd00:ec2::254", "0.0.0.0", "224.0.0.1", "169.254.1.1"]
    )
    def test_metadata_services_and_their_like_are_never_connected_to(
        self, address: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for text in ("", "169.254.0.0/16, fd00::/8, 0.0.0.0, 224.0.0.1"):
            configure(monkeypatch, warehouse_networks=private_networks(text))
            with pytest.raises(Exception, match="does not connect to"):
                location.find_addresses(address, 5432)

    def test_the_operator_can_name_the_networks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert location.find_addresses("127.0.0.1", 5432) == ["127.0.0.1"]
        configure(monkeypatch, warehouse_networks=private_networks("10.0.0.0/8, localhost"))
        with pytest.raises(Exception, match="JETBRIDGE_WAREHOUSE_NETWORKS"):
            location.find_addresses("127.0.0.1", 5432)
        assert location.find_addresses("localhost", 5432)
        assert location.find_addresses("10.1.1.1", 5432) == ["10.1.1.1"]
