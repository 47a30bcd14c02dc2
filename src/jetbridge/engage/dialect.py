"""What the compiler writes in SQLite's way: least and greatest, values in JSON, dates. Another engine replaces this module."""

import re
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
    parts = path.split(".")
    if not all(_PLAIN_KEY.fullmatch(part) for part in parts):
        return _decoded_value(column, path, parts, add)
    place = add(f'$."{path}"')
    if len(parts) > 1:
        nested = add("$" + "".join(f'."{part}"' for part in parts))
        place = f"CASE WHEN json_type({column}, {place}) IS NULL THEN {nested} ELSE {place} END"
    return JsonValue(f"json_type({column}, {place})", f"json_extract({column}, {place})")


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


def prepare(connection: sqlite3.Connection) -> None:
    """Add the functions that compiled statements call. Once per connection."""
    connection.create_function("date_ms", 1, date_ms, deterministic=True)
