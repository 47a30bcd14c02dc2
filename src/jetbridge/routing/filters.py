"""Destination filters: messages that a person does not want at one destination, dropped by what they say.

Stored as JSON text, a list of filters. Read once, then asked for every message, so each condition is a closure.

    [{"name": "No staff", "match": "any", "conditions": [
        {"field": "traits.email", "operator": "ends with", "value": "@example.com"},
        {"field": "traits.staff", "operator": "is true"}]}]
"""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta

from jetbridge.routing.operators import OPERATORS
from jetbridge.routing.paths import getter
from jetbridge.spec.message import Message

ALL, ANY = "all", "any"

#: Limits of one destination. Segment allows 10 filters.
MOST_FILTERS, MOST_CONDITIONS = 20, 20
NAME_CHARACTERS, VALUE_CHARACTERS = 64, 1_000

#: A filter may drop everything but this: somebody asks to be forgotten.
_NEVER_DROPPED = "delete"


class WrongFilters(ValueError):
    """`str()` names the filter and what is accepted."""


class Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`value` is text; a number or true and false of a message are compared with what it reads as."""

    field: str
    operator: str
    value: Annotated[str, Meta(max_length=VALUE_CHARACTERS)] = ""


class Filter(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Drops messages of which all, or any, of the conditions are true."""

    name: Annotated[str, Meta(min_length=1, max_length=NAME_CHARACTERS)]
    conditions: Annotated[list[Condition], Meta(min_length=1, max_length=MOST_CONDITIONS)]
    match: Literal["all", "any"] = "all"
    enabled: bool = True


Test = Callable[[Message], bool]


class _Ready(NamedTuple):
    name: str
    tests: Sequence[Test]
    match: Callable[[Any], bool]


class Filters:
    """Those that are enabled, ready to be asked."""

    def __init__(self, filters: Sequence[Filter]) -> None:
        """Raises WrongFilters."""
        ready = [
            _Ready(row.name, [test(each) for each in row.conditions], any if row.match == ANY else all)
            for row in filters
            if row.enabled
        ]
        self._ready = tuple(ready)

    def __bool__(self) -> bool:
        return bool(self._ready)

    def dropped_by(self, message: Message) -> str | None:
        """The name of the first filter that drops the message, or None."""
        if message.type == _NEVER_DROPPED:
            return None
        for name, tests, match in self._ready:
            if match(test(message) for test in tests):
                return name
        return None


def test(condition: Condition) -> Test:
    """Whether a condition is true of a message. Raises WrongFilters."""
    operator = OPERATORS.get(condition.operator)
    if operator is None:
        raise WrongFilters(f"{condition.operator[:40]!r} is no operator; there are {', '.join(OPERATORS)}.")
    try:
        get, is_so = getter(condition.field), operator.make(condition.value)
    except ValueError as error:
        raise WrongFilters(f"{condition.field or 'A condition'}: {error}") from error
    return lambda message: is_so(get(message))


def parse(text: str) -> list[Filter]:
    """Raises WrongFilters."""
    if not text.strip():
        return []
    try:
        filters: list[Filter] = _decode(text)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise WrongFilters(f"The filters are not read: {error}.") from error
    _check_names(filters)
    for row in filters:
        try:
            Filters([msgspec.structs.replace(row, enabled=True)])
        except WrongFilters as error:
            raise WrongFilters(f"Filter {row.name}: {error}") from error
    return filters


def dump(filters: Sequence[Filter]) -> str:
    """As text that `parse` reads; no filter is no text."""
    return msgspec.json.format(msgspec.json.encode(filters), indent=2).decode() if filters else ""


def _check_names(filters: Sequence[Filter]) -> None:
    seen: set[str] = set()
    for row in filters:
        if row.name in seen:
            raise WrongFilters(f"Two filters are named {row.name}. Give each a name of its own.")
        seen.add(row.name)


_decode = msgspec.json.Decoder(Annotated[list[Filter], Meta(max_length=MOST_FILTERS)]).decode
