"""Both engines behind one fixture: a DuckDB file, and a database of a real PostgreSQL. Beside them what is loaded through dlt."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urlsplit

import duckdb
import psycopg
import pytest
from tests import postgres

from jetbridge.integrations.warehouse import erasure
from jetbridge.integrations.warehouse.database import Database
from jetbridge.integrations.warehouse.dlt_database import Dlt
from jetbridge.integrations.warehouse.dlt_places import parse_dlt_url
from jetbridge.integrations.warehouse.duckdb import DuckDB
from jetbridge.integrations.warehouse.loader import Arrival, LoadResult, load
from jetbridge.integrations.warehouse.postgres import PostgreSQL
from jetbridge.integrations.warehouse.rows import LATEST_TABLES
from jetbridge.spec.message import Message

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
_numbers = count(1)


def message(type_: str, *, at: float = 0, **fields: Any) -> Message:
    """A call of Ann's, `at` seconds after noon; with a messageId of its own unless one is given."""
    moment = NOON + timedelta(seconds=at)
    return Message(
        **{
            "type": type_,
            "message_id": f"m{next(_numbers)}",
            "timestamp": moment,
            "received_at": moment,
            "user_id": "ann",
            **fields,
        }
    )


def track(event: str, properties: dict[str, Any] | None = None, **fields: Any) -> Message:
    return message("track", event=event, properties=properties, **fields)


def identify(traits: dict[str, Any] | None = None, **fields: Any) -> Message:
    return message("identify", traits=traits, **fields)


@dataclass
class Warehouse:
    """A database to load, and what is in it. `engine` is duckdb, postgres, files or dlt_postgres."""

    engine: str
    database: Database
    run: Callable[[str], list[tuple[Any, ...]]]

    def load(self, *messages: Message, schema: str = "web") -> LoadResult:
        return load(self.database, [Arrival(schema, each) for each in messages])

    def rows(self, table: str, columns: str = "*", *, order: str = "1") -> list[tuple[Any, ...]]:
        return self.run(f'SELECT {columns} FROM web."{table}" ORDER BY {order}')

    def value(self, table: str, column: str) -> Any:
        """Of the only row."""
        [(value,)] = self.run(f'SELECT "{column}" FROM web."{table}"')
        return value

    def columns(self, table: str) -> dict[str, str]:
        """The type of each column, in words that both engines use."""
        with self.database.transaction([]) as session:
            info = session.tables("web").get(table)
            words = {native: type_.value for type_, native in session.native_types.items()}
        return {name: words.get(native, native) for name, native in info.columns.items()} if info else {}

    def tables(self) -> set[str]:
        """Those of calls and events: Jetbridge's own begin with `_`."""
        with self.database.transaction([]) as session:
            return {name for name in session.tables("web") if not name.startswith("_")}

    def rejected(self) -> list[tuple[Any, ...]]:
        """Table, column, value and reason of what was rejected."""
        if not self.columns("_rejected_values"):
            return []
        return self.rows("_rejected_values", "table_name, column_name, value, reason", order="1, 2, 3")


@pytest.fixture(autouse=True)
def _no_erasures_of_other_tests() -> None:
    """Their destinations have the same ids."""
    erasure._refused.clear()
    erasure._emptied.clear()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    with postgres.running() as server:
        yield server


def open_duckdb(path: Path) -> Warehouse:
    def run(sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(path) as connection:
            return connection.execute(sql).fetchall()

    return Warehouse("duckdb", DuckDB(path), run)


@pytest.fixture
def duckdb_warehouse(tmp_path: Path) -> Warehouse:
    return open_duckdb(tmp_path / "warehouse.duckdb")


@pytest.fixture
def postgres_warehouse(postgres_server: postgres.Server) -> Warehouse:
    parameters = postgres_server.parameters(postgres_server.create_database())

    def run(sql: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(**cast(Any, parameters)) as connection:
            cursor = connection.execute(cast(Any, sql))
            return cursor.fetchall() if cursor.description else []

    return Warehouse("postgres", PostgreSQL(parameters), run)


def open_files(folder: Path, state: Path) -> Warehouse:
    """Parquet files, read by DuckDB: of `users` and `accounts` the newest row of each id, as the documentation says."""
    place = parse_dlt_url(urlsplit(f"filesystem://{folder}"), Path)
    assert place

    def run(sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect() as connection:
            for table in sorted({path.parent for path in folder.glob("*/*/*.parquet")}):
                schema, name = table.parent.name, table.name
                newest = "QUALIFY row_number() OVER (PARTITION BY id ORDER BY filename DESC) = 1"
                connection.execute(
                    f'CREATE SCHEMA IF NOT EXISTS "{schema}"; CREATE VIEW "{schema}"."{name}" AS SELECT * FROM '
                    f"read_parquet('{table}/*.parquet', union_by_name = true) {newest * (name in LATEST_TABLES)}"
                )
            return connection.execute(sql).fetchall()

    return Warehouse("files", Dlt(place, state), run)


@pytest.fixture
def files_warehouse(tmp_path: Path) -> Warehouse:
    return open_files(tmp_path / "files", tmp_path / "1.dlt")


@pytest.fixture
def dlt_postgres_warehouse(postgres_server: postgres.Server, tmp_path: Path) -> Warehouse:
    parameters = postgres_server.parameters(postgres_server.create_database())
    return open_dlt_postgres(parameters, tmp_path / "2.dlt")


def open_dlt_postgres(parameters: dict[str, str | int], state: Path) -> Warehouse:
    password = quote(str(parameters["password"]), safe="")
    url = f"dlt+postgresql://postgres:{password}@127.0.0.1:{parameters['port']}/{parameters['dbname']}"
    place = parse_dlt_url(urlsplit(url), Path)
    assert place

    def run(sql: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(**cast(Any, parameters)) as connection:
            cursor = connection.execute(cast(Any, sql))
            return cursor.fetchall() if cursor.description else []

    return Warehouse("dlt_postgres", Dlt(place, state, lambda: ["127.0.0.1"]), run)


@pytest.fixture(params=["duckdb", "postgres"])
def warehouse(request: pytest.FixtureRequest) -> Warehouse:
    return cast(Warehouse, request.getfixturevalue(f"{request.param}_warehouse"))


def ids(rows: Sequence[tuple[Any, ...]]) -> list[str]:
    return [row[0] for row in rows]
