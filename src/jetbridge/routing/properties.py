"""Taking properties away from a message: single ones, all but some, or those that are blocked at its source.

`fields` is as in Segment's API: the path of an object (`properties`, `context.device`) and names in it. On the way to an
object, and at its end, a list stands for each of its members: `properties.products` means every product.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from jetbridge.routing.fql.nodes import read_path, split_path, write_path
from jetbridge.spec.message import Message

#: The parts of a message that something can be taken from. Source: Segment's Public API, "Destination Filters".
ROOTS = ("traits", "properties", "context")

#: Call type, the event of a track call ("" of others), and the name of a property or trait ("" is the whole).
Block = tuple[str, str, str]

#: Calls that can be blocked as a whole. The others say who somebody is, or to forget them.
WHOLE = frozenset({"track", "page", "screen"})
#: Calls with traits; the others have properties.
WITH_TRAITS = frozenset({"identify", "group"})
_NEVER_BLOCKED = "delete"

Fields = Mapping[str, Sequence[str]]
Take = Callable[[dict[str, Any], Sequence[str]], dict[str, Any]]


def problem(fields: Fields) -> str:
    """What is wrong with such fields, and what is accepted; "" if nothing is."""
    if not any(fields.values()):
        return "Name the properties that are meant."
    for path in fields:
        try:
            root = read_path(path)[0]
        except ValueError as error:
            return f"{path[:40]}: {error}"
        if root not in ROOTS:
            return f"{path[:40]}: properties can be taken from {', '.join(ROOTS)}."
    return ""


def drop(message: Message, fields: Fields) -> Message:
    """Without the properties that are named."""
    return _change(message, fields, lambda values, names: {k: v for k, v in values.items() if k not in names})


def allow(message: Message, fields: Fields) -> Message:
    """Of each object that is named, only the properties that are named."""
    return _change(message, fields, lambda values, names: {k: v for k, v in values.items() if k in names})


def read(lines: Sequence[str]) -> dict[str, list[str]]:
    r"""Fields, from paths of single properties: `traits.email`, `properties.product\ 1.price`. Raises ValueError."""
    fields: dict[str, list[str]] = {}
    for line in lines:
        try:
            *parents, name = read_path(line)
        except ValueError as error:
            raise ValueError(f"{line[:40]}: {error}") from None
        if not parents:
            raise ValueError(f"{line[:40]}: name a property in it, such as {line[:40]}.email.")
        fields.setdefault(write_path(parents), []).append(name)
    return fields


def write(fields: Fields) -> list[str]:
    """The paths of the properties that are named, as `read` takes them."""
    return [f"{path}.{write_path([name])}" for path, names in fields.items() for name in names]


def taken(before: Message, after: Message) -> list[str]:
    """The paths of what was taken from a message."""
    return [path for root in ROOTS for path in _missing(getattr(before, root), getattr(after, root), [root])]


def _missing(before: Any, after: Any, parts: list[str]) -> list[str]:
    if isinstance(before, list) and isinstance(after, list):
        pairs = zip(before, after, strict=False)
        return list(dict.fromkeys(path for pair in pairs for path in _missing(*pair, parts)))
    if not (isinstance(before, dict) and isinstance(after, dict)) or before is after:
        return []
    missing: list[str] = []
    for name, value in before.items():
        inner = [*parts, name]
        missing += _missing(value, after[name], inner) if name in after else [write_path(inner)]
    return missing


def _change(message: Message, fields: Fields, take: Take) -> Message:
    changed: dict[str, Any] = {}
    for path, names in fields.items():
        root, *rest = split_path(path)
        before = changed.get(root, getattr(message, root))
        if isinstance(before, dict):
            changed[root] = _at(before, rest, names, take)
    return msgspec.structs.replace(message, **changed) if changed else message


def _at(value: Any, path: Sequence[str], names: Sequence[str], take: Take) -> Any:
    """A copy as far as it is different."""
    if isinstance(value, list):
        return [_at(member, path, names, take) for member in value]
    if not isinstance(value, dict):
        return value
    if not path:
        return take(value, names)
    first, rest = path[0], path[1:]
    return {**value, first: _at(value[first], rest, names, take)} if first in value else value


class Blocks:
    """What is blocked at one source, for all of its destinations: whole events, and single properties or traits of them."""

    def __init__(self, blocks: Iterable[Block]) -> None:
        self._events: set[tuple[str, str]] = set()
        self._names: dict[tuple[str, str], list[str]] = {}
        for call_type, event, name in blocks:
            if name:
                self._names.setdefault((call_type, event), []).append(name)
            else:
                self._events.add((call_type, event))

    def blocks(self, message: Message) -> bool:
        """Whether the whole message is blocked."""
        return message.type != _NEVER_BLOCKED and _event(message) in self._events

    def apply(self, message: Message) -> Message:
        """The message without the properties and traits that are blocked."""
        names = self._names.get(_event(message))
        if not names or message.type == _NEVER_BLOCKED:
            return message
        places = ("traits", "context.traits") if message.type in WITH_TRAITS else ("properties",)
        return drop(message, dict.fromkeys(places, names))


def path_of(call_type: str, name: str) -> str:
    """The path of a property or trait, for a person."""
    return write_path(["traits" if call_type in WITH_TRAITS else "properties", name])


def _event(message: Message) -> tuple[str, str]:
    return message.type, (message.event or "") if message.type == "track" else ""
