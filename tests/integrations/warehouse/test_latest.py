"""`users` and `accounts`: the latest value of each column, whatever the order, the batches and the repetitions."""

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from jetbridge.integrations.warehouse.rows import rows_of
from jetbridge.spec.message import Message

from .conftest import Warehouse, identify, message, open_duckdb


def test_the_latest_value_of_each_column_stays(warehouse: Warehouse) -> None:
    warehouse.load(identify({"age": 40, "plan": "free"}, at=1))
    warehouse.load(identify({"age": 41}, at=3), identify({"plan": "pro"}, at=2), identify({"age": 39}, at=0))
    assert warehouse.rows("users", "id, age, plan") == [("ann", 41, "pro")]


def test_null_clears_and_an_older_value_does_not_come_back(warehouse: Warehouse) -> None:
    warehouse.load(identify({"age": 40, "plan": "pro"}, at=1))
    warehouse.load(identify({"age": None}, at=3))
    warehouse.load(identify({"age": 41}, at=2))
    assert warehouse.rows("users", "age, plan") == [(None, "pro")]


def test_null_that_comes_before_the_older_value(warehouse: Warehouse) -> None:
    warehouse.load(identify({"age": None, "plan": "pro"}, at=3))
    warehouse.load(identify({"age": 41}, at=2), identify({"age": 5}, user_id="bob", at=2))
    assert warehouse.rows("users", "id, age, plan") == [("ann", None, "pro"), ("bob", 5, None)]


def test_at_equal_times_the_greater_message_id_wins(warehouse: Warehouse) -> None:
    warehouse.load(identify({"age": 1}, message_id="b"), identify({"age": 2}, message_id="a"))
    warehouse.load(identify({"age": 3}, message_id="aa"))
    assert warehouse.rows("users", "age") == [(1,)]


def test_a_value_that_does_not_fit_is_null_and_rejected_once(warehouse: Warehouse) -> None:
    warehouse.load(identify({"age": 40}, at=1))
    later = identify({"age": "old"}, at=2)
    for _ in range(2):
        warehouse.load(later)
    assert warehouse.rows("users", "age") == [(None,)]
    reason = "the column is of type integer"
    assert warehouse.rejected() == [
        ("identifies", "age", '"old"', reason),
        ("users", "age", '"old"', reason),
    ]


def test_integers_of_users_become_floats(warehouse: Warehouse) -> None:
    warehouse.load(identify({"score": 40}, at=1), identify({"score": 2}, user_id="bob", at=1))
    warehouse.load(identify({"score": 0.5}, at=2), identify({"score": 3}, user_id="eve", at=2))
    assert warehouse.rows("users", "id, score") == [("ann", 0.5), ("bob", 2.0), ("eve", 3.0)]


def test_accounts_are_merged_likewise(warehouse: Warehouse) -> None:
    def group(traits: dict[str, Any], at: float) -> Message:
        return message("group", group_id="acme", traits=traits, at=at)

    warehouse.load(group({"plan": "pro", "seats": 5}, 2))
    warehouse.load(group({"plan": "free", "region": "eu"}, 1), group({"seats": None}, 3))
    assert warehouse.rows("accounts", "id, plan, seats, region") == [("acme", "pro", None, "eu")]


def test_a_table_that_was_dropped_begins_anew(warehouse: Warehouse) -> None:
    warehouse.load(identify({"age": 40}, at=5))
    warehouse.run("DROP TABLE web.users")
    warehouse.load(identify({"age": 30, "plan": "pro"}, at=1))
    assert warehouse.rows("users", "id, age, plan") == [("ann", 30, "pro")]
    warehouse.load(identify({"age": 20}, at=0))
    assert warehouse.rows("users", "id, age") == [("ann", 30)]


def test_a_row_that_was_deleted_begins_anew(warehouse: Warehouse) -> None:
    warehouse.load(identify({"age": 40}, at=5), identify({"age": 2}, user_id="bob", at=5))
    warehouse.run("DELETE FROM web.users WHERE id = 'ann'")
    warehouse.load(identify({"age": 30}, at=1))
    assert warehouse.rows("users", "id, age") == [("ann", 30), ("bob", 2)]


def test_a_person_has_no_more_columns_than_a_row_holds(warehouse: Warehouse) -> None:
    for batch in range(5):
        warehouse.load(identify({f"t{batch}_{number}": 10**18 for number in range(100)}, at=batch))
    [row] = warehouse.rows("users")
    assert sum(value is not None for value in row) == 300 + 1  # and the id
    assert len(warehouse.rows("identifies")) == 5
    warehouse.load(identify({"t0_1": 5}, at=9))
    assert warehouse.rows("users", "t0_1") == [(5,)]


_calls = st.lists(
    st.builds(
        lambda user, at, traits, number: identify(traits, user_id=user, at=at, message_id=f"m{number}"),
        st.sampled_from(["ann", "bob"]),
        st.integers(0, 3),
        st.dictionaries(st.sampled_from(["a", "b", "c"]), st.none() | st.integers(0, 9), max_size=3),
        st.integers(0, 10_000),
    ),
    max_size=8,
    unique_by=lambda call: call.message_id,
)


def folded(calls: list[Message]) -> dict[str, dict[str, Any]]:
    """The same, as one reads the promise."""
    people: dict[str, dict[str, Any]] = {}
    for call in sorted(calls, key=lambda call: (call.timestamp, call.message_id)):
        people.setdefault(str(call.user_id), {}).update(rows_of(call)[1].values)
    return people


@settings(max_examples=10)
@given(calls=_calls, data=st.data())
def test_any_order_and_repetition_gives_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory, calls: list[Message], data: st.DataObject
) -> None:
    warehouse = open_duckdb(tmp_path_factory.mktemp("x") / "warehouse.duckdb")
    sent = data.draw(st.permutations(calls)) + data.draw(
        st.lists(st.sampled_from(calls)) if calls else st.just([])
    )
    size = data.draw(st.integers(1, 5))
    for start in range(0, len(sent), size):
        warehouse.load(*sent[start : start + size])
    columns = list(warehouse.columns("users"))
    rows = [dict(zip(columns, row, strict=True)) for row in (warehouse.rows("users") if columns else [])]
    expected = folded(calls)
    assert {row["id"] for row in rows} == set(expected)
    for row in rows:
        person = expected[row["id"]]
        assert row == {column: person.get(column) for column in columns}
        assert all(value is None for column, value in person.items() if column not in columns)


#: What one person's trait becomes: the column's type, the value, and what is rejected on the way.
REPLACED: dict[str, tuple[list[Any], str, Any, list[str]]] = {
    "by another type": ([5, "pro", True], "integer", None, ['"pro"', "true"]),
    "by a fraction and back": ([1, 0.5, 2], "float", 2.0, []),
    "a large integer by a fraction": ([2**60, 0.5, 3], "float", 3.0, []),
    "a value by null": (["pro", None], "text", None, []),
    "null by a value": ([None, 7], "integer", 7, []),
}


@pytest.mark.parametrize("size", [1, 2, 10])
@pytest.mark.parametrize("replaced", REPLACED)
def test_values_that_replace_each_other_in_a_batch_meet_the_column_one_by_one(
    warehouse: Warehouse, replaced: str, size: int
) -> None:
    values, type_, last, rejected = REPLACED[replaced]
    calls = [identify({"x": value}, at=at) for at, value in enumerate(values)]
    for start in range(0, len(calls), size):
        warehouse.load(*calls[start : start + size])
    assert warehouse.columns("users")["x"] == type_
    assert warehouse.rows("users", "id, x") == [("ann", last)]
    assert [row[2] for row in warehouse.rejected() if row[0] == "users"] == sorted(rejected)


def test_a_large_integer_of_somebody_else_keeps_a_column_of_integers(warehouse: Warehouse) -> None:
    warehouse.load(identify({"x": 2**60}, user_id="bob", at=0), identify({"x": 0.5}, at=1))
    warehouse.load(identify({"x": 0.25}, at=2), identify({"x": 1}, user_id="bob", at=3))
    assert warehouse.columns("users")["x"] == "integer"
    warehouse.load(identify({"x": 0.5}, at=4))
    assert warehouse.rows("users", "id, x") == [("ann", 0.5), ("bob", 1.0)]
