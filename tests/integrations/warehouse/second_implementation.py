"""Segment's warehouse schema once more, for comparison: slow, in one file, with plain dictionaries for tables.

Written from Segment's public pages ("Warehouse schemas", go-snakecase's README) and our rules before its author had seen the
product's code. Where the two differed, the rule was decided and is in docs/destinations/warehouse.md. It knows no database, no batch and no speed.
"""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from jetbridge.spec.message import Message
from jetbridge.spec.times import parse_time

IDS = ("id", "user_id", "anonymous_id", "group_id", "previous_id")
TIMES = ("timestamp", "original_timestamp", "sent_at", "received_at")
#: Columns of our own, which no property or trait may fill, by table.
OWN = {
    "tracks": (*TIMES, "id", "user_id", "anonymous_id", "event", "event_text"),
    "identifies": (*TIMES, "id", "user_id", "anonymous_id"),
    "users": (*TIMES, "id", "user_id", "anonymous_id"),
    "pages": (*TIMES, "id", "user_id", "anonymous_id"),  # name and category may come as properties
    "screens": (*TIMES, "id", "user_id", "anonymous_id"),
    "groups": (*TIMES, "id", "user_id", "anonymous_id", "group_id"),
    "accounts": (*TIMES, "id", "group_id"),
    "aliases": (*TIMES, "id", "user_id", "anonymous_id", "previous_id"),
}
LARGEST = 2**53


class Rejected(NamedTuple):
    table: str
    row: str
    column: str
    value: str  # JSON


def snake_case(text: str) -> str:
    """go-snakecase: ASCII letters and digits only; a word is capitals or digits, followed by small letters or digits."""
    words = re.findall(r"[A-Z0-9]+[a-z0-9]*|[a-z][a-z0-9]*", text)
    return "_".join(words).lower()


def identifier(text: str) -> str:
    name = snake_case(text)
    return f"_{name}" if name[:1].isdigit() else name


def leaves(tree: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Paths and values that are no objects, in the order of the message. What has no name is one value, whatever it is."""
    for key, value in tree.items():
        if isinstance(value, dict) and snake_case(key):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


def kind_of(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer" if -(2**63) <= value < 2**63 else "too large"
    if isinstance(value, float):
        return "float"
    if isinstance(value, datetime):
        return "timestamp"
    return "text"


def typed(value: Any, column_type: str | None) -> Any:
    """Arrays are JSON text. A text that is an ISO 8601 date-time with a zone is that moment, unless its column is text."""
    if isinstance(value, list):
        return msgspec.json.encode(value).decode()
    if (
        isinstance(value, str)
        and column_type != "text"
        and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)", value, re.ASCII)
    ):
        return parse_time(value) or value
    return value


class Table:
    def __init__(self) -> None:
        self.columns: dict[str, str] = {}
        self.rows: dict[str, dict[str, Any]] = {}
        #: Of users and accounts: the message that last said something of a column.
        self.said: dict[tuple[str, str], tuple[datetime, str]] = {}

    def accepts(self, column: str, value: Any) -> bool:
        kind, known = kind_of(value), self.columns.get(column)
        if kind == "too large" or (kind == "text" and ("\0" in value or not _is_unicode(value))):
            return False
        if known is None or known == kind:
            return True
        if known == "text":
            return False
        stored = [row[column] for row in self.rows.values() if column in row]
        if (known, kind) == ("integer", "float"):
            return all(abs(each) <= LARGEST for each in stored)
        return (known, kind) == ("float", "integer") and abs(value) <= LARGEST

    def learn(self, column: str, value: Any) -> Any:
        """The value as the column stores it, which may widen by it."""
        kind = kind_of(value)
        if (self.columns.get(column), kind) == ("integer", "float"):
            self.columns[column] = "float"
            for row in self.rows.values():
                if column in row:
                    row[column] = float(row[column])
        self.columns.setdefault(column, kind)
        return float(value) if self.columns[column] == "float" else value


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class Warehouse:
    """The tables of one source."""

    def __init__(self) -> None:
        self.tables: dict[str, Table] = {}
        self.rejected: list[Rejected] = []

    def take(self, message: Message) -> None:
        handler: Callable[[Message], None] | None = getattr(self, f"_{message.type}", None)
        if handler:
            handler(message)

    def _track(self, message: Message) -> None:
        text = message.event or ""
        slug = identifier(text)
        table = f"_{slug}" if slug in OWN else slug
        own = self._own(message) | {"event": table or None, "event_text": text}
        is_new = message.message_id not in self.tables.setdefault("tracks", Table()).rows
        self._insert("tracks", own, message, {})
        if slug:
            self._insert(table, own, message, message.properties or {}, names=OWN["tracks"])
        elif message.properties and is_new:
            self.rejected.append(
                Rejected("tracks", message.message_id, "properties", as_json(message.properties))
            )

    def _identify(self, message: Message) -> None:
        self._insert("identifies", self._own(message), message, message.traits or {})
        if message.user_id is not None:
            self._merge("users", message.user_id, message)

    def _page(self, message: Message) -> None:
        own = self._own(message) | {"name": message.name, "category": message.category}
        self._insert(f"{message.type}s", own, message, message.properties or {})

    _screen = _page

    def _group(self, message: Message) -> None:
        own = self._own(message) | {"group_id": message.group_id}
        self._insert("groups", own, message, message.traits or {})
        if message.group_id is not None:
            self._merge("accounts", message.group_id, message)

    def _alias(self, message: Message) -> None:
        own = self._own(message) | {"previous_id": message.previous_id}
        self._insert("aliases", own, message, message.traits or {})

    @staticmethod
    def _own(message: Message) -> dict[str, Any]:
        return {
            "id": message.message_id,
            "user_id": message.user_id,
            "anonymous_id": message.anonymous_id,
            **times(message),
        }

    def _insert(
        self, name: str, own: dict[str, Any], message: Message, values: dict[str, Any], names: Any = ()
    ) -> None:
        table = self.tables.setdefault(name, Table())
        id_ = message.message_id
        if id_ in table.rows:
            return  # the first message with an id wins
        row = {column: value for column, value in own.items() if value is not None}
        for column, text in (
            ("original_timestamp", message.original_timestamp),
            ("sent_at", message.sent_at),
        ):
            if text and column not in row:
                self.rejected.append(Rejected(name, id_, column, as_json(text)))
        taken: dict[str | None, Any] = dict(row)
        for column, value in row.items():
            table.columns.setdefault(column, kind_of(value))
        for column, raw, text in self._values(message, values, names or OWN[name]):
            value = typed(raw, table.columns.get(column or ""))
            if column and repr(taken.get(column)) == repr(value):  # True is no 1
                continue  # said twice
            if column is None or column in taken or not table.accepts(column, value):
                self.rejected.append(Rejected(name, id_, text, as_json(raw)))
            else:
                row[column] = table.learn(column, value)
            taken.setdefault(column, value)  # the first of two names wins, whether its value fits or not
        table.rows[id_] = row

    def _merge(self, name: str, id_: str, message: Message) -> None:
        """Per column the latest message wins, by its time and then its id; null clears."""
        table = self.tables.setdefault(name, Table())
        row = table.rows.setdefault(id_, {"id": id_})
        table.columns.setdefault("id", "text")
        at = (message.timestamp, message.message_id)
        cells = [(column, moment) for column, moment in times(message).items() if moment]
        cells += [
            (column, typed(value, table.columns.get(column)))
            for column, value, _ in self._values(message, message.traits or {}, OWN[name], nulls=True)
            if column
        ]
        said: dict[str, Any] = {}
        for column, value in cells:
            if said.get(column) is None:  # of two names for one column a value goes before null
                said[column] = value
        for column, value in said.items():
            if at <= table.said.get((id_, column), (datetime.min.replace(tzinfo=UTC), "")):
                continue
            table.said[id_, column] = at
            row.pop(column, None)
            if value is not None and table.accepts(column, value):
                row[column] = table.learn(column, value)

    @staticmethod
    def _values(
        message: Message, values: dict[str, Any], own: Any, *, nulls: bool = False
    ) -> Iterator[tuple[str | None, Any, str]]:
        """Column (None: there can be none), value, and the name as it was sent."""
        context = [(("context", *path), value, True) for path, value in leaves(message.context or {})]
        for path, value, is_context in [*context, *((path, value, False) for path, value in leaves(values))]:
            column: str | None = identifier(" ".join(path))
            if not all(map(snake_case, path)) or (not is_context and column in own):
                column = None
            if value is not None or (nulls and column):
                yield column, value, ".".join(path)


def times(message: Message) -> dict[str, Any]:
    return {
        "timestamp": message.timestamp,
        "original_timestamp": parse_time(message.original_timestamp),
        "sent_at": parse_time(message.sent_at),
        "received_at": message.received_at,
    }


def as_json(value: Any) -> str:
    return json.dumps(value, default=lambda moment: moment.isoformat())
