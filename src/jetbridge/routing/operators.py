"""The operators of destination filters. None of them raises, whatever a message holds.

Comparisons are strict, as in Segment's FQL: case counts, and text is never smaller than a number. A negative
operator is true exactly where its positive is not, also of a field that is absent.
"""

import re
from collections.abc import Callable
from fnmatch import translate
from typing import Any, NamedTuple

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
