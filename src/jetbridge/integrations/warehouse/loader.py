"""Loads a batch of messages: rows into their tables, each id once, in one transaction of the warehouse.

The same for every engine. A batch may come again, whole or in part, after a crash between the warehouse's commit and ours: rows whose id
is there already are left out, so nothing is loaded twice. The first message with an id wins, within a batch as across batches.
A table that cannot be loaded holds up its own rows only; their messages come again until it can.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from jetbridge.heartbeat import beat
from jetbridge.integrations.warehouse.column_types import ColumnType, json_text
from jetbridge.integrations.warehouse.database import Database, Session, TableInfo, TableName, TableRefused
from jetbridge.integrations.warehouse.latest import TIMES_COLUMNS, Latest, times_table
from jetbridge.integrations.warehouse.names import key
from jetbridge.integrations.warehouse.rows import (
    LATEST_TABLES,
    REJECTED_COLUMNS,
    REJECTED_VALUES,
    Row,
    columns_of,
    rows_of,
)
from jetbridge.integrations.warehouse.selection import EVERYTHING, Selection
from jetbridge.integrations.warehouse.table import Table
from jetbridge.spec.message import Message
from jetbridge.spec.untrusted import JSON_ERRORS


class Arrival(NamedTuple):
    """A message, and the schema of its source."""

    schema: str
    message: Message


@dataclass
class LoadResult:
    """What became of a batch: rows added or changed, and values rejected, by table.

    `waiting`: messages (by their place in the batch) that have to come again, with the reason. `problems`: the same by table.
    """

    rows: Counter[TableName] = field(default_factory=Counter)
    rejected: Counter[TableName] = field(default_factory=Counter)
    waiting: dict[int, str] = field(default_factory=dict)
    problems: dict[TableName, str] = field(default_factory=dict)
    #: The columns of each table that was loaded, with their types.
    columns: dict[TableName, dict[str, str]] = field(default_factory=dict)


class _Pending(msgspec.Struct, gc=False):
    """A row of the message at `place` in the batch."""

    place: int
    message: Message
    row: Row


def load(
    database: Database,
    batch: Sequence[Arrival],
    selection: Selection = EVERYTHING,
    *,
    more_follows: bool = False,
) -> LoadResult:
    """Load what can be loaded; `more_follows` as in `Database.transaction`. Raises TransientError or PauseError if that is nothing at all."""
    rows: defaultdict[tuple[str, str], list[_Pending]] = defaultdict(list)
    for place, (schema, message) in enumerate(batch):
        for row in selection.of(rows_of(message)):
            rows[schema, row.table].append(_Pending(place, message, row))
    pending = {TableName(*name): rows_of_table for name, rows_of_table in rows.items()}
    problems: dict[TableName, str] = {}
    while pending:
        beat()
        try:
            schemas = sorted({table.schema for table in pending})
            with database.transaction(schemas, more_follows=more_follows) as session:
                return _Load(session, problems).run(pending)
        except TableRefused as refused:
            # The transaction is gone with the statement: the next one leaves this table out.
            if refused.table in problems:
                raise
            problems[refused.table] = str(refused)
    return LoadResult()


class _Load:
    """One attempt, within one transaction."""

    def __init__(self, session: Session, problems: Mapping[TableName, str]) -> None:
        self._session = session
        self._result = LoadResult(problems=dict(problems))
        self._infos: dict[TableName, TableInfo] = {}
        #: The table of rejected values, by schema.
        self._rejected: dict[str, Table] = {}

    def run(self, pending: Mapping[TableName, Sequence[_Pending]]) -> LoadResult:
        for schema in {name.schema for name in pending}:
            self._session.create_schema(schema)
            tables = self._session.tables(schema)
            self._infos.update({TableName(schema, name): info for name, info in tables.items()})
            self._rejected[schema] = self._own_table(TableName(schema, REJECTED_VALUES), REJECTED_COLUMNS)
        for name, rows in pending.items():
            table = Table(self._session, name, self._infos.get(name), columns_of(name.name))
            if self._is_blocked(table):
                self._wait((row.place for row in rows), self._result.problems[name])
            elif name.name in LATEST_TABLES:
                self._load_latest(table, rows)
            else:
                self._load_calls(table, rows)
        for rejected in self._rejected.values():
            if rejected.has_rows:
                rejected.fit()
                rejected.write()
        return self._result

    def _own_table(self, name: TableName, columns: Mapping[str, ColumnType]) -> Table:
        return Table(self._session, name, self._infos.get(name), columns, required=columns)

    def _is_blocked(self, table: Table) -> bool:
        if table.problem:
            self._result.problems.setdefault(table.name, table.problem)
        return table.name in self._result.problems

    def _wait(self, places: Iterable[int], reason: str) -> None:
        self._result.waiting.update(dict.fromkeys(places, reason))

    def _load_calls(self, table: Table, pending: Sequence[_Pending]) -> None:
        """One row per message, each id once."""
        ids = [item.row.id for item in pending]
        done = self._session.known_ids(table.name, ids) if table.exists else set()
        added = []
        for id_, item in zip(ids, pending, strict=True):
            if id_ not in done:
                done.add(id_)
                table.add(item.row.values, item.row.rejections)
                added.append(item)
        table.fit()
        waiting = self._keep_rejections(table, added)
        table.write(without=waiting)
        self._count(table, len(added) - len(waiting))

    def _load_latest(self, table: Table, pending: Sequence[_Pending]) -> None:
        """One row per person or group, merged by the times of its messages."""
        times = self._own_table(times_table(table.name), TIMES_COLUMNS)
        if self._is_blocked(times):
            self._result.problems[table.name] = self._result.problems[times.name]
            self._wait((row.place for row in pending), self._result.problems[times.name])
            return
        ids = list(dict.fromkeys(item.row.id for item in pending))
        present = self._session.known_ids(table.name, ids) if table.exists else set()
        known = self._session.select_by_id(times.name, "times", list(present)) if times.exists else {}
        people = {id_: _latest(times.name, id_, known.get(id_)) for id_ in ids}
        added: list[_Pending] = []
        for item in pending:
            if changes := people[item.row.id].merge(item.row, item.message, len(added)):
                table.add(changes)
                added.append(item)
        table.fit()
        waiting = {added[place].row.id for place in self._keep_rejections(table, added)}
        for item in pending:
            if item.row.id in waiting:
                self._wait([item.place], self._result.problems[self._rejected[table.name.schema].name])
        changed = [person for person in people.values() if person.places and person.id not in waiting]
        self._write_latest(table, times, changed, present)

    def _write_latest(
        self, table: Table, times: Table, changed: Sequence[Latest], present: Collection[str]
    ) -> None:
        table.alter()
        new = [table.row(person.places) for person in changed if person.id not in present]
        if new:
            self._session.insert(table.name, table.columns, new)
        known = [person for person in changed if person.id in present]
        if known:
            rows = [table.row(person.places) for person in known]
            self._session.update(table.name, table.columns, rows, [person.places.keys() for person in known])
        if times.exists:
            # Also times of rows that somebody has deleted: what comes now counts from the beginning.
            self._session.delete_by_id(times.name, [person.id for person in changed])
        for person in changed:
            times.add({"id": person.id, "times": person.times})
        times.fit()
        times.write()
        self._count(table, len(changed))

    def _count(self, table: Table, rows: int) -> None:
        self._result.rows[table.name] += rows
        self._result.columns[table.name] = table.described

    def _keep_rejections(self, table: Table, added: Sequence[_Pending]) -> set[int]:
        """Keep what the rows of a table come without. Returns the places of rows of which that is not possible: their messages wait."""
        rejected = self._rejected[table.name.schema]
        if table.rejections and self._is_blocked(rejected):
            reason = self._result.problems[rejected.name]
            self._wait((added[place].place for place in table.rejections), reason)
            return set(table.rejections)
        for place, rejections in table.rejections.items():
            for rejection in rejections:
                rejected.add(
                    {
                        "table_name": table.name.name,
                        "row_id": added[place].row.id,
                        "column_name": key(rejection.column),
                        "value": json_text(rejection.value),
                        "reason": rejection.reason,
                        "received_at": added[place].message.received_at,
                    }
                )
            self._result.rejected[table.name] += len(rejections)
        return set()


def _latest(times: TableName, id_: str, known: str | None) -> Latest:
    try:
        return Latest(id_, known)
    except JSON_ERRORS:
        raise TableRefused(
            times,
            f"{times} has no times for {id_} that can be read. Delete that row, or drop the table: "
            "what is loaded then counts as the latest.",
        ) from None
