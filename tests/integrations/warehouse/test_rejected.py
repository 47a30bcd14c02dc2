"""Rejected values, read from the warehouse itself."""

import ast
import subprocess
import sys
import threading
from inspect import getsource
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from jetbridge.errors import TransientError
from jetbridge.integrations.warehouse import column_types, rejected, rows, table
from jetbridge.integrations.warehouse.duckdb import DuckDB
from jetbridge.integrations.warehouse.postgres import PostgreSQL
from jetbridge.integrations.warehouse.rejected import Filter, Kind, Rejected

from .conftest import NOON, Warehouse, open_duckdb, track
from .test_duckdb import held

WRITER = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


def fill(warehouse: Warehouse) -> None:
    """Three values of one kind, one of another, and one of another schema."""
    warehouse.load(track("Order Completed", {"total": 5}, message_id="m0"))
    for number in range(1, 4):
        warehouse.load(track("Order Completed", {"total": "five"}, message_id=f"m{number}", at=number))
    warehouse.load(track("Order Completed", {"event": "x"}, message_id="m4", at=9))
    warehouse.load(track("A", {"user_id": "y"}, message_id="m5"), schema="app")


def read(warehouse: Warehouse, *wanted: str, **bounds: int) -> Rejected:
    return rejected.read(warehouse.database, ["web", "app", "not_loaded_yet"], Filter(*wanted), **bounds)


def test_they_are_counted_by_table_column_and_reason_and_listed_newest_first(warehouse: Warehouse) -> None:
    fill(warehouse)
    found = read(warehouse)
    assert found.kinds == [
        Kind("web.order_completed", "total", "the column is of type integer", 3),
        Kind("app.a", "user_id", "the name is reserved", 1),
        Kind("web.order_completed", "event", "the name is reserved", 1),
    ]
    assert [(value.row_id, value.value) for value in found.values] == [
        ("m4", '"x"'), ("m3", '"five"'), ("m2", '"five"'), ("m1", '"five"'), ("m5", '"y"'),
    ]  # fmt: skip
    assert found.values[-1].received_at == NOON
    assert found.next is None


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (["web.order_completed"], ["m4", "m3", "m2", "m1"]),
        (["", "total"], ["m3", "m2", "m1"]),
        (["", "", "the name is reserved"], ["m4", "m5"]),
        (["app.a", "user_id", "the name is reserved"], ["m5"]),
        (["web.order_completed' OR '1'='1"], []),
        (["web.a"], []),
    ],
)
def test_a_filter_leaves_those_that_fit(
    duckdb_warehouse: Warehouse, wanted: list[str], ids: list[str]
) -> None:
    fill(duckdb_warehouse)
    found = read(duckdb_warehouse, *wanted)
    assert [value.row_id for value in found.values] == ids
    assert sum(kind.values for kind in found.kinds) == 5


def test_pages_follow_each_other_and_end_at_a_bound(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(warehouse)
    first = read(warehouse, limit=2)
    assert first.next == 2
    second = read(warehouse, skip=first.next, limit=2)
    assert [[value.row_id for value in page.values] for page in (first, second)] == [
        ["m4", "m3"],
        ["m2", "m1"],
    ]
    assert read(warehouse, skip=4, limit=2).next is None
    monkeypatch.setattr(rejected, "MOST_LISTED", 3)
    last = read(warehouse, skip=2, limit=2)
    assert ([value.row_id for value in last.values], last.next) == (["m2"], None)
    assert read(warehouse, skip=3, limit=2).values == []


def test_a_long_value_is_cut(warehouse: Warehouse) -> None:
    warehouse.load(track("A", {"event": "x" * 5_000}))
    [value] = read(warehouse).values
    assert value.value == '"' + "x" * 499


def test_what_somebody_has_put_in_its_place_is_not_read(warehouse: Warehouse) -> None:
    fill(warehouse)
    warehouse.run('DROP TABLE app."_rejected_values"')
    warehouse.run("CREATE VIEW app.\"_rejected_values\" AS SELECT 'secret' AS table_name")
    warehouse.run('ALTER TABLE web."_rejected_values" DROP COLUMN reason')
    assert read(warehouse) == Rejected()


def test_rows_without_values_are_shown_as_they_are(warehouse: Warehouse) -> None:
    fill(warehouse)
    warehouse.run('INSERT INTO web."_rejected_values" (row_id) VALUES (NULL)')
    values = read(warehouse).values
    assert (values[-1].table, values[-1].reason, values[-1].received_at) == ("web.", "", None)


def test_before_the_first_load_there_are_none(tmp_path: Path) -> None:
    assert rejected.read(DuckDB(tmp_path / "none.duckdb"), ["web"]) == Rejected()
    assert not (tmp_path / "none.duckdb").exists()


def test_it_waits_for_a_load_to_end(tmp_path: Path) -> None:
    warehouse = open_duckdb(tmp_path / "w.duckdb")
    fill(warehouse)
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, tmp_path / "w.duckdb"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdin
        assert writer.stdout
        assert writer.stdout.readline() == b"open\n"
        with (
            pytest.raises(TransientError, match=rf"w\.duckdb is open .*PID {writer.pid}"),
            warehouse.database.reading(0.1),
        ):
            pytest.fail("it was read while somebody wrote")
        threading.Timer(0.3, writer.stdin.close).start()
        with warehouse.database.reading(60):
            pass
    assert read(warehouse).kinds


def test_a_slow_statement_is_ended(warehouse: Warehouse) -> None:
    fill(warehouse)
    slow = "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b"
    with pytest.raises(TransientError), warehouse.database.reading(0.3) as session:
        session.select(slow)


def test_reading_changes_nothing_and_reaches_no_other_file(warehouse: Warehouse, tmp_path: Path) -> None:
    fill(warehouse)
    (tmp_path / "other.csv").write_text("secret\n1\n")
    wrong = ["DELETE FROM web.tracks"]
    if warehouse.engine == "duckdb":
        wrong += [f"SELECT * FROM '{tmp_path}/other.csv'", f"ATTACH '{tmp_path}/more.duckdb'"]
    for sql in wrong:
        with pytest.raises(TransientError), warehouse.database.reading(5) as session:
            session.execute(sql)
    assert len(warehouse.rows("tracks")) == 5


def test_a_server_that_is_down_is_said(tmp_path: Path) -> None:
    database = PostgreSQL({"host": "127.0.0.1", "port": 1, "user": "a", "dbname": "b"})
    with pytest.raises(TransientError, match="PostgreSQL cannot be read at the moment"):
        rejected.read(database, ["web"])


def reasons(module: ModuleType) -> set[str]:
    """The reasons that a module gives; parts that are filled in are left out."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(getsource(module))):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in {"Misfit", "Rejection", "_reject", "reject"}:
            found.add(text_of(node.args[-1]))
    return found - {""}


def text_of(node: Any) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "1" for part in node.values)
    return ""


def test_every_reason_has_advice_and_every_advice_a_reason() -> None:
    given = set().union(*map(reasons, (column_types, rows, table)))
    given |= {rows._RESERVED_NAME, rows._TAKEN_NAME, "nothing is left of the name"}
    assert len(given) > 12
    assert {reason for reason in given if not rejected.advice(reason)} == set()
    assert {
        start for start in rejected.ADVICE if not any(reason.startswith(start) for reason in given)
    } == set()
    assert rejected.advice("somebody else's reason") == ""


def test_somebody_who_reads_is_not_in_the_way(tmp_path: Path) -> None:
    warehouse = open_duckdb(tmp_path / "w.duckdb")
    fill(warehouse)
    with held(tmp_path / "w.duckdb"):
        assert len(read(warehouse).kinds) == 3
