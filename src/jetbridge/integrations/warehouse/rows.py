"""From a message to its rows, as Segment's warehouses have them. Pure functions: no database, no clock.

Sources: Segment docs, "Warehouse schemas" and "Selective sync"; where Segment drops a value in silence, it is named here as rejected.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from jetbridge.integrations.warehouse.column_types import ColumnType
from jetbridge.integrations.warehouse.names import SYSTEM_COLUMNS, Fields, event_table, fields_of, key
from jetbridge.spec.message import Message
from jetbridge.spec.times import parse_time

_TEXT, _TIMESTAMP = ColumnType.TEXT, ColumnType.TIMESTAMP
_TIMES: Mapping[str, ColumnType] = dict.fromkeys(
    ("received_at", "timestamp", "original_timestamp", "sent_at"), _TIMESTAMP
)
_CALL = {"id": _TEXT, **_TIMES, "user_id": _TEXT, "anonymous_id": _TEXT}
_EVENT = {**_CALL, "event": _TEXT, "event_text": _TEXT}
_PAGE = {**_CALL, "name": _TEXT, "category": _TEXT}
_LATEST = {"id": _TEXT, **_TIMES}

#: The columns that a table has from its first row on, by table; an event's table has those of `tracks`.
TABLE_COLUMNS: Final[Mapping[str, Mapping[str, ColumnType]]] = {
    "tracks": _EVENT,
    "identifies": _CALL,
    "users": _LATEST,
    "pages": _PAGE,
    "screens": _PAGE,
    "groups": {**_CALL, "group_id": _TEXT},
    "accounts": _LATEST,
    "aliases": {**_CALL, "previous_id": _TEXT},
}
#: Tables of one row per person or group, each column as the latest message has it.
LATEST_TABLES: Final = frozenset({"users", "accounts"})
#: Ids are text whatever they look like, in every table.
ID_COLUMNS: Final = frozenset({"id", "user_id", "anonymous_id", "group_id", "previous_id"})

#: The table of values that their rows came without.
REJECTED_VALUES: Final = "_rejected_values"
REJECTED_COLUMNS: Final[Mapping[str, ColumnType]] = {
    **dict.fromkeys(("table_name", "row_id", "column_name", "value", "reason"), _TEXT),
    "received_at": _TIMESTAMP,
}

#: A property cannot fill these. Names of pages can: analytics.js sends them as properties as well.
_RESERVED: Mapping[str, frozenset[str]] = {
    table: SYSTEM_COLUMNS.union(columns).difference(("name", "category"))
    for table, columns in {
        **TABLE_COLUMNS,
        "users": (*_LATEST, "user_id", "anonymous_id"),
        "accounts": (*_LATEST, "group_id"),
    }.items()
}


#: Columns that a trait or property of a key of Engage cannot fill, in the tables that its calls are in.
RESERVED_KEYS: Final = _RESERVED["identifies"] | _RESERVED["users"] | _RESERVED["tracks"]

_RESERVED_NAME = "the name is reserved"
_TAKEN_NAME = "the column has another value of the message"


class Rejection(NamedTuple):
    """A value (as JSON has it) that its row comes without."""

    column: str
    value: Any
    reason: str


class Row(msgspec.Struct, gc=False):
    """A row before its values meet the table: JSON values and datetimes by column.

    Rows of `LATEST_TABLES` also say what is null. Their rejections are those of the row of their call, and stand there.
    """

    table: str
    values: dict[str, Any]
    rejections: list[Rejection] | tuple[()] = ()

    def reject(self, column: str, value: Any, reason: str) -> None:
        if value is None:  # no value that could be lost
            return
        if isinstance(self.rejections, tuple):
            self.rejections = []
        self.rejections.append(Rejection(column, value, reason))

    @property
    def id(self) -> str:
        value: str = self.values["id"]
        return value


def columns_of(table: str) -> Mapping[str, ColumnType]:
    """What a table has from the start."""
    return TABLE_COLUMNS.get(table, _EVENT)


def person_columns(table: str) -> frozenset[str]:
    """Columns with an id of a person."""
    return frozenset({"id"} if table == "users" else {"user_id", "anonymous_id", "previous_id"})


def rows_of(message: Message) -> list[Row]:
    """The rows of a message; none for a call that no table is for (`delete`)."""
    make = _ROWS.get(message.type)
    return make(message) if make else []


def _track_rows(message: Message) -> list[Row]:
    event = message.event or ""
    table = event_table(event)
    tracks = _call_row("tracks", message, {"event": table, "event_text": event})
    if table is None:
        if message.properties:
            tracks.reject("properties", message.properties, "nothing is left of the event's name")
        return [tracks]
    row = Row(table, tracks.values.copy(), tracks.rejections[:])
    if message.properties:
        _flatten(message.properties, fields_of(""), row, _RESERVED["tracks"])
    return [tracks, row]


def _identify_rows(message: Message) -> list[Row]:
    row = _call_row("identifies", message, {}, message.traits)
    if message.user_id is None:
        return [row]
    return [row, _latest_row("users", message.user_id, message)]


def _group_rows(message: Message) -> list[Row]:
    group = message.group_id or ""
    row = _call_row("groups", message, {"group_id": group}, message.traits)
    return [row, _latest_row("accounts", group, message)]


def _page_rows(message: Message) -> list[Row]:
    names = {"name": message.name, "category": message.category}
    return [_call_row(f"{message.type}s", message, names, message.properties)]


def _alias_rows(message: Message) -> list[Row]:
    return [_call_row("aliases", message, {"previous_id": message.previous_id}, message.traits)]


_ROWS: Mapping[str, Callable[[Message], list[Row]]] = {
    "track": _track_rows,
    "identify": _identify_rows,
    "page": _page_rows,
    "screen": _page_rows,
    "group": _group_rows,
    "alias": _alias_rows,
}


def _call_row(
    table: str, message: Message, own: Mapping[str, str | None], fields: Mapping[str, Any] | None = None
) -> Row:
    """The row of a call itself: ids, times, `own` columns, the context, and what the call says."""
    ids = {
        "id": message.message_id,
        "user_id": message.user_id,
        "anonymous_id": message.anonymous_id,
        **own,
    }
    row = Row(table, {})
    for column, text in ids.items():
        if text is None:
            continue
        row.values[column] = key(text) if column in ID_COLUMNS else text
        if row.values[column] != text:
            row.reject(column, text, "the id is too long or contains what databases refuse")
    _add_times(message, row)
    _add_fields(message.context, fields, row)
    return row


def _latest_row(table: str, id_: str, message: Message) -> Row:
    row = Row(table, {"id": key(id_)})
    _add_times(message, row)
    _add_fields(message.context, message.traits, row)
    row.rejections = ()
    return row


def _add_times(message: Message, row: Row) -> None:
    row.values["received_at"] = message.received_at
    row.values["timestamp"] = message.timestamp
    for column, text in (("original_timestamp", message.original_timestamp), ("sent_at", message.sent_at)):
        if not text:
            continue
        moment = parse_time(text, message.received_at)
        if moment is None:
            row.reject(column, text, "it is no time that can be read")
        else:
            row.values[column] = moment


def _add_fields(context: Mapping[str, Any] | None, fields: Mapping[str, Any] | None, row: Row) -> None:
    reserved = _RESERVED[row.table]
    if context:
        _flatten(context, fields_of("context"), row, reserved)
    if fields:
        _flatten(fields, fields_of(""), row, reserved)


def _flatten(object_: Mapping[str, Any], columns: Fields, row: Row, reserved: frozenset[str]) -> None:
    """Add the leaves of an object to a row: names joined by `_`, the first of two values for one column wins.

    Calls are at most 100 levels deep (`spec.untrusted`), and so is this.
    """
    values, keeps_null = row.values, row.table in LATEST_TABLES
    for field, value in object_.items():
        column = columns[field]
        if column is None:
            name = f"{columns.path}.{field}" if columns.path else field
            # An object of which nothing was kept is rejected as a whole.
            row.reject(name, value, "nothing is left of the name")
        elif type(value) is dict:
            _flatten(value, column.fields, row, reserved)
        elif value is not None or keeps_null:
            name = column.name
            present = values.get(name)
            if present is None and name not in reserved:
                values[name] = value
            elif type(present) is not type(value) or present != value:
                row.reject(name, value, _RESERVED_NAME if name in reserved else _TAKEN_NAME)
