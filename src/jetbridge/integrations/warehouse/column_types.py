"""The five types of a warehouse's columns, and which values fit which of them.

A value never changes its kind on the way: text stays text even if it reads `5`, and 5 does not become text. The one exception are
ISO 8601 date-times with a zone, which JSON can only write as text: where a column is of times they are stored as instants.
"""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from types import NoneType
from typing import Any, Final

import msgspec

from jetbridge.integrations.warehouse.names import is_storable

#: A value as it is stored; None is NULL.
Value = str | int | float | bool | datetime | None


class ColumnType(StrEnum):
    TEXT = "text"
    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"


class Misfit(Exception):
    """A value does not fit its column; `str()` is the reason, as `_rejected_values` has it."""


#: Beyond this a float skips whole numbers, so an integer would lose its last digits.
EXACT_FLOAT: Final = 2**53
INTEGER_MIN: Final = -(2**63)
INTEGER_MAX: Final = 2**63 - 1

_ISO_WITH_ZONE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d(?::?\d\d)?)", re.ASCII
)


def parse_instant(text: str) -> datetime | None:
    """The instant in UTC that an ISO 8601 date-time with a zone names; None for any other text.

    Only the extended format with a T counts. Digits beyond microseconds are cut off.
    """
    # The fifth and the eleventh character settle nearly every text that is none.
    if text[4:5] != "-" or text[10:11] != "T" or _ISO_WITH_ZONE.fullmatch(text) is None:
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):  # no such day; or out of the years 1 to 9999 in UTC
        return None


def json_text(value: Any) -> str:
    """A value as JSON in plain text: whatever JSON can say, with escapes for what a database would refuse."""
    try:
        return msgspec.json.encode(value).decode()
    except (UnicodeEncodeError, RecursionError):
        return json.dumps(value, separators=(",", ":"), default=str)


def natural_type(value: Any) -> ColumnType:
    """The type of a new column whose first value this is."""
    kind = type(value)
    if kind is str:
        return ColumnType.TEXT if parse_instant(value) is None else ColumnType.TIMESTAMP
    return _NATURAL[kind]


def _fit_text(value: Any) -> str:
    if type(value) is str:
        if (value.isascii() and "\0" not in value) or is_storable(value):
            return value
        raise Misfit("the text contains a character that databases refuse")
    if type(value) is list:
        return json_text(value)
    raise Misfit("the column is of type text")


def _fit_integer(value: Any) -> int:
    if type(value) is not int:
        raise Misfit("the column is of type integer")
    if not INTEGER_MIN <= value <= INTEGER_MAX:
        raise Misfit("the integer has more than 64 bits")
    return value


def _fit_float(value: Any) -> float:
    if type(value) is int:
        if not -EXACT_FLOAT <= value <= EXACT_FLOAT:
            raise Misfit("a float would lose digits of the integer")
        return float(value)
    if type(value) is not float:
        raise Misfit("the column is of type float")
    if not math.isfinite(value):
        raise Misfit("the value is no finite number")
    return value


def _fit_boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise Misfit("the column is of type boolean")
    return value


def _fit_timestamp(value: Any) -> datetime:
    if type(value) is datetime:
        return value
    instant = parse_instant(value) if type(value) is str else None
    if instant is None:
        raise Misfit("the column is of type timestamp")
    return instant


def fit_unchanged(type_: ColumnType, values: Sequence[Any]) -> bool:
    """Whether a column of the type stores all of the values (None among them) as they are: `FIT` would return each of them.

    False may also mean that looking at each would take as long as `FIT` does.
    """
    kinds = set(map(type, values))
    kinds.discard(NoneType)
    if not kinds <= {_STORED[type_]}:
        return False
    match type_:
        case ColumnType.TEXT:
            return is_storable("".join(filter(None, values)))
        case ColumnType.INTEGER:
            smallest, largest = min(filter(None, values), default=0), max(filter(None, values), default=0)
            return bool(smallest >= INTEGER_MIN and largest <= INTEGER_MAX)
        case ColumnType.FLOAT:
            return all(map(math.isfinite, filter(None, values)))
        case _:
            return True


#: What Python calls the values of a type.
_STORED: Mapping[ColumnType, type] = {
    ColumnType.TEXT: str,
    ColumnType.INTEGER: int,
    ColumnType.FLOAT: float,
    ColumnType.BOOLEAN: bool,
    ColumnType.TIMESTAMP: datetime,
}
_NATURAL: Mapping[type, ColumnType] = {
    bool: ColumnType.BOOLEAN,
    int: ColumnType.INTEGER,
    float: ColumnType.FLOAT,
    list: ColumnType.TEXT,
    datetime: ColumnType.TIMESTAMP,
}
#: What a column of the type stores of a JSON value (or of a datetime of ours). Each raises Misfit.
FIT: Mapping[ColumnType, Callable[[Any], Value]] = {
    ColumnType.TEXT: _fit_text,
    ColumnType.INTEGER: _fit_integer,
    ColumnType.FLOAT: _fit_float,
    ColumnType.BOOLEAN: _fit_boolean,
    ColumnType.TIMESTAMP: _fit_timestamp,
}
