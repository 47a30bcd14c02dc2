"""What is blocked at a source, for all of its destinations: whole events, and single properties or traits of them."""

from collections.abc import Iterable

from jetbridge.routing import properties
from jetbridge.routing.fql import paths
from jetbridge.spec.message import Message

#: Call type, the event of a track call ("" of others), and the name of a property or trait ("" is the whole).
Block = tuple[str, str, str]

#: Calls that can be blocked as a whole. The others say who somebody is, or to forget them.
WHOLE = frozenset({"track", "page", "screen"})
#: Calls with traits; the others have properties.
WITH_TRAITS = frozenset({"identify", "group"})
_NEVER_BLOCKED = "delete"


class Blocks:
    """Those of one source."""

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
        return properties.drop(message, dict.fromkeys(places, names))


def path_of(call_type: str, name: str) -> str:
    """The path of a property or trait, for a person."""
    return paths.join(["traits" if call_type in WITH_TRAITS else "properties", name])


def _event(message: Message) -> tuple[str, str]:
    return message.type, (message.event or "") if message.type == "track" else ""
