"""What the compiler writes in SQLite's way: least and greatest, values in JSON, dates, exact aggregates.

SQLite cannot compute all of it: decimals, values compared as text, and the event with which a value goes are Python's. Another engine
replaces this module.
"""

import json
import math
import re
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, ROUND_HALF_EVEN, Context, Decimal
from typing import Protocol

import msgspec

from jetbridge.spec.times import date_ms

#: A key that JSON writes as it is. SQLite 3.40 compares the keys of a JSON path with the JSON text, escapes and all,
#: and a quote ends them: other keys, and the empty one, are looked up by json_each, which decodes them.
_PLAIN_KEY = re.compile(r'[^"\\\x00-\x1f]+')
#: A moment that does not come, instead of NULL, which least and greatest of the engines treat differently.
NEVER = 2**53 - 1

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


# ---- aggregates

#: Distinct values of a list, as at Segment.
MAX_DISTINCT_VALUES = 10_000
#: Significant digits of an average: whole numbers of 64 bits, and the shortest text of each double, have no more.
AVERAGE_DIGITS = 19
#: Doubles lie between 1e309 and 5e-324 and have 17 digits: any sum of them is exact with so many.
_EXACT = Context(prec=1_000, rounding=ROUND_HALF_EVEN, Emin=MIN_EMIN, Emax=MAX_EMAX)
_AVERAGE = Context(prec=AVERAGE_DIGITS, rounding=ROUND_HALF_EVEN, Emin=MIN_EMIN, Emax=MAX_EMAX)
#: From here on the nearest double is infinite, and readers of JSON refuse the number.
_TOO_LARGE = Decimal(2**1024 - 2**970)
_INT64 = 2**63


class Aggregate(Protocol):
    def step(self, text: str, ts: int) -> None: ...

    def finalize(self) -> str | None: ...


def number(text: str) -> Decimal:
    """The value of a JSON number: the decimal that its shortest text shows. Infinite beyond the doubles.

    Whole numbers beyond 64 bits count as the nearest double.
    """
    if len(text) <= 16 and "e" not in text and "E" not in text:
        return Decimal(text)  # a double shows up to 15 digits as they are written
    if len(text) <= 20 and text.lstrip("-").isdigit() and -_INT64 <= int(text) < _INT64:
        return Decimal(text)
    return Decimal(repr(float(text)))


def number_text(value: Decimal) -> str:
    """The shortest JSON of a finite number; equal numbers have equal texts. Without exponent from 1e-7 to below 1e19."""
    if not value:
        return "0"
    value = value.normalize(_EXACT)
    if -7 <= value.adjusted() <= 18:
        return format(value, "f")
    sign, digits, _ = value.as_tuple()
    first, rest = str(digits[0]), "".join(map(str, digits[1:]))
    return f"{'-' * sign}{first}{'.' * bool(rest)}{rest}e{value.adjusted():+d}"


class ExactSum:
    def __init__(self) -> None:
        self.total = Decimal(0)
        self.count = 0
        self.oldest = math.inf

    def step(self, text: str, ts: int) -> None:
        value = number(text)
        if value.is_finite():
            self.total = _EXACT.add(self.total, value)
            self.count += 1
            if ts < self.oldest:  # noqa: PLR1730 - `min` takes a third of the step
                self.oldest = ts

    def finalize(self) -> str | None:
        if not self.count:
            return None
        value = "null" if abs(self.total) >= _TOO_LARGE else number_text(self.total)
        return f"[{self.oldest},{value}]"


class ExactAverage(ExactSum):
    def finalize(self) -> str | None:
        if not self.count:
            return None
        return f"[{self.oldest},{number_text(_AVERAGE.divide(self.total, Decimal(self.count)))}]"


class ExactMin:
    def __init__(self) -> None:
        self.value: Decimal | None = None
        self.newest = 0

    def step(self, text: str, ts: int) -> None:
        value = number(text)
        if self.value is None or self.precedes(value, self.value):
            if value.is_finite():
                self.value, self.newest = value, ts
        elif value == self.value:
            self.newest = max(self.newest, ts)

    def precedes(self, value: Decimal, other: Decimal) -> bool:
        return value < other

    def finalize(self) -> str | None:
        return None if self.value is None else f"[{self.newest},{number_text(self.value)}]"


class ExactMax(ExactMin):
    def precedes(self, value: Decimal, other: Decimal) -> bool:
        return value > other


class MostFrequent:
    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.oldest = math.inf

    def step(self, text: str, ts: int) -> None:
        self.counts[text] = self.counts.get(text, 0) + 1
        self.oldest = min(self.oldest, ts)

    def finalize(self) -> str | None:
        groups = _by_text(self.counts)
        if not groups:
            return None
        # The most frequent, then the first text.
        count, _, spellings = min(
            (-sum(self.counts[spelling] for spelling in spellings), text, spellings)
            for text, spellings in groups.items()
        )
        return None if count > -2 else f"[{self.oldest},{min(spellings)}]"


class UniqueList:
    def __init__(self) -> None:
        self.newest: dict[str, int] = {}

    def step(self, text: str, ts: int) -> None:
        if ts > self.newest.get(text, -1):
            self.newest[text] = ts

    def finalize(self) -> str | None:
        groups = _by_text(self.newest)
        if not groups:
            return None
        values = [min(groups[text]) for text in sorted(groups)[:MAX_DISTINCT_VALUES]]
        return f"[{min(self.newest[value] for value in values)},[{','.join(values)}]]"


class UniqueListCount(UniqueList):
    def finalize(self) -> str | None:
        groups = _by_text(self.newest)
        if not groups:
            return None
        first = min(max(self.newest[spelling] for spelling in spellings) for spellings in groups.values())
        return f"[{first},{min(len(groups), MAX_DISTINCT_VALUES)}]"


#: By the name of the SQL function.
AGGREGATES: Mapping[str, type[Aggregate]] = {
    "exact_sum": ExactSum,
    "exact_avg": ExactAverage,
    "exact_min": ExactMin,
    "exact_max": ExactMax,
    "most_frequent": MostFrequent,
    "unique_list": UniqueList,
    "unique_list_count": UniqueListCount,
}


def _by_text(spellings: Iterable[str]) -> dict[str, list[str]]:
    """JSON texts of scalars, by the text as which they are compared."""
    groups: dict[str, list[str]] = {}
    for spelling in spellings:
        text = spelling
        if spelling.startswith('"'):
            text = json.loads(spelling) if "\\" in spelling else spelling[1:-1]
        elif spelling not in {"true", "false"} and (value := number(spelling)).is_finite():
            text = number_text(value)
        groups.setdefault(text, []).append(spelling)
    return groups
