"""The names in a message: its event, its traits and properties, and of what kind their values are.

Values are not decoded: their first byte tells what they are.
"""

from collections.abc import Iterator
from enum import IntFlag
from typing import Any

import msgspec

#: Longer names are cut.
NAME_LENGTH = 200


class Kind(IntFlag):
    """What a JSON value is."""

    TEXT = 1
    NUMBER = 2
    BOOLEAN = 4
    OBJECT = 8
    LIST = 16
    NULL = 32


class _Event(msgspec.Struct, gc=False):
    event: str | None = None


class _Names(msgspec.Struct, gc=False):
    traits: dict[str, msgspec.Raw] | None = None
    properties: dict[str, msgspec.Raw] | None = None


class _Context(msgspec.Struct, gc=False):
    traits: Any = None


class _ContextTraits(msgspec.Struct, gc=False):
    context: _Context | None = None


_event = msgspec.json.Decoder(_Event).decode
_names = msgspec.json.Decoder(_Names).decode
_context_traits = msgspec.json.Decoder(_ContextTraits).decode

#: Plain numbers: joining two flags costs ten times as much.
_KINDS = {
    ord('"'): int(Kind.TEXT),
    ord("t"): int(Kind.BOOLEAN),
    ord("f"): int(Kind.BOOLEAN),
    ord("{"): int(Kind.OBJECT),
    ord("["): int(Kind.LIST),
    ord("n"): int(Kind.NULL),
}
_NUMBER = int(Kind.NUMBER)


def event_of(body: bytes) -> str:
    """The event of a track call; "" if it names none."""
    return (_event(body).event or "")[:NAME_LENGTH]


def names_of(body: bytes, call_type: str) -> Iterator[tuple[str, int]]:
    """Traits and properties with the kinds of their values, the nested ones left out. The traits of an Identify are
    those that destinations read (`spec.person`).
    """
    names = _names(body)
    if call_type == "identify" and not names.traits:
        context = _context_traits(body).context
        if context and isinstance(context.traits, dict):
            for name, value in context.traits.items():
                yield name[:NAME_LENGTH], _KINDS.get(msgspec.json.encode(value)[0], _NUMBER)
    for part in (names.traits, names.properties):
        for name, value in (part or {}).items():
            yield name[:NAME_LENGTH], _KINDS.get(memoryview(value)[0], _NUMBER)


def kind_names(kinds: int) -> list[str]:
    """For a person: ["text", "null"]."""
    return [(kind.name or "").lower() for kind in Kind if kind & kinds]
