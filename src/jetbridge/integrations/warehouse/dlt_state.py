"""What Jetbridge has to remember of a warehouse that it writes through dlt and cannot read: columns, ids, and people as they are.

A SQLite file beside the event log, one for each place that is written to. Two things in it differ in when they become true:
columns count from the attempt on (a column that dlt may have made exists), ids and people only when the run has succeeded.
"""

import hashlib
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from jetbridge.integrations.warehouse.column_types import EXACT_FLOAT, ColumnType
from jetbridge.integrations.warehouse.database import TableName

#: Ids asked for in one statement.
_CHUNK: Final = 500
_TABLES = """
CREATE TABLE IF NOT EXISTS tables (number INTEGER PRIMARY KEY, schema TEXT, name TEXT, UNIQUE (schema, name));
CREATE TABLE IF NOT EXISTS columns (
    tbl INTEGER, name TEXT, type TEXT, smallest INTEGER, largest INTEGER, UNIQUE (tbl, name));
CREATE TABLE IF NOT EXISTS ids (tbl INTEGER, digest BLOB, PRIMARY KEY (tbl, digest)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS latest (tbl INTEGER, id TEXT, times TEXT, fields TEXT, PRIMARY KEY (tbl, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS attempt (batch TEXT, schema TEXT, name TEXT);
CREATE TABLE IF NOT EXISTS batches (number INTEGER PRIMARY KEY);
"""


class Column(NamedTuple):
    """`smallest` and `largest` are those of a column of integers."""

    type: ColumnType
    smallest: int | None = None
    largest: int | None = None


class LatestRow(NamedTuple):
    """A row of `users` or `accounts`: the JSON of its times and of its values by column."""

    times: str
    fields: str


class Attempt(NamedTuple):
    """A run whose end is unknown: the name of its batch, and the tables that it wrote to."""

    batch: str
    tables: Sequence[TableName]


class State:
    """The file, open. Used by one thread of one process at a time: its caller holds a lock."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._numbers: dict[TableName, int] = {
            TableName(schema, name): number
            for number, schema, name in connection.execute("SELECT number, schema, name FROM tables")
        }

    @property
    def attempt(self) -> Attempt | None:
        rows = self._connection.execute("SELECT batch, schema, name FROM attempt").fetchall()
        return Attempt(rows[0][0], [TableName(schema, name) for _, schema, name in rows]) if rows else None

    def columns(self, schema: str) -> dict[TableName, dict[str, Column]]:
        """Of each table, in the order in which they were made."""
        tables: dict[TableName, dict[str, Column]] = {}
        for table, column, type_, smallest, largest in self._connection.execute(
            "SELECT t.name, c.name, type, smallest, largest FROM tables t JOIN columns c ON c.tbl = t.number "
            "WHERE schema = ? ORDER BY c.rowid",
            [schema],
        ):
            columns = tables.setdefault(TableName(schema, table), {})
            columns[column] = Column(ColumnType(type_), smallest, largest)
        return tables

    def known_ids(self, table: TableName, ids: Sequence[str]) -> set[str]:
        digests = {id_: _digest(id_) for id_ in ids}
        rows = self._select("SELECT digest FROM ids", "digest", table, list(digests.values()))
        known = {digest for (digest,) in rows}
        return {id_ for id_, digest in digests.items() if digest in known}

    def latest(self, table: TableName, ids: Sequence[str]) -> dict[str, LatestRow]:
        rows = self._select("SELECT id, times, fields FROM latest", "id", table, ids)
        return {id_: LatestRow(times, fields) for id_, times, fields in rows}

    def ids_of_large(self, table: TableName, column: str, most: int) -> list[str]:
        """Ids of rows of `users` or `accounts` whose integer in a column lies beyond ±2⁵³; no more than `most` of them."""
        rows = self._connection.execute(
            "SELECT id FROM latest WHERE tbl = ? AND json_extract(fields, ?) NOT BETWEEN ? AND ? LIMIT ?",
            [self._numbers.get(table), f'$."{column}"', -EXACT_FLOAT, EXACT_FLOAT, most],
        )
        return [id_ for (id_,) in rows]

    def _select(
        self, statement: str, key: str, table: TableName, keys: Sequence[str | bytes]
    ) -> Iterator[tuple[Any, ...]]:
        number = self._numbers.get(table)
        for start in range(0, len(keys) if number else 0, _CHUNK):
            chunk = keys[start : start + _CHUNK]
            marks = ", ".join("?" * len(chunk))
            yield from self._connection.execute(
                f"{statement} WHERE tbl = ? AND {key} IN ({marks})", [number, *chunk]
            )

    def next_number(self) -> int:
        """Of a batch: the microseconds since 1970, and more than the one before even if the clock was set back."""
        with self._connection:
            [(last,)] = self._connection.execute("SELECT coalesce(max(number), 0) FROM batches")
            number = max(time.time_ns() // 1_000, last + 1)
            self._connection.execute("DELETE FROM batches")
            self._connection.execute("INSERT INTO batches VALUES (?)", [number])
        return int(number)

    def begin(self, attempt: Attempt, columns: Mapping[TableName, Mapping[str, Column]]) -> None:
        """Before a run: what it will write to, and the columns that are new or have changed."""
        with self._connection:
            for table, changed in columns.items():
                number = self._number(table)
                self._connection.executemany(
                    "INSERT INTO columns VALUES (?, ?, ?, ?, ?) ON CONFLICT (tbl, name) DO UPDATE SET "
                    "type = excluded.type, smallest = excluded.smallest, largest = excluded.largest",
                    ((number, name, *column) for name, column in changed.items()),
                )
            self._connection.executemany(
                "INSERT INTO attempt VALUES (?, ?, ?)", ((attempt.batch, *table) for table in attempt.tables)
            )

    def complete(
        self, ids: Mapping[TableName, Iterable[str]], latest: Mapping[TableName, Mapping[str, LatestRow]]
    ) -> None:
        """After a run: what it has loaded."""
        with self._connection:
            for table, loaded in ids.items():
                number = self._number(table)
                self._connection.executemany(
                    "INSERT OR IGNORE INTO ids VALUES (?, ?)", ((number, _digest(id_)) for id_ in loaded)
                )
            for table, rows in latest.items():
                number = self._number(table)
                self._connection.executemany(
                    "INSERT OR REPLACE INTO latest VALUES (?, ?, ?, ?)",
                    ((number, id_, *row) for id_, row in rows.items()),
                )
            self._connection.execute("DELETE FROM attempt")

    def forget_attempt(self) -> None:
        with self._connection:
            self._connection.execute("DELETE FROM attempt")

    def forget(self, table: TableName, ids: Sequence[str]) -> None:
        """Delete rows of `users` or `accounts`."""
        with self._connection:
            number = self._numbers.get(table)
            self._connection.executemany(
                "DELETE FROM latest WHERE tbl = ? AND id = ?", ((number, id_) for id_ in ids)
            )

    def _number(self, table: TableName) -> int:
        if table not in self._numbers:
            cursor = self._connection.execute("INSERT INTO tables (schema, name) VALUES (?, ?)", table)
            assert cursor.lastrowid
            self._numbers[table] = cursor.lastrowid
        return self._numbers[table]


@contextmanager
def open_state(path: Path) -> Iterator[State]:
    """Open the file, making it if there is none. Raises sqlite3.Error."""
    connection = sqlite3.connect(path)
    try:
        path.chmod(0o600)
        # Erased people do not stay in free pages.
        connection.executescript(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;"
        )
        connection.executescript(_TABLES)
        yield State(connection)
    finally:
        connection.close()


def _digest(id_: str) -> bytes:
    return hashlib.blake2b(id_.encode(errors="surrogatepass"), digest_size=16).digest()
