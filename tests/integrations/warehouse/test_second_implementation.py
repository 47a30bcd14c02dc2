"""10,000 made-up messages, loaded in batches of any size, make the tables that a second implementation makes one by one."""

import json
from collections import Counter
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

from jetbridge.integrations.warehouse.database import TableName
from jetbridge.integrations.warehouse.latest import times_table
from jetbridge.integrations.warehouse.rows import LATEST_TABLES
from jetbridge.spec.message import Message

from .conftest import NOON, Warehouse, open_duckdb
from .second_implementation import Warehouse as Second

TOTAL = 10_000
EVENTS = [
    "Order Completed",
    "order completed",
    "HTTPServerError",
    "30 day",
    "users",
    "Über",
    "",
    "--",
    "Email Opened",
    "2FA Enabled",
]
NAMES = ["plan", "Plan", "price", "user_id", "userId", "id", "event", "timestamp", "iPhone", "i_phone", "30 day", "name", "é", "at", "order", "base64Encode", "deep"]  # fmt: skip
TIMES = [
    "2026-11-29T12:00:00Z",
    "2026-11-29T13:00:00.123456+01:00",
    "2026-11-29",
    "12:00",
    "2026-11-29T12:00:00",
]


def value(random: Random, depth: int = 0) -> Any:
    makers = [
        lambda: None,
        lambda: random.random() < 0.5,
        lambda: random.choice([0, 1, -5, 2**53, 2**53 + 1, -(2**63), 2**63, random.randrange(1000)]),
        lambda: random.choice([0.5, 1.0, -2.25, 1e300, 3.0]),
        lambda: random.choice(TIMES),
        lambda: [value(random, 3) for _ in range(random.randrange(3))],
        lambda: fields(random, depth + 1) if depth < 2 else "deep",
        lambda: random.choice(["pro", "", "01067", "yes", "Zoë", "a\0b", "12"]),
    ]
    return random.choices(makers, [1, 1, 2, 2, 1, 1, 1, 3])[0]()


def fields(random: Random, depth: int = 0) -> dict[str, Any]:
    return {random.choice(NAMES): value(random, depth) for _ in range(random.randrange(4))}


def messages(random: Random, total: int) -> list[Message]:
    made: list[Message] = []
    for number in range(total):
        if made and random.random() < 0.05:
            made.append(random.choice(made))
            continue
        at = NOON + timedelta(seconds=random.randrange(5_000))
        type_ = random.choice(["track"] * 5 + ["identify"] * 3 + ["page", "screen", "group", "alias"])
        has_user = random.random() < 0.8
        made.append(
            Message(
                type=type_,
                message_id=f"m{number}",
                timestamp=at,
                received_at=at + timedelta(seconds=1),
                original_timestamp=random.choice([None, "2026-11-29T12:00:00Z", "yesterday"]),
                sent_at=random.choice([None, "2026-11-29T12:00:01Z"]),
                user_id=f"u{random.randrange(40)}" if has_user else None,
                anonymous_id=None if has_user and random.random() < 0.5 else f"a{random.randrange(40)}",
                event=random.choice(EVENTS) if type_ == "track" else None,
                name=random.choice([None, "Home"]) if type_ in {"page", "screen"} else None,
                category=random.choice([None, "Docs"]) if type_ in {"page", "screen"} else None,
                group_id=f"g{random.randrange(10)}" if type_ == "group" else None,
                previous_id=f"a{random.randrange(40)}" if type_ == "alias" else None,
                properties=fields(random) if type_ in {"track", "page", "screen"} else None,
                traits=fields(random) if type_ in {"identify", "group"} else None,
                context=random.choice(
                    [
                        None,
                        {"ip": "192.0.2.1"},
                        {"app": {"version": value(random)}},
                        {"traits": fields(random)},
                    ]
                ),
            )
        )
    return made


def test_both_make_the_same_tables(duckdb_warehouse: Warehouse) -> None:
    random = Random(4711)
    made = messages(random, TOTAL)
    rest = made
    while rest:
        size = random.choice([1, 10, 300, 2_000])
        assert not duckdb_warehouse.load(*rest[:size]).problems
        rest = rest[size:]
    compare(duckdb_warehouse, made)


def test_where_batches_end_makes_no_difference(tmp_path: Path) -> None:
    made = messages(Random(4712), 150)
    contents = []
    for size in (6, 40, len(made)):
        warehouse = open_duckdb(tmp_path / f"{size}.duckdb")
        for start in range(0, len(made), size):
            assert not warehouse.load(*made[start : start + size]).problems
        with warehouse.database.transaction([]) as session:
            names = sorted(session.tables("web"))
        columns = {name: warehouse.columns(name) for name in names}
        rows = {
            name: Counter(
                map(repr, warehouse.rows(name, ", ".join(f'"{each}"' for each in sorted(columns[name]))))
            )
            for name in names
        }
        contents.append((columns, rows))
    assert contents[0] == contents[1] == contents[2]


def compare(warehouse: Warehouse, made: list[Message]) -> None:
    second = Second()
    for each in made:
        second.take(each)
    tables = warehouse.run("SELECT table_name FROM information_schema.tables WHERE table_schema = 'web'")
    own = {"_rejected_values", *(times_table(TableName("web", name)).name for name in LATEST_TABLES)}
    assert {name for (name,) in tables} - own == second.tables.keys()
    for name, table in second.tables.items():
        columns = warehouse.columns(name)
        assert (name, _differences(columns, table.columns)) == (name, [])
        ours = _rows(warehouse, name, columns)
        assert (name, ours.keys()) == (name, table.rows.keys())
        for id_, row in table.rows.items():
            assert (name, id_, _differences(ours[id_], row)) == (name, id_, [])
    found = Counter(
        (table, row, canonical(cell))
        for table, row, cell in warehouse.run("SELECT table_name, row_id, value FROM web._rejected_values")
        if table not in LATEST_TABLES  # theirs stand with the row of the call, too
    )
    assert found == Counter((each.table, each.row, canonical(each.value)) for each in second.rejected)


def _rows(warehouse: Warehouse, name: str, columns: dict[str, str]) -> dict[str, dict[str, Any]]:
    listed = ", ".join(f'"{column}"' for column in columns)
    found = {}
    for row in warehouse.rows(name, listed):
        cells = {column: cell for column, cell in zip(columns, row, strict=True) if cell is not None}
        found[cells["id"]] = cells
    return found


def canonical(text: str) -> str:
    return json.dumps(json.loads(text), sort_keys=True)


def _differences(ours: dict[str, Any], theirs: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    names = sorted(ours.keys() | theirs.keys())
    return [(name, ours.get(name), theirs.get(name)) for name in names if ours.get(name) != theirs.get(name)]
