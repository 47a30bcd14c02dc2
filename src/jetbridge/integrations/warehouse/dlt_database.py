"""A warehouse through dlt: files in Parquet, and the databases that Jetbridge has no client of its own for.

Such a warehouse is written to and not read. What a loader asks for (columns, which ids are there, how a person stands) is in a `State` in
the destination's folder; new rows are collected and go to dlt at the end, table by table. dlt has no transaction over tables, so a run
that fails may have loaded some of them: the next one removes its files, or loads the same rows again and the database keeps one of each.
"""

import fcntl
import hashlib
import json
import secrets
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, ClassVar, Final

import msgspec

from jetbridge.errors import PauseError, TransientError
from jetbridge.heartbeat import beat
from jetbridge.integrations.warehouse.column_types import EXACT_FLOAT, FIT, ColumnType, Value
from jetbridge.integrations.warehouse.database import (
    Database,
    NotReadable,
    Person,
    Reader,
    Session,
    TableInfo,
    TableName,
)
from jetbridge.integrations.warehouse.dlt_places import DltPlace
from jetbridge.integrations.warehouse.dlt_runner import TYPES, Rows, Runner
from jetbridge.integrations.warehouse.dlt_state import Attempt, Column, LatestRow, State, open_state
from jetbridge.integrations.warehouse.dlt_try_out import Problem, TryOut
from jetbridge.integrations.warehouse.latest import times_table
from jetbridge.integrations.warehouse.rows import LATEST_TABLES, REJECTED_VALUES
from jetbridge.text import for_editors

#: The bounds of a column of which we do not know what it holds: it stays as it is.
_UNKNOWN: Final = (-(2**63), 2**63 - 1)
#: Stands for the id of a row that is not replaced; no id has a NUL.
_SOME_ROW: Final = "\0"
#: How soon it is tried again when another process loads.
_LOCKED_RETRY_SECONDS: Final = 2.0
_TRY_OUT_SECONDS: Final = 120


class Dlt(Database):
    def __init__(
        self, place: DltPlace, folder: Path, find_addresses: Callable[[], Sequence[str]] = lambda: ()
    ) -> None:
        """`folder` is the destination's own. `find_addresses` says which of the host's addresses may be connected to, and raises if none."""
        self._place, self._folder, self._find_addresses = place, folder, find_addresses

    def __repr__(self) -> str:
        return f"Dlt({self._place.location})"

    def reading(self, seconds: float) -> AbstractContextManager[Reader]:  # noqa: ARG002 - not at all
        raise NotReadable(
            "Jetbridge writes to this warehouse and does not read it: query it with a program of your own."
        )

    def try_out(self, schema: str) -> None:
        """As a process of its own: dlt takes a second and 100 MB to import. `schema` is one that is not there, and is dropped again."""
        addresses = self._find_addresses()
        request = TryOut(self._place._replace(path=None), schema, addresses[0] if addresses else "")
        command = [sys.executable, "-m", "jetbridge.integrations.warehouse.dlt_try_out"]
        try:
            done = subprocess.run(
                command,
                input=msgspec.json.encode(request),
                capture_output=True,
                timeout=_TRY_OUT_SECONDS,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            raise TransientError(
                "WAREHOUSE_UNAVAILABLE",
                f"{self._place.title} has not taken a row within {_TRY_OUT_SECONDS} seconds.",
            ) from None
        if problem := msgspec.json.decode(done.stdout, type=Problem | None):
            raise (PauseError if problem.is_final else TransientError)(problem.code, problem.message)

    @contextmanager
    def transaction(self, schemas: Sequence[str], *, more_follows: bool = False) -> Iterator[Session]:
        del more_follows  # closing takes no time
        del schemas  # who has the folder has all of them
        runner = self._runner()
        # A folder serves one place after another when the URL is changed; what was loaded there is not here.
        name = hashlib.sha256(self._place.location.encode()).hexdigest()[:16]
        try:
            with self._lock(), open_state(self._folder / f"{name}.sqlite") as state:
                if attempt := state.attempt:
                    for schema in sorted({table.schema for table in attempt.tables}):
                        tables = [table.name for table in attempt.tables if table.schema == schema]
                        runner.discard(schema, attempt.batch, tables)
                    state.forget_attempt()
                session = _Session(self._place, runner, state)
                yield session
                session.commit()
        except (sqlite3.Error, OSError) as error:
            raise TransientError(
                "WAREHOUSE_UNAVAILABLE", f"{self._folder} cannot be written: {for_editors(str(error))}."
            ) from None

    def _runner(self) -> Runner:
        addresses = self._find_addresses()
        return Runner(self._place, self._folder, addresses[0] if addresses else "")

    @contextmanager
    def _lock(self) -> Iterator[None]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self._folder / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise TransientError(
                    "WAREHOUSE_LOCKED",
                    "Another process is loading this warehouse. It is tried again when that is done.",
                    retry_after_seconds=_LOCKED_RETRY_SECONDS,
                ) from None
            yield


class _Session(Session):
    native_types: ClassVar[Mapping[ColumnType, str]] = TYPES

    def __init__(self, place: DltPlace, runner: Runner, state: State) -> None:
        self._place, self._runner, self._state = place, runner, state
        #: All columns of each table, by schema, as they will be.
        self._columns: dict[str, dict[TableName, dict[str, Column]]] = {}
        #: Those that are new or have changed.
        self._changed: dict[TableName, dict[str, None]] = {}
        self._widened: list[tuple[TableName, str]] = []
        self._rows: dict[TableName, list[Rows]] = {}
        self._ids: dict[TableName, list[str]] = {}
        self._latest: dict[TableName, dict[str, LatestRow]] = {}

    # ---- tables

    def create_schema(self, schema: str) -> None:
        """Nothing: dlt makes it with the first rows."""

    def tables(self, schema: str) -> dict[str, TableInfo]:
        columns = self._columns_of(schema)
        return {
            table.name: TableInfo(
                "BASE TABLE", {name: TYPES[column.type] for name, column in definitions.items()}
            )
            for table, definitions in columns.items()
        }

    def _columns_of(self, schema: str) -> dict[TableName, dict[str, Column]]:
        if schema not in self._columns:
            columns = self._columns[schema] = self._state.columns(schema)
            if not columns:
                # The state is new, and the warehouse may not be.
                for name, types in self._runner.stored_columns(schema).items():
                    table = TableName(schema, name)
                    columns[table] = {
                        column: Column(type_, *(_UNKNOWN if type_ is ColumnType.INTEGER else ()))
                        for column, type_ in types.items()
                    }
                    self._changed[table] = dict.fromkeys(types)
        return self._columns[schema]

    def create_table(self, table: TableName, columns: Mapping[str, ColumnType]) -> None:
        self.add_columns(table, columns)
        if table.name == REJECTED_VALUES:
            self.add_columns(table, {"id": ColumnType.TEXT})

    def add_columns(self, table: TableName, columns: Mapping[str, ColumnType]) -> None:
        known = self._columns_of(table.schema).setdefault(table, {})
        known.update({name: Column(type_) for name, type_ in columns.items()})
        self._changed.setdefault(table, {}).update(dict.fromkeys(columns))

    def widen(self, table: TableName, column: str) -> None:
        self._widened.append((table, column))
        self._columns_of(table.schema)[table][column] = Column(ColumnType.FLOAT)
        self._changed.setdefault(table, {})[column] = None

    def ids_of_large(self, table: TableName, column: str, most: int) -> list[str]:
        bounds = self._columns_of(table.schema)[table][column][1:] if self._place.can_widen else _UNKNOWN
        if any(bound is not None and abs(bound) > EXACT_FLOAT for bound in bounds):
            return [_SOME_ROW]
        return self._state.ids_of_large(table, column, most) if table.name in LATEST_TABLES else []

    # ---- rows

    def known_ids(self, table: TableName, ids: Sequence[str]) -> set[str]:
        if table.name in LATEST_TABLES:
            return set(self._state.latest(table, ids))
        return self._state.known_ids(table, ids)

    def select_by_id(self, table: TableName, column: str, ids: Sequence[str]) -> dict[str, Any]:
        assert column == "times"
        return {id_: row.times for id_, row in self._state.latest(_described_by(table), ids).items()}

    def delete_by_id(self, table: TableName, ids: Sequence[str]) -> None:
        """Nothing: times are replaced as a whole."""

    def insert(
        self, table: TableName, columns: Mapping[str, ColumnType], rows: Iterable[Sequence[Value]]
    ) -> None:
        rows = list(rows)
        if _described_by(table) != table:
            self._keep_times(_described_by(table), columns, rows)
        elif table.name in LATEST_TABLES:
            self._add_latest(table, [dict(zip(columns, row, strict=True)) for row in rows])
        elif table.name == REJECTED_VALUES:
            self._add(table, {**columns, "id": ColumnType.TEXT}, _with_ids(rows))
        else:
            place = list(columns).index("id")
            self._ids.setdefault(table, []).extend(str(row[place]) for row in rows)
            self._add(table, columns, rows)

    def update(
        self,
        table: TableName,
        columns: Mapping[str, ColumnType],
        rows: Iterable[Sequence[Value]],
        changes: Iterable[Collection[str]],
    ) -> None:
        values = [dict(zip(columns, row, strict=True)) for row in rows]
        known = self._state.latest(table, [str(row["id"]) for row in values])
        types = self._columns_of(table.schema)[table]
        merged = []
        for row, names in zip(values, changes, strict=True):
            fields = json.loads(known[str(row["id"])].fields)
            present = {name: FIT[types[name].type](value) for name, value in fields.items() if name in types}
            merged.append(present | {name: row[name] for name in names} | {"id": row["id"]})
        self._add_latest(table, merged)

    def _add_latest(self, table: TableName, rows: Sequence[Mapping[str, Value]]) -> None:
        """Rows of `users` or `accounts`, whole: a row is replaced by another, or follows it in the files."""
        types = {name: column.type for name, column in self._columns_of(table.schema)[table].items()}
        columns = {name: type_ for name, type_ in types.items() if any(name in row for row in rows)}
        self._add(table, columns, [[row.get(name) for name in columns] for row in rows])
        latest = self._latest.setdefault(table, {})
        for row in rows:
            fields = {name: value for name, value in row.items() if value is not None}
            latest[str(row["id"])] = LatestRow("", msgspec.json.encode(fields).decode())

    def _keep_times(
        self, table: TableName, columns: Mapping[str, ColumnType], rows: Sequence[Sequence[Value]]
    ) -> None:
        latest = self._latest[table]
        for row in rows:
            values = dict(zip(columns, row, strict=True))
            id_ = str(values["id"])
            latest[id_] = latest[id_]._replace(times=str(values["times"]))

    def _add(
        self, table: TableName, columns: Mapping[str, ColumnType], rows: Sequence[Sequence[Value]]
    ) -> None:
        if not rows:
            return
        self._rows.setdefault(table, []).append(Rows(dict(columns), rows))
        known = self._columns_of(table.schema)[table]
        for place, (name, type_) in enumerate(columns.items()):
            # Rows of `users` and `accounts` are replaced, and asked for one by one.
            if type_ is ColumnType.INTEGER and table.name not in LATEST_TABLES:
                integers = [value for row in rows if isinstance(value := row[place], int)]
                integers += [bound for bound in known[name][1:] if bound is not None]
                column = Column(type_, min(integers, default=None), max(integers, default=None))
                if column != known[name]:
                    known[name] = column
                    self._changed.setdefault(table, {})[name] = None

    # ---- the end

    def commit(self) -> None:
        """Give dlt what was collected, and remember it."""
        changed = {
            table: {name: self._columns_of(table.schema)[table][name] for name in names}
            for table, names in self._changed.items()
        }
        if not self._rows:
            if changed:
                self._state.begin(Attempt("", ()), changed)
            return
        for table, column in self._widened:
            self._runner.widen(table, column)
        batch = f"{self._state.next_number()}-{secrets.token_hex(4)}"
        self._state.begin(Attempt(batch, list(self._rows)), changed)
        for schema in sorted({table.schema for table in self._rows}):
            columns = {
                table.name: {name: column.type for name, column in definitions.items()}
                for table, definitions in self._columns_of(schema).items()
                if _described_by(table) == table
            }
            rows = {
                table.name: _together(parts) for table, parts in self._rows.items() if table.schema == schema
            }
            beat()
            self._runner.load(schema, batch, columns, rows)
        self._state.complete(self._ids, self._latest)

    def erase(self, schema: str, person: Person) -> Counter[TableName]:
        columns = {
            table.name: {name: column.type for name, column in definitions.items()}
            for table, definitions in self._columns_of(schema).items()
            if _described_by(table) == table
        }
        if not columns:
            return Counter()

        def forget(table: str, ids: Sequence[str]) -> None:
            self._state.forget(TableName(schema, table), ids)

        rows = self._runner.erase(schema, columns, person, forget)
        return Counter({TableName(schema, table): number for table, number in rows.items()})


def _described_by(table: TableName) -> TableName:
    """The table whose times this one has, or itself."""
    for name in LATEST_TABLES:
        if table == times_table(TableName(table.schema, name)):
            return TableName(table.schema, name)
    return table


def _with_ids(rows: Sequence[Sequence[Value]]) -> list[list[Value]]:
    """Rejected values with an id made of all that they say: one that is loaded again is the same."""
    seen: Counter[str] = Counter()
    result: list[list[Value]] = []
    for row in rows:
        digest = hashlib.blake2b(msgspec.json.encode(row), digest_size=16).hexdigest()
        seen[digest] += 1
        result.append([*row, digest if seen[digest] == 1 else f"{digest}_{seen[digest]}"])
    return result


def _together(parts: Sequence[Rows]) -> Rows:
    """Rows of one table with all columns of its parts."""
    if len(parts) == 1:
        return parts[0]
    columns = {name: type_ for part in parts for name, type_ in part.columns.items()}
    rows = []
    for part in parts:
        places = {name: place for place, name in enumerate(part.columns)}
        rows += [[row[places[name]] if name in places else None for name in columns] for row in part.rows]
    return Rows(columns, rows)
