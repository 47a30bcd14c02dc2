r"""Paths into a message, as Segment writes them: `type`, `event`, `traits.address.city`.

A dot that belongs to a name is written `\.`.
"""

import re
from collections.abc import Callable
from operator import attrgetter
from typing import Any

from jetbridge.spec.message import Message

#: First part of a path -> attribute of a message.
_BEGINNINGS = {
    "type": "type",
    "event": "event",
    "userId": "user_id",
    "anonymousId": "anonymous_id",
    "name": "name",
    "category": "category",
    "groupId": "group_id",
    "previousId": "previous_id",
    "messageId": "message_id",
    "channel": "channel",
    "traits": "traits",
    "properties": "properties",
    "context": "context",
    "integrations": "integrations",
}
_DOT = re.compile(r"(?<!\\)\.")


def getter(path: str) -> Callable[[Message], Any]:
    """What stands there in a message; None if nothing does. Raises ValueError with what is accepted."""
    first, *rest = (part.replace("\\.", ".") for part in _DOT.split(path))
    if first not in _BEGINNINGS:
        raise ValueError(f"a field begins with one of {', '.join(_BEGINNINGS)}.")
    if "" in rest:
        raise ValueError("a name is missing at a dot. Write, say, traits.address.city.")
    top = attrgetter(_BEGINNINGS[first])
    return _inner(top, rest) if rest else top


def _inner(top: Callable[[Message], Any], names: list[str]) -> Callable[[Message], Any]:
    def get(message: Message) -> Any:
        value = top(message)
        for name in names:
            if not isinstance(value, dict):
                return None
            value = value.get(name)
        return value

    return get
