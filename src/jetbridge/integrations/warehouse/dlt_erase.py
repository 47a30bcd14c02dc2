"""Deletes a person from what dlt has loaded: by SQL where there is a database, by writing files anew where there are files.

What was rejected of a row goes before the row does, and what Jetbridge remembers of a person before both: whoever is interrupted finds the
person again. Names go into SQL quoted by dlt, values as parameters.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from jetbridge.heartbeat import beat
from jetbridge.integrations.warehouse.column_types import ColumnType
from jetbridge.integrations.warehouse.database import Person
from jetbridge.integrations.warehouse.rows import LATEST_TABLES, REJECTED_VALUES, person_columns

Tables = Mapping[str, Mapping[str, ColumnType]]
#: Called with ids of `users` or `accounts` before their rows go.
Forget = Callable[[str, Sequence[str]], None]

#: Parameters of one statement.
_CHUNK: Final = 500
_UNFINISHED: Final = ".new"


def erase_sql(
    client: Any, tables: Tables, person: Person, forget: Forget, undefined: type[Exception]
) -> Counter[str]:
    """From every table of the client's schema; a table that is not there holds nobody."""
    sql, rows = client.sql_client, Counter[str]()
    quoted: Callable[[str], str] = sql.escape_column_name

    def delete(table: str, condition: str, parameters: Sequence[str]) -> None:
        name = sql.make_qualified_table_name(table)
        with suppress(undefined):
            [(number,)] = sql.execute_sql(f"SELECT COUNT(*) FROM {name} WHERE {condition}", *parameters)
            if number:
                sql.execute_sql(f"DELETE FROM {name} WHERE {condition}", *parameters)
                rows[table] += number

    for table, columns in tables.items():
        if table == REJECTED_VALUES:
            continue
        beat()
        name = sql.make_qualified_table_name(table)
        for condition, parameters in _conditions(table, columns, person, quoted):
            if table in LATEST_TABLES:
                with suppress(undefined):
                    ids = sql.execute_sql(f"SELECT {quoted('id')} FROM {name} WHERE {condition}", *parameters)
                    forget(table, [id_ for (id_,) in ids])
            if REJECTED_VALUES in tables:
                of_rows = (
                    f"{quoted('table_name')} = %s AND {quoted('row_id')} IN "
                    f"(SELECT {quoted('id')} FROM {name} WHERE {condition})"
                )
                delete(REJECTED_VALUES, of_rows, [table, *parameters])
            delete(table, condition, parameters)
    if REJECTED_VALUES in tables:
        position = _position(client, quoted("value"))
        for part in person.names:
            delete(REJECTED_VALUES, f"{position} > 0", [part])
    return rows


def _conditions(
    table: str, columns: Mapping[str, ColumnType], person: Person, quoted: Callable[[str], str]
) -> Iterator[tuple[str, list[str]]]:
    texts = [column for column, type_ in columns.items() if type_ is ColumnType.TEXT]
    of_ids = [quoted(column) for column in texts if column in person_columns(table)]
    of_texts = [f"LOWER(TRIM({quoted(column)}))" for column in texts]
    for names, values in ((of_ids, person.ids), (of_texts, person.emails)):
        for start in range(0, len(names) if values else 0, max(1, _CHUNK // max(1, len(values)))):
            some = names[start : start + max(1, _CHUNK // len(values))]
            listed = ", ".join(["%s"] * len(values))
            yield " OR ".join(f"{name} IN ({listed})" for name in some), list(values) * len(some)


def _position(client: Any, column: str) -> str:
    """Where a parameter stands in a text, in small letters: each database has a function of its own for it."""
    exp = import_module("sqlglot.expressions")
    position = exp.StrPosition(
        this=exp.Lower(this=exp.column("jetbridge_value")), substr=exp.Literal.string("jetbridge_part")
    )
    written = position.sql(dialect=client.capabilities.sqlglot_dialect)
    return str(written).replace("jetbridge_value", column).replace("'jetbridge_part'", "%s")


def erase_files(
    client: Any, tables: Tables, person: Person, forget: Forget, undefined: type[Exception]
) -> Counter[str]:
    """From every Parquet file of the client's schema: those with rows of the person are written anew without them.

    One file at a time is in memory. A folder that is not there holds nobody.
    """
    rows = Counter[str]()
    rejected = _Files(client, REJECTED_VALUES, undefined)
    pc = import_module("pyarrow.compute")
    for table in tables:
        if table == REJECTED_VALUES:
            continue
        files = _Files(client, table, undefined)
        for path in files.paths():
            content = files.read(path)
            gone = _is_of_person(table, content, person)
            if not pc.any(gone).as_py():
                continue
            ids = [str(id_) for id_ in content.filter(gone)["id"].to_pylist()]
            if table in LATEST_TABLES:
                forget(table, ids)
            rows[REJECTED_VALUES] += rejected.delete(lambda content: _is_of_rows(content, table, ids))  # noqa: B023 - called at once
            rows[table] += files.write_without(path, content, gone)
    rows[REJECTED_VALUES] += rejected.delete(lambda content: _pauses(content, person.names))
    return +rows


class _Files:
    """The Parquet files of a table."""

    def __init__(self, client: Any, table: str, undefined: type[Exception]) -> None:
        self._client, self._table, self._undefined = client, table, undefined

    def paths(self) -> list[str]:
        try:
            paths = self._client.list_table_files(self._table)
        except self._undefined:
            return []
        for path in paths:
            if path.endswith(_UNFINISHED):  # of somebody who was interrupted
                self._client.fs_client.rm_file(path)
        return [path for path in paths if path.endswith(".parquet")]

    def read(self, path: str) -> Any:
        beat()
        with self._client.fs_client.open(path, "rb") as file:
            return import_module("pyarrow.parquet").ParquetFile(file).read()

    def delete(self, is_gone: Callable[[Any], Any]) -> int:
        """Delete the rows that `is_gone` marks; how many."""
        total = 0
        for path in self.paths():
            content = self.read(path)
            total += self.write_without(path, content, is_gone(content))
        return total

    def write_without(self, path: str, content: Any, gone: Any) -> int:
        """Write a file anew without the marked rows, at one stroke; a file without rows is removed. Returns how many went."""
        pc = import_module("pyarrow.compute")
        number = int(pc.sum(gone).as_py() or 0)
        if not number:
            return 0
        fs = self._client.fs_client
        if number == content.num_rows:
            fs.rm_file(path)
            return number
        is_local = "file" in fs.protocol
        # A file of a bucket appears when it is complete.
        target = f"{path}{_UNFINISHED}" if is_local else path
        with fs.open(target, "wb") as file:
            import_module("pyarrow.parquet").write_table(content.filter(pc.invert(gone)), file)
        if is_local:
            Path(target).replace(path)
        return number


def _is_of_person(table: str, content: Any, person: Person) -> Any:
    pa, pc = import_module("pyarrow"), import_module("pyarrow.compute")
    ids, emails = pa.array(person.ids, pa.string()), pa.array(person.emails, pa.string())
    marked = pa.array([False] * content.num_rows)
    for field in content.schema:
        if not pa.types.is_string(field.type):
            continue
        if field.name in person_columns(table):
            marked = pc.or_(marked, pc.is_in(content[field.name], ids))
        trimmed = pc.utf8_lower(pc.utf8_trim_whitespace(content[field.name]))
        marked = pc.or_(marked, pc.is_in(trimmed, emails))
    return marked


def _is_of_rows(content: Any, table: str, ids: Sequence[str]) -> Any:
    pa, pc = import_module("pyarrow"), import_module("pyarrow.compute")
    is_of_table = pc.equal(content["table_name"], table)
    return pc.and_(is_of_table, pc.is_in(content["row_id"], pa.array(ids, pa.string())))


def _pauses(content: Any, parts: Sequence[str]) -> Any:
    pa, pc = import_module("pyarrow"), import_module("pyarrow.compute")
    marked = pa.array([False] * content.num_rows)
    for part in parts:
        matches = pc.match_substring(pc.utf8_lower(content["value"]), part)
        marked = pc.or_(marked, pc.fill_null(matches, fill_value=False))
    return marked
