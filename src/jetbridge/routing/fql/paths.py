r"""Fields of a message, as FQL names them: `type`, `event`, `traits.address.city`, `properties.product\ 1`.

In a name every character outside `A-Z a-z 0-9 _ -` has a backslash before it.
"""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any

import msgspec

from jetbridge.spec.message import Message

Getter = Callable[[Message], Any]

#: What came in confidence, and what Jetbridge notes for itself, are no fields of a message.
_NOT_FIELDS = {"_settings", "_dropped", "_engage"}
_ATTRIBUTES = {
    name: attribute
    for name, attribute in zip(Message.__struct_encode_fields__, Message.__struct_fields__, strict=True)
    if name not in _NOT_FIELDS
}
#: Where a path can begin.
FIELDS = tuple(_ATTRIBUTES)
#: Those that hold objects.
_OBJECTS = {"traits", "properties", "context", "integrations", "_metadata"}
_TIMES = {"timestamp", "receivedAt"}

_NONE: dict[str, Any] = {}
#: The usual `traits.plan`: a function for each object, as looking up the attribute by its name takes half of the time.
_BY_NAME: dict[str, Callable[[str], Getter]] = {
    "traits": lambda name: lambda message: (message.traits or _NONE).get(name),
    "properties": lambda name: lambda message: (message.properties or _NONE).get(name),
    "context": lambda name: lambda message: (message.context or _NONE).get(name),
}

#: A path that is written well; `grammar.lark` has the same.
_WELL_FORMED = re.compile(
    r"(?:[A-Za-z_]|\\.)(?:[A-Za-z0-9_-]|\\.)*(?:\.(?:[A-Za-z0-9_-]|\\.)+)*", re.ASCII | re.DOTALL
)
_PART = re.compile(r"(?:[^\\.]|\\.)*", re.DOTALL)
_TO_ESCAPE = re.compile(r"[^A-Za-z0-9_-]")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def read(text: str) -> tuple[str, ...]:
    """The names of a path. Raises ValueError with what is accepted."""
    if not text:
        raise ValueError("a field is needed, such as traits.plan.")
    if not _WELL_FORMED.fullmatch(text):
        raise ValueError(
            "this is no field. Write, say, traits.address.city, with a backslash before any character in a name that is "
            "neither a letter, a digit, - nor _."
        )
    parts = split(text)
    if wrong := problem(parts):
        raise ValueError(wrong)
    return parts


def split(text: str) -> tuple[str, ...]:
    """The names of a path that is written well."""
    parts, at = [], 0
    while at <= len(text):
        found = _PART.match(text, at)
        assert found
        parts.append(_ESCAPED.sub(r"\1", found.group()))
        at = found.end() + 1
    return tuple(parts)


def join(parts: Sequence[str]) -> str:
    return ".".join(_TO_ESCAPE.sub(lambda found: "\\" + found.group(), part) for part in parts)


def problem(parts: Sequence[str]) -> str:
    """What is wrong with a path; "" if nothing is."""
    if parts[0] in _ATTRIBUTES:
        return ""
    return f"{join(parts[:1])[:40]} is no field of a message. There are {', '.join(FIELDS)}."


def getter(parts: Sequence[str]) -> Getter:
    """What stands there in a message: None if nothing does. `parts` begins with one of FIELDS."""
    first, *rest = parts
    top = attrgetter(_ATTRIBUTES[first])
    if first in _TIMES and not rest:
        return lambda message: _time(top(message))
    if not rest:
        return top
    if first not in _OBJECTS:
        return lambda _: None
    if len(rest) == 1:
        return (
            _BY_NAME[first](rest[0])
            if first in _BY_NAME
            else lambda message: (top(message) or _NONE).get(rest[0])
        )

    def get(message: Message) -> Any:
        value = top(message)
        for name in rest:
            if not isinstance(value, dict):
                return None
            value = value.get(name)
        return value

    return get


def _time(value: datetime) -> Any:
    """As the message's JSON has it."""
    return msgspec.to_builtins(value)
