"""Traits of a profile: what identify calls have set, the last writer by the time of the message.

Each trait has the time at which it was last set or removed. An older value does not come back; of two at the same time the
later in the log wins. `null` removes a trait and leaves its time behind, "" is a value (Segment docs, "Unify FAQs").

SQLite's JSON ends a text at U+0000, and halves of surrogate pairs have no UTF-8: in values and in names of traits, each such
character is stored as U+FFFD.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

#: Names of traits of one profile, those of removed ones included. An identify of Segment's may have 300.
MAX_TRAITS: Final = 1_000
MAX_NAME_CHARACTERS: Final = 256
#: The JSON of the values of one profile, without its braces. One call has 32 KB at most.
MAX_BYTES: Final = 64 * 1024

_NOT_STORABLE: Final = re.compile(r"[\x00\ud800-\udfff]")
#: How JSON writes U+0000. A backslash before these characters writes the same bytes, which costs a second look.
_NUL: Final = b"\\u0000"

_encode = msgspec.json.Encoder().encode
_decode_values = msgspec.json.Decoder(dict[str, Any]).decode
_decode_times = msgspec.json.Decoder(dict[str, int]).decode


class TraitChanges(NamedTuple):
    """Names of traits that have another value than before, and of those that the bounds left no room for."""

    changed: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()


NO_CHANGES: Final = TraitChanges()


class Traits:
    """`values` has no removed trait; `times` (ms) has them as well. `size`: bytes of the values' JSON, or more."""

    __slots__ = ("size", "times", "values")

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.times: dict[str, int] = {}
        self.size = 0

    @classmethod
    def decode(cls, values: str, times: str) -> "Traits":
        traits = cls()
        traits.values, traits.times = _decode_values(values), _decode_times(times)
        traits.size = len(values.encode())
        return traits

    def encode(self) -> tuple[str, str]:
        """The JSON of the values and that of the times."""
        return _encode(self.values).decode(), _encode(self.times).decode()

    def apply(self, traits: Mapping[str, Any], at: int) -> TraitChanges:
        """The traits of an identify that happened at `at` (ms)."""
        if not traits:
            return NO_CHANGES
        try:
            text = _encode(traits)
            is_storable = _NUL not in text
        except UnicodeEncodeError:
            is_storable = False
        if not is_storable:
            traits = storable(traits)
            text = _encode(traits)
        has_room = (  # for all, whatever they replace
            self.size + len(text) <= MAX_BYTES
            and len(self.times) + len(traits) <= MAX_TRAITS
            and max(map(len, traits)) <= MAX_NAME_CHARACTERS
        )
        if has_room:
            self.size += len(text)
            changed = [
                name
                for name, value in traits.items()
                if self._is_news(name, at) and self._set(name, value, at)
            ]
            return TraitChanges(tuple(changed))
        changed, rejected = [], []
        self._measure()
        for name, value in traits.items():
            if not self._is_news(name, at):
                continue
            if not self._make_room(name, value):
                rejected.append(name)
            elif self._set(name, value, at):
                changed.append(name)
        return TraitChanges(tuple(changed), tuple(rejected))

    def merge(self, other: "Traits") -> None:
        """Those of a profile that is merged into this one. At the same time, this one's win; one without room is left out."""
        self._measure()
        for name, at in other.times.items():
            if name in self.times and self.times[name] >= at:
                continue
            value = other.values.get(name)
            if self._make_room(name, value):
                self._set(name, value, at)

    def _is_news(self, name: str, at: int) -> bool:
        return name not in self.times or at >= self.times[name]

    def _set(self, name: str, value: Any, at: int) -> bool:
        """Whether the value is another one than before."""
        self.times[name] = at
        if value is None:
            return self.values.pop(name, None) is not None
        before = self.values.get(name)
        self.values[name] = value
        if before is value:
            return False
        # As JSON, in which true is not 1.
        return type(before) is not type(value) or before != value or _encode(before) != _encode(value)

    def _measure(self) -> None:
        """Find out the exact size, which `_make_room` needs."""
        self.size = len(_encode(self.values)) - 1 if self.values else 0

    def _make_room(self, name: str, value: Any) -> bool:
        """Whether there is room for this trait, in the place of its former value."""
        if len(name) > MAX_NAME_CHARACTERS or (name not in self.times and len(self.times) >= MAX_TRAITS):
            return False
        former = _entry_size(name, self.values[name]) if name in self.values else 0
        size = self.size - former + (0 if value is None else _entry_size(name, value))
        if size > MAX_BYTES:
            return False
        self.size = size
        return True


def _entry_size(name: str, value: Any) -> int:
    """Of a name and its value in an object, with colon and comma."""
    return len(_encode(name)) + len(_encode(value)) + 2


def storable(value: Any) -> Any:
    """A value or text of JSON without the characters that SQLite's JSON cannot hold: U+FFFD stands for each."""
    if isinstance(value, str):
        return _NOT_STORABLE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {storable(name): storable(inner) for name, inner in value.items()}
    return [storable(inner) for inner in value] if isinstance(value, list) else value
