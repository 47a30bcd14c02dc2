"""The values of FQL: their types, and when two of them are the same."""

from typing import Any

STRING, NUMBER, BOOL, LIST, NULL, OBJECT = "string", "number", "bool", "list", "null", "object"

#: What a type is called in an error.
IN_WORDS = {
    STRING: "text",
    NUMBER: "a number",
    BOOL: "true or false",
    LIST: "a list",
    NULL: "null",
    OBJECT: "an object",
}

_TYPES: dict[type, str] = {
    str: STRING,
    int: NUMBER,
    float: NUMBER,
    bool: BOOL,
    list: LIST,
    dict: OBJECT,
    type(None): NULL,
}


def type_of(value: Any) -> str:
    """Segment names five types, and nothing for an object: it is "object" here."""
    return _TYPES[type(value)]


def is_number(value: Any) -> bool:
    return type(value) is int or type(value) is float


def same(one: Any, other: Any) -> bool:
    """Of one type and equal, in lists and objects as well: 1 is not true, and 1 is 1.0."""
    if isinstance(one, str):
        return isinstance(other, str) and one == other
    if one is None or isinstance(one, bool):
        return one is other
    if isinstance(one, list):
        return (
            isinstance(other, list)
            and len(one) == len(other)
            and all(same(a, b) for a, b in zip(one, other, strict=True))
        )
    if isinstance(one, dict):
        return (
            isinstance(other, dict)
            and one.keys() == other.keys()
            and all(same(value, other[name]) for name, value in one.items())
        )
    return is_number(other) and bool(one == other)
