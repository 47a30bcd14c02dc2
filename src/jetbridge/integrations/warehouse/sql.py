"""The SQL that DuckDB and PostgreSQL both understand; `duckdb.py` and `postgres.py` fill in what differs.

Names always go into SQL quoted, values always as parameters.
"""

from abc import abstractmethod
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from jetbridge.integrations.warehouse.column_types import EXACT_FLOAT, ColumnType, Value
from jetbridge.integrations.warehouse.database import Person, Session, TableInfo, TableName, quoted
from jetbridge.integrations.warehouse.latest import times_table
from jetbridge.integrations.warehouse.rows import (
    LATEST_TABLES,
    REJECTED_COLUMNS,
    REJECTED_VALUES,
    person_columns,
)


class SQLSession(Session):
    #: How the engine marks a parameter.
    parameter: ClassVar[str]
    #: Where temporary tables are.
    temporary_schema: ClassVar[str]

    @abstractmethod
    def execute(
        self, sql: str, parameters: Sequence[Any] = (), *, table: TableName | None = None
    ) -> list[tuple[Any, ...]]:
        """Run a statement (about a table) and return its rows, if it gives any."""

    @abstractmethod
    def qualified(self, table: TableName) -> str:
        """The full quoted name."""

    def tables(self, schema: str) -> dict[str, TableInfo]:
        # Not remembered: people may have altered them.
        names = f"table_schema = {self.parameter} AND table_catalog = current_database()"
        infos = {
            name: TableInfo(kind, {})
            for name, kind in self.execute(
                f"SELECT table_name, table_type FROM information_schema.tables WHERE {names}", [schema]
            )
        }
        for name, column, native in self.execute(
            f"SELECT table_name, column_name, data_type FROM information_schema.columns WHERE {names}",
            [schema],
        ):
            if name in infos:
                infos[name].columns[column] = native
        return infos

    def add_columns(self, table: TableName, columns: Mapping[str, ColumnType]) -> None:
        for column, type_ in columns.items():
            definition = f"{quoted(column)} {self.native_types[type_]}"
            self.execute(f"ALTER TABLE {self.qualified(table)} ADD COLUMN {definition}", table=table)

    def widen(self, table: TableName, column: str) -> None:
        native = self.native_types[ColumnType.FLOAT]
        self.execute(
            f"ALTER TABLE {self.qualified(table)} ALTER COLUMN {quoted(column)} TYPE {native}", table=table
        )

    def ids_of_large(self, table: TableName, column: str, most: int) -> list[str]:
        statement = (
            f'SELECT "id" FROM {self.qualified(table)} '
            f"WHERE {quoted(column)} NOT BETWEEN {-EXACT_FLOAT} AND {EXACT_FLOAT} LIMIT {most}"
        )
        return [id_ for (id_,) in self.execute(statement, table=table)]

    def known_ids(self, table: TableName, ids: Sequence[str]) -> set[str]:
        return {id_ for (id_,) in self._select_by_id(table, '"id"', ids)}

    def select_by_id(self, table: TableName, column: str, ids: Sequence[str]) -> dict[str, Any]:
        return dict(self._select_by_id(table, f'"id", {quoted(column)}', ids))

    def _select_by_id(self, table: TableName, columns: str, ids: Sequence[str]) -> list[tuple[Any, ...]]:
        return self.execute(
            f'SELECT {columns} FROM {self.qualified(table)} WHERE "id" IN ({self._ids})',
            [list(ids)],
            table=table,
        )

    def delete_by_id(self, table: TableName, ids: Sequence[str]) -> None:
        self.execute(
            f'DELETE FROM {self.qualified(table)} WHERE "id" IN ({self._ids})', [list(ids)], table=table
        )

    @property
    def _ids(self) -> str:
        return f"SELECT unnest({self.parameter}::VARCHAR[])"

    def update(
        self,
        table: TableName,
        columns: Mapping[str, ColumnType],
        rows: Iterable[Sequence[Value]],
        changes: Iterable[Collection[str]],
    ) -> None:
        stage = TableName(self.temporary_schema, "_stage")
        staged = {**columns, "_changes": ColumnType.TEXT}
        flags = ("".join("01"[column in names] for column in columns) for names in changes)
        sets = ", ".join(
            f"{quoted(column)} = CASE substr(s.\"_changes\", {place}, 1) WHEN '1' "
            f"THEN s.{quoted(column)} ELSE t.{quoted(column)} END"
            for place, column in enumerate(columns, 1)
            if column != "id"
        )
        self.execute(f"CREATE TEMPORARY TABLE {self.definition(stage, staged)}", table=table)
        self.insert(stage, staged, ((*row, flag) for row, flag in zip(rows, flags, strict=True)))
        self.execute(
            f"UPDATE {self.qualified(table)} AS t SET {sets} FROM {self.qualified(stage)} AS s "
            'WHERE t."id" = s."id"',
            table=table,
        )
        self.execute(f"DROP TABLE {self.qualified(stage)}", table=table)

    def definition(self, table: TableName, columns: Mapping[str, ColumnType]) -> str:
        """Name and columns, as CREATE TABLE has them."""
        parts = (f"{quoted(column)} {self.native_types[type_]}" for column, type_ in columns.items())
        return f"{self.qualified(table)} ({', '.join(parts)})"

    def erase(self, schema: str, person: Person) -> Counter[TableName]:
        return _Erasing(self, schema, person).run()


class _Erasing:
    """Of one schema, within one transaction."""

    def __init__(self, session: SQLSession, schema: str, person: Person) -> None:
        self._session, self._schema, self._person = session, schema, person
        self._tables = {
            TableName(schema, name): info
            for name, info in session.tables(schema).items()
            if info.kind == "BASE TABLE"
        }
        self._listed = f"IN (SELECT unnest({session.parameter}::VARCHAR[]))"
        self._rows: Counter[TableName] = Counter()

    def run(self) -> Counter[TableName]:
        ours = {times_table(TableName(self._schema, name)) for name in LATEST_TABLES}
        rejected = TableName(self._schema, REJECTED_VALUES)
        has_rejected = REJECTED_COLUMNS.keys() <= self._tables.get(rejected, TableInfo("", {})).columns.keys()
        for name, info in self._tables.items():
            if name in ours or name == rejected or "received_at" not in info.columns:
                continue  # what has no `received_at` is a person's own table
            gone = self._delete_rows(name, info)
            if gone and times_table(name) in self._tables:
                self._session.delete_by_id(times_table(name), gone)
            if gone and has_rejected:
                condition = f"table_name = {self._session.parameter} AND row_id {self._listed}"
                self._delete(rejected, condition, [name.name, gone])
        if has_rejected:
            contains_name = f"position({self._session.parameter} in lower(value)) > 0"
            self._delete(rejected, " OR ".join([contains_name] * len(self._person.names)), self._person.names)
        return +self._rows

    def _delete_rows(self, name: TableName, info: TableInfo) -> list[str]:
        """Delete the rows of a table that are the person's; return their ids."""
        text = self._session.native_types[ColumnType.TEXT]
        texts = [column for column, native in info.columns.items() if native == text]
        ids = [column for column in texts if column in person_columns(name.name)]
        conditions = [f"{quoted(column)} {self._listed}" for column in ids]
        parameters = [self._person.ids] * len(ids)
        if self._person.emails:
            conditions += [f"lower(trim({quoted(column)})) {self._listed}" for column in texts]
            parameters += [self._person.emails] * len(texts)
        if not conditions:
            return []
        return self._delete(
            name, " OR ".join(conditions), parameters, "id" if "id" in info.columns else "'-'"
        )

    def _delete(
        self, name: TableName, condition: str, parameters: Sequence[Any], returned: str = "'-'"
    ) -> list[str]:
        statement = f"DELETE FROM {self._session.qualified(name)} WHERE {condition} RETURNING {returned}"
        gone = [str(value) for (value,) in self._session.execute(statement, parameters, table=name)]
        self._rows[name] += len(gone)
        return gone
