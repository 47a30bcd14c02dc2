"""What the compiler writes in SQLite's way: least and greatest, values in JSON, dates, exact aggregates.

Another engine replaces this module.
"""

import re
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from jetbridge.engage.aggregates import AGGREGATES
from jetbridge.engage.definition import date_ms

#: A key that JSON writes as it is. SQLite 3.40 compares the keys of a JSON path with the JSON text, escapes and all,
#: and a quote ends them: other keys, and the empty one, are looked up by json_each, which decodes them.
_PLAIN_KEY = re.compile(r'[^"\\\x00-\x1f]+')

AddParameter = Callable[[object], str]


@dataclass(frozen=True, slots=True)
class JsonValue:
    """Two expressions: the JSON type of a value (NULL if there is none) and the value (JSON text for lists, objects)."""

    type: str
    value: str

    @property
    def exists(self) -> str:
        return f"coalesce({self.type}, 'null') <> 'null'"

    @property
    def is_text(self) -> str:
        return f"{self.type} = 'text'"

    @property
    def is_number(self) -> str:
        return f"{self.type} IN ('integer', 'real')"

    @property
    def is_scalar(self) -> str:
        return f"{self.type} IN ('text', 'integer', 'real', 'true', 'false')"

    def is_bool(self, value: bool) -> str:  # noqa: FBT001 - the value itself
        return f"{self.type} = '{'true' if value else 'false'}'"

    @property
    def date_ms(self) -> str:
        return f"CASE WHEN {self.is_text} THEN date_ms({self.value}) END"

    def any_element(self, alias: str, condition: Callable[["JsonValue"], str]) -> str:
        """The value is a list, and the condition is true for one of its elements."""
        items = f"json_each(CASE WHEN {self.type} = 'array' THEN {self.value} ELSE '[]' END)"
        return f"EXISTS (SELECT 1 FROM {items} AS {alias} WHERE {condition(JsonValue(f'{alias}.type', f'{alias}.value'))})"


def json_value(column: str, path: str, add: AddParameter) -> JsonValue:
    """The value at `path` in a column of JSON: that of a top key spelled like the whole path, else the nested one."""
    place = _json_place(column, path, add)
    if place is None:
        return _decoded_value(column, path, path.split("."), add)
    return JsonValue(f"json_type({column}, {place})", f"json_extract({column}, {place})")


def json_text(column: str, path: str, add: AddParameter) -> str:
    """The JSON of the value of `json_value` as it is written there. NULL if there is none."""
    place = _json_place(column, path, add)
    return f"json_text({column}, {add(path)})" if place is None else f"({column} -> ({place}))"


def whole_value(column: str) -> JsonValue:
    """The value that a column of JSON is."""
    return JsonValue(f"json_type({column})", f"json_extract({column}, '$')")


def _json_place(column: str, path: str, add: AddParameter) -> str | None:
    """The JSON path of SQLite; None if a key cannot be written in one."""
    parts = path.split(".")
    if not all(_PLAIN_KEY.fullmatch(part) for part in parts):
        return None
    place = add(f'$."{path}"')
    if len(parts) == 1:
        return place
    nested = add("$" + "".join(f'."{part}"' for part in parts))
    return f"CASE WHEN json_type({column}, {place}) IS NULL THEN {nested} ELSE {place} END"


def _decoded_value(column: str, path: str, parts: Sequence[str], add: AddParameter) -> JsonValue:
    top = f"FROM json_each({column}) AS k0 WHERE k0.key = {add(path)}"
    if len(parts) == 1:
        return JsonValue(f"(SELECT k0.type {top})", f"(SELECT k0.value {top})")
    tables = [f"json_each({column}) AS k0"]
    tables += [
        f"json_each(CASE k{i}.type WHEN 'object' THEN k{i}.value ELSE '{{}}' END) AS k{i + 1}"
        for i in range(len(parts) - 1)
    ]
    keys = " AND ".join(f"k{i}.key = {add(part)}" for i, part in enumerate(parts))
    nested, last = f"FROM {', '.join(tables)} WHERE {keys}", f"k{len(parts) - 1}"
    return JsonValue(
        f"coalesce((SELECT k0.type {top}), (SELECT {last}.type {nested}))",
        f"CASE WHEN EXISTS (SELECT 1 {top}) THEN (SELECT k0.value {top}) ELSE (SELECT {last}.value {nested}) END",
    )


def items(parameter: str) -> str:
    """The items of a parameter that is a JSON list, as a SELECT."""
    return f"SELECT value FROM json_each({parameter})"


def contains_text(text: str, part: str) -> str:
    return f"instr({text}, {part}) > 0"


def starts_with(text: str, part: str) -> str:
    return f"substr({text}, 1, length({part})) = {part}"


def ends_with(text: str, part: str) -> str:
    return f"substr({text}, -length({part})) = {part}"


def least(values: Sequence[str]) -> str:
    """The least of values of which none is NULL. With one argument, SQLite's min and max are aggregates."""
    return values[0] if len(values) == 1 else f"min({', '.join(values)})"


def greatest(values: Sequence[str]) -> str:
    return values[0] if len(values) == 1 else f"max({', '.join(values)})"


def iso_time(ts: str) -> str:
    """A moment in ms since 1970, not before, as JSON: a text in ISO 8601."""
    return f"""strftime('"%Y-%m-%dT%H:%M:%S', {ts} / 1000, 'unixepoch') || printf('.%03dZ"', {ts} % 1000)"""


def pair(first: str, second: str) -> str:
    """A JSON list of two values in JSON; NULL if one of them is."""
    return f"'[' || {first} || ',' || {second} || ']'"


def prepare(connection: sqlite3.Connection) -> None:
    """Add the functions that compiled statements call. Once per connection."""
    connection.create_function("date_ms", 1, date_ms, deterministic=True)
    connection.create_function("json_text", 2, _json_text, deterministic=True)
    for name, aggregate in AGGREGATES.items():
        connection.create_aggregate(name, 2, aggregate)  # type: ignore[arg-type]  # typeshed: one integer to another


_Fields = dict[str, msgspec.Raw]


def _json_text(document: str, path: str) -> str | None:
    value: str | bytes = document
    for key in [path] if path in msgspec.json.decode(document, type=_Fields) else path.split("."):
        if value[:1] not in {"{", b"{"}:
            return None
        fields = msgspec.json.decode(value, type=_Fields)
        if key not in fields:
            return None
        value = bytes(fields[key])
    return value.decode() if isinstance(value, bytes) else value
