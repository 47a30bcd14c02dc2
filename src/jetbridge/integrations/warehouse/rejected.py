"""Reads `_rejected_values` from the warehouse itself: values that their rows came without, and how many there are of which kind."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from jetbridge.integrations.warehouse.database import Database, NothingLoaded, Reader, TableName, quoted
from jetbridge.integrations.warehouse.rows import REJECTED_COLUMNS, REJECTED_VALUES

#: How long a page, a call or a command may read.
READ_SECONDS: Final = 5.0
#: How far back pages go: the newest of those that fit the filter. People have SQL for the others.
MOST_LISTED: Final = 10_000
#: Kinds that are counted, and characters of a value that are shown.
MOST_KINDS, SHOWN_CHARACTERS = 200, 500


class Filter(NamedTuple):
    """Which values; "" is any. `table` is `schema.table`."""

    table: str = ""
    column: str = ""
    reason: str = ""


EVERYTHING: Final = Filter()


class RejectedValue(NamedTuple):
    """`value` is JSON, its first 500 characters. `received_at` is when its message came."""

    table: str
    row_id: str
    column: str
    value: str
    reason: str
    received_at: datetime | None


class Kind(NamedTuple):
    """How many values of a column of a table were rejected for one reason."""

    table: str
    column: str
    reason: str
    values: int


class Rejected(NamedTuple):
    """`kinds` are those of all values, the most frequent first; `values` one page of those that fit, newest first.

    `next`: how many values the next page skips; None on the last one.
    """

    kinds: Sequence[Kind] = ()
    values: Sequence[RejectedValue] = ()
    next: int | None = None


def read(
    database: Database,
    schemas: Iterable[str],
    filter_: Filter = EVERYTHING,
    *,
    skip: int = 0,
    limit: int = 50,
) -> Rejected:
    """Raises TransientError, PauseError or NotReadable if the warehouse cannot be read."""
    try:
        with database.reading(READ_SECONDS) as session:
            tables = [
                TableName(schema, REJECTED_VALUES) for schema in sorted(schemas) if _is_there(session, schema)
            ]
            if not tables:
                return Rejected()
            return _read(session, tables, filter_, skip, min(limit, MOST_LISTED - skip))
    except NothingLoaded:
        return Rejected()


def advice(reason: str) -> str:
    """What a person can do about values that were rejected for a reason."""
    return next((text for start, text in ADVICE.items() if reason.startswith(start)), "")


_ANOTHER_TYPE = (
    "Have the sender use one kind of value in this field. If the new kind is the right one, change the type of the column "
    "(ALTER TABLE … ALTER COLUMN … TYPE …): what comes from then on fits."
)
_SEND_ANOTHER = "Have the sender write the field otherwise."
#: By the beginning of a reason.
ADVICE: Final[Mapping[str, str]] = {
    "the column is of type": _ANOTHER_TYPE,
    "a float would lose digits": "Have the sender write long numbers, such as ids, as text, into a field of another name.",
    "the integer has more than 64 bits": "Have the sender write long numbers, such as ids, as text.",
    "the value is no finite number": "Have the sender leave out what is no number.",
    "the text contains a character that databases refuse": "Have the sender remove NUL and half surrogate pairs.",
    "it is no time that can be read": "Have the sender write sentAt and originalTimestamp as ISO 8601: 2026-11-29T12:00:00Z.",
    "the name is reserved": "Have the sender give the field another name: the table has a column of this name for something else.",
    "the column has another value of the message": "Have the sender rename one of the two fields whose names become this column.",
    "nothing is left of": "Have the sender use letters a to z or digits in the name.",
    "the message has": "Have the sender put data into values instead of names, or send an array, which is one column.",
    "the table has": "Drop columns that nobody needs, or leave some out in the settings, so that the table has room.",
    "the row has": "Have the sender send fewer fields in one message.",
    "the id is too long": "Have the sender use ids of at most 1,000 bytes. The row was loaded with the id cut.",
}


def _is_there(session: Reader, schema: str) -> bool:
    """Whether it has the table as Jetbridge makes it: somebody may have altered it, or put a view in its place."""
    mark = session.parameter
    rows = session.execute(
        "SELECT c.column_name FROM information_schema.columns c JOIN information_schema.tables t"
        " ON t.table_catalog = c.table_catalog AND t.table_schema = c.table_schema AND t.table_name = c.table_name"
        f" WHERE c.table_schema = {mark} AND c.table_name = {mark} AND t.table_type = 'BASE TABLE'"
        " AND c.table_catalog = current_database()",
        [schema, REJECTED_VALUES],
    )
    return REJECTED_COLUMNS.keys() <= {name for (name,) in rows}


def _read(session: Reader, tables: Sequence[TableName], filter_: Filter, skip: int, limit: int) -> Rejected:
    mark = session.parameter
    # The schema comes as a parameter, for each table the next one.
    union = " UNION ALL ".join(
        f"SELECT CAST({mark} AS VARCHAR) || '.' || coalesce(table_name, '') AS place, coalesce(row_id, '') AS row_id,"
        " coalesce(column_name, '') AS column_name, coalesce(value, '') AS value, coalesce(reason, '') AS reason,"
        f" received_at FROM {session.qualified(table)}"
        for table in tables
    )
    schemas = [table.schema for table in tables]
    kinds = session.execute(
        f"SELECT place, column_name, reason, count(*) FROM ({union}) v"
        f" GROUP BY place, column_name, reason ORDER BY 4 DESC, 1, 2, 3 LIMIT {MOST_KINDS}",
        schemas,
    )
    columns = {"place": filter_.table, "column_name": filter_.column, "reason": filter_.reason}
    chosen = {column: value for column, value in columns.items() if value}
    where = " AND ".join(f"{quoted(column)} = {mark}" for column in chosen)
    rows: list[tuple[Any, ...]] = []
    if limit > 0:
        rows = session.execute(
            f"SELECT place, row_id, column_name, substr(value, 1, {SHOWN_CHARACTERS}), reason, received_at"
            f" FROM ({union}) v {'WHERE ' + where if where else ''}"
            " ORDER BY received_at DESC NULLS LAST, place, row_id, column_name, value"
            f" LIMIT {limit + 1:d} OFFSET {skip:d}",
            [*schemas, *chosen.values()],
        )
    following = skip + limit if len(rows) > limit and skip + limit < MOST_LISTED else None
    return Rejected([Kind(*row) for row in kinds], [RejectedValue(*row) for row in rows[:limit]], following)
