"""Contact properties: which names and which values Mailjet takes, and in which form it gives them back."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mailjet_sandbox.clock import format_moment, parse_rfc3339
from mailjet_sandbox.errors import NOT_DEFINED, WRONG_TYPE
from mailjet_sandbox.model import Property, Value

#: No rule is published. Segment expressions use names bare, ``(age<40)``, so this is what certainly works. [X]
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,254}", re.ASCII)

_INT64 = range(-(2**63), 2**63)

#: Names, as given, with what is wrong about them: the shape in which the API lists them. [D]
Problems = list[dict[str, str]]


class WrongType(ValueError):
    """A value that the property's Datatype does not take."""


def _text(value: Any) -> Value:
    if type(value) is not str:
        raise WrongType
    return value


def _integer(value: Any) -> Value:
    if type(value) is not int or value not in _INT64:
        raise WrongType
    return value


def _number(value: Any) -> Value:
    if type(value) is float:
        return value
    return float(_integer(value))


def _boolean(value: Any) -> Value:
    if type(value) is not bool:
        raise WrongType
    return value


def _datetime(value: Any) -> Value:
    """Take Unix seconds and RFC 3339 [D]; milliseconds lie beyond the year 9999 and are rejected."""
    try:
        return format_moment(parse_rfc3339(value) if type(value) is str else int(_integer(value)))
    except (ValueError, OverflowError):
        raise WrongType from None


#: Strict on purpose: whether Mailjet turns ``"30"`` into an int is not known, so nothing should lean on it. [X]
DATATYPES: Mapping[str, Callable[[Any], Value]] = {
    "str": _text,
    "int": _integer,
    "float": _number,
    "bool": _boolean,
    "datetime": _datetime,
}


def check(definitions: Mapping[str, Property], properties: Any) -> tuple[dict[str, Value | None], Problems]:
    """Sort properties into values to store, None meaning unassign, and problems.

    A JSON text in place of the object is ignored without a word, as the real service does. [I] mailjet-apiv3-php#68
    """
    values: dict[str, Value | None] = {}
    problems: Problems = []
    pairs: Iterable[tuple[str, Any]] = ()
    if isinstance(properties, dict):
        pairs = properties.items()
    elif isinstance(properties, list):
        # [{"Name": .., "Value": ..}] is taken for properties of these names. [I] php#245
        pairs = [pair for row in properties if isinstance(row, dict) for pair in row.items()]
    for name, value in pairs:
        definition = definitions.get(name) or definitions.get(name.lower())
        if definition is None:
            problems.append({name: NOT_DEFINED})
            continue
        try:
            values[definition.name] = None if value is None else DATATYPES[definition.datatype](value)
        except WrongType:
            problems.append({name: WRONG_TYPE})
    return values, problems


def assign(data: dict[str, Value], values: Mapping[str, Value | None]) -> bool:
    """Write checked values; return whether anything changed."""
    changed = False
    for name, value in values.items():
        if value is None:
            changed |= data.pop(name, None) is not None
        elif data.get(name) != value or type(data[name]) is not type(value):
            data[name] = value
            changed = True
    return changed
