"""The evaluator of destination filters before FQL, as it was: what migrated filters are compared with."""

import re
from collections.abc import Callable, Sequence
from fnmatch import translate
from operator import attrgetter
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta

from jetbridge.spec.message import Message

#: Whether it is so of a value; None stands for null and for absent.
IsSo = Callable[[Any], bool]


class Operator(NamedTuple):
    """`make` raises ValueError, with what is accepted, for a value that it cannot compare with."""

    make: Callable[[str], IsSo]
    takes_value: bool = True


def _number(text: str) -> float | None:
    try:
        return int(text)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            return None


def _is(text: str) -> IsSo:
    number, truth = _number(text), {"true": True, "false": False}.get(text)

    def is_so(value: Any) -> bool:
        if isinstance(value, str):
            return value == text
        if isinstance(value, bool):
            return value is truth
        return number is not None and isinstance(value, int | float) and value == number

    return is_so


def _contains(text: str) -> IsSo:
    is_one = _is(_needed(text))

    def is_so(value: Any) -> bool:
        if isinstance(value, str):
            return text in value
        return isinstance(value, list) and any(map(is_one, value))

    return is_so


def _starts_with(text: str) -> IsSo:
    beginning = _needed(text)
    return lambda value: isinstance(value, str) and value.startswith(beginning)


def _ends_with(text: str) -> IsSo:
    end = _needed(text)
    return lambda value: isinstance(value, str) and value.endswith(end)


def _matches(text: str) -> IsSo:
    """Glob: `*`, `?` and `[abc]`; the whole text must match."""
    fits = re.compile(translate(_needed(text))).match
    return lambda value: isinstance(value, str) and fits(value) is not None


def _greater(text: str) -> IsSo:
    limit = _limit(text)
    return lambda value: _is_number(value) and value > limit


def _less(text: str) -> IsSo:
    limit = _limit(text)
    return lambda value: _is_number(value) and value < limit


def _not(make: Callable[[str], IsSo]) -> Callable[[str], IsSo]:
    def opposite(text: str) -> IsSo:
        is_so = make(text)
        return lambda value: not is_so(value)

    return opposite


def _needed(text: str) -> str:
    if not text:
        raise ValueError("a value is needed.")
    return text


def _limit(text: str) -> float:
    number = _number(text)
    if number is None:
        raise ValueError(f"{text[:40]!r} is no number.")
    return number


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


OPERATORS: dict[str, Operator] = {
    "is": Operator(_is),
    "is not": Operator(_not(_is)),
    "contains": Operator(_contains),
    "does not contain": Operator(_not(_contains)),
    "starts with": Operator(_starts_with),
    "ends with": Operator(_ends_with),
    "matches": Operator(_matches),
    "is greater than": Operator(_greater),
    "is less than": Operator(_less),
    "is true": Operator(lambda _: lambda value: value is True, takes_value=False),
    "is false": Operator(lambda _: lambda value: value is False, takes_value=False),
    "exists": Operator(lambda _: lambda value: value is not None, takes_value=False),
    "does not exist": Operator(lambda _: lambda value: value is None, takes_value=False),
}


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
