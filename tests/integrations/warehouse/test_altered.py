"""What people do to a schema: it holds up the table that it was done to, and no other."""

import pytest

from .conftest import Warehouse, identify, track


def test_a_table_that_was_dropped_is_made_anew(warehouse: Warehouse) -> None:
    warehouse.load(track("A", {"n": 1}))
    warehouse.run("DROP TABLE web.a")
    assert not warehouse.load(track("A", {"m": 2})).waiting
    assert warehouse.rows("a", "m") == [(2,)]
    assert "n" not in warehouse.columns("a")


@pytest.mark.parametrize("change", ["DROP COLUMN n", "RENAME COLUMN n TO old"])
def test_a_column_that_was_dropped_or_renamed_is_added_again(warehouse: Warehouse, change: str) -> None:
    warehouse.load(track("A", {"n": 1}, at=0))
    warehouse.run(f"ALTER TABLE web.a {change}")
    assert not warehouse.load(track("A", {"n": "x"}, at=1)).waiting
    assert warehouse.rows("a", "n", order="timestamp") == [(None,), ("x",)]


@pytest.mark.parametrize("column", ["sent_at", "user_id", "event"])
def test_a_column_of_ours_that_was_dropped_is_added_again_in_its_type(
    warehouse: Warehouse, column: str
) -> None:
    warehouse.load(track("A", sent_at="2026-11-29T12:00:00Z"))
    before = warehouse.columns("a")
    warehouse.run(f'ALTER TABLE web.a DROP COLUMN "{column}"')
    warehouse.load(track("A", sent_at="2026-11-29T12:00:00Z"))
    assert warehouse.columns("a") == before


def test_a_column_of_a_type_that_is_not_ours_rejects_its_values_only(warehouse: Warehouse) -> None:
    warehouse.load(track("A", {"n": 1}, at=0))
    warehouse.run("ALTER TABLE web.a ALTER COLUMN n TYPE NUMERIC(10, 2)")
    result = warehouse.load(track("A", {"n": 2, "m": 3}, at=1))
    assert not result.waiting
    assert [(float(n) if n else n, m) for n, m in warehouse.rows("a", "n, m", order="timestamp")] == [
        (1.0, None),
        (None, 3),
    ]
    [(table, column, value, reason)] = warehouse.rejected()
    assert (table, column, value) == ("a", "n", "2")
    assert "numeric" in reason.lower() or "decimal" in reason.lower()


ALTERATIONS = {
    "a view": (
        "ALTER TABLE web.a RENAME TO a_old; CREATE VIEW web.a AS SELECT * FROM web.a_old",
        "web.a is a view and has to be a table. Rename or drop it, and it is made anew, and what waits is loaded.",
        "DROP VIEW web.a",
    ),
    "without id": (
        "ALTER TABLE web.a DROP COLUMN id",
        "web.a has no column id any more. Add it again, or rename the table, ",
        "DROP TABLE web.a",
    ),
    "an id of numbers": (
        "DROP TABLE web.a; CREATE TABLE web.a (id BIGINT)",
        "The column id of web.a has the type BIGINT and needs ",
        "DROP TABLE web.a",
    ),
    "a column that must be filled": (
        "ALTER TABLE web.a ALTER COLUMN anonymous_id SET NOT NULL",
        " refuses web.a: ",
        "ALTER TABLE web.a ALTER COLUMN anonymous_id DROP NOT NULL",
    ),
}


@pytest.mark.parametrize("alteration", ALTERATIONS)
def test_a_table_that_cannot_be_loaded_holds_up_itself_alone(warehouse: Warehouse, alteration: str) -> None:
    alter, problem, repair = ALTERATIONS[alteration]
    warehouse.load(track("A", {"n": 1}, message_id="m0", anonymous_id="x"))
    warehouse.run(alter)
    calls = [
        track("A", {"n": 2}, message_id="m1"),
        track("B", {"n": 3}, message_id="m2"),
        identify({"n": 4}, message_id="m3"),
    ]
    result = warehouse.load(*calls)
    assert list(result.waiting) == [0]
    assert problem.lower() in result.waiting[0].lower()
    assert {str(table) for table in result.problems} == {"web.a"}
    assert warehouse.rows("tracks", "id") == [("m0",), ("m1",), ("m2",)]
    assert warehouse.rows("b", "id, n") == [("m2", 3)]
    assert warehouse.rows("users", "id, n") == [("ann", 4)]

    warehouse.run(repair)
    assert not warehouse.load(*calls).waiting
    assert ("m1", 2) in warehouse.rows("a", "id, n")
    assert warehouse.rows("tracks", "id") == [("m0",), ("m1",), ("m2",)]


@pytest.mark.parametrize("table", ["_users_times", "users"])
def test_users_that_cannot_be_loaded_hold_up_themselves_alone(warehouse: Warehouse, table: str) -> None:
    warehouse.run("CREATE SCHEMA web")
    warehouse.run(f"CREATE VIEW web.{table} AS SELECT 1 AS id")
    call = identify({"n": 1}, message_id="m")
    assert f"web.{table} is a view" in warehouse.load(call).waiting[0]
    assert warehouse.rows("identifies", "id, n") == [("m", 1)]
    warehouse.run(f"DROP VIEW web.{table}")
    assert not warehouse.load(call).waiting
    assert warehouse.rows("users", "id, n") == [("ann", 1)]
    assert warehouse.rows("identifies", "id, n") == [("m", 1)]


def test_rows_wait_only_if_the_value_they_come_without_cannot_be_kept(warehouse: Warehouse) -> None:
    warehouse.load(track("A", {"n": 1}, message_id="m0"))
    warehouse.run("CREATE VIEW web._rejected_values AS SELECT 1 AS row_id")
    calls = [
        track("A", {"n": "x"}, message_id="m1"),
        track("A", {"n": 2}, message_id="m2"),
        identify({"日本": 1}, message_id="m3"),
    ]
    result = warehouse.load(*calls)
    assert list(result.waiting) == [0, 2]
    assert "web._rejected_values is a view" in result.waiting[0]
    assert warehouse.rows("a", "id, n") == [("m0", 1), ("m2", 2)]
    warehouse.run("DROP VIEW web._rejected_values")
    assert not warehouse.load(*calls).waiting
    assert len(warehouse.rows("a", "id")) == 3
    assert [row[:2] for row in warehouse.rejected()] == [("a", "n"), ("identifies", "日本")]


def test_times_that_nobody_can_read_hold_up_users_alone(warehouse: Warehouse) -> None:
    warehouse.load(identify({"n": 1}))
    warehouse.run("UPDATE web._users_times SET times = 'hello'")
    result = warehouse.load(identify({"n": 2}, at=1), track("A"))
    assert list(result.waiting) == [0]
    assert "web._users_times" in result.waiting[0]
    assert len(warehouse.rows("a")) == 1


class TestLimits:
    def test_a_message_adds_at_most_200_columns(self, warehouse: Warehouse) -> None:
        warehouse.load(track("A", {f"p{number}": number for number in range(210)}))
        warehouse.load(track("A", {f"q{number}": number for number in range(10)}))
        columns = warehouse.columns("a")
        assert sum(name.startswith("p") for name in columns) == 200
        assert sum(name.startswith("q") for name in columns) == 10
        rejected = warehouse.rejected()
        assert len(rejected) == 10
        assert rejected[0] == ("a", "p200", "200", "the message has 200 new columns already")

    def test_a_table_has_at_most_1000_columns(self, warehouse: Warehouse) -> None:
        for batch in range(6):
            warehouse.load(track("A", {f"b{batch}_{number}": number for number in range(200)}))
        assert len(warehouse.columns("a")) == 1_000
        rejected = warehouse.rejected()
        assert len(rejected) == 1_200 - (1_000 - 9)
        assert {reason for *_, reason in rejected} == {"the table has 1000 columns already"}

    def test_a_row_has_at_most_300_values_and_fits_wherever_it_goes(self, warehouse: Warehouse) -> None:
        for batch in range(2):
            warehouse.load(track("A", {f"b{batch}_{number}": "x" for number in range(200)}))
        wide = {f"b{batch}_{number}": "0123456789abcdefghi" for batch in range(2) for number in range(200)}
        result = warehouse.load(track("A", wide, message_id="wide"))
        assert not result.waiting
        rejected = warehouse.rejected()
        assert len(rejected) == 400 - (300 - 6)
        assert {reason for *_, reason in rejected} == {"the row has 300 values already"}
