"""What a webhook sends of a message: all of it, or a map of its fields. Pure functions.

JSON is written as `JSON.stringify` writes it: without blanks, characters as they are, and whole numbers without a
fraction (2, not 2.0). So a receiver that parses a body and writes it anew before it checks the signature gets the same
bytes for ordinary values.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from jetbridge.routing.fql.nodes import path_getter, read_path
from jetbridge.spec.message import Message
from jetbridge.spec.outgoing import pass_on

#: The key of a constant in a map: {"sender": {"constant": "Jetbridge"}}.
CONSTANT = "constant"
#: Fields of a map.
MOST_FIELDS = 200
#: Up to here a whole number means the same to every reader of JSON.
_EXACT = 2**53

#: Makes the value that is sent of a message.
Payload = Callable[[Message], Any]


class InvalidMap(ValueError):
    """A map that says nothing. The message is for a person, and names the field."""


def whole(message: Message) -> Any:
    """The call as Segment's webhooks have it: every common field, without what a Segment workspace addressed to us."""
    call = msgspec.to_builtins(message)
    call.pop("_settings", None)
    call.pop("_dropped", None)
    call.pop("_engage", None)
    return call


def whole_with(tag: str) -> Payload:
    """The whole call, which says that it has passed the destination with this tag."""
    return lambda message: whole(pass_on(message, tag))


def by_map(fields: Mapping[str, Any]) -> Payload:
    """A payload of these fields. Each is a path in the payload, and either a path in the message or {"constant": value}.

    A field whose path leads nowhere in a message is left out. Raises InvalidMap.
    """
    if len(fields) > MOST_FIELDS:
        raise InvalidMap(f"A map has at most {MOST_FIELDS} fields.")
    rules = [(_target(name), _value(name, rule)) for name, rule in fields.items()]
    for target, _ in rules:
        if any(other != target and other[: len(target)] == target for other, _ in rules):
            raise InvalidMap(f"{'.'.join(target)}: it cannot be a value and an object at once.")

    def payload(message: Message) -> Any:
        made: dict[str, Any] = {}
        for (*parents, last), value in rules:
            if (field := value(message)) is not None:
                inside = made
                for name in parents:
                    inside = inside.setdefault(name, {})
                inside[last] = field
        return made

    return payload


def _target(name: str) -> tuple[str, ...]:
    parts = tuple(name.split("."))
    if "" in parts:
        raise InvalidMap(f"{name[:60]!r}: a name is missing at a dot.")
    return parts


def _value(name: str, rule: Any) -> Callable[[Message], Any]:
    if isinstance(rule, dict) and rule.keys() == {CONSTANT}:
        constant = rule[CONSTANT]
        return lambda _: constant
    if not isinstance(rule, str):
        raise InvalidMap(f'{name[:60]}: give a path such as "traits.email", or {{"{CONSTANT}": a value}}.')
    try:
        return path_getter(read_path(rule))
    except ValueError as error:
        raise InvalidMap(f"{name[:60]}: {error}") from None


def encode(value: Any) -> bytes:
    return msgspec.json.encode(_plain(value))


def _plain(value: Any) -> Any:
    """The same with whole numbers as such: `2.0` is `2` after any JavaScript has read and written it."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT:
        return int(value)
    return value
