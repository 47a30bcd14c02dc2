"""The functions of FQL. Each takes values of a message, whatever they are, and raises nothing but FQLEvaluationError.

Source: Segment docs, "Destination Filter Query Language": what each gives, and what it makes of null. What they make of
other types is as in `tsub`, the evaluator of Segment's browser library, which gives false or null where it can. The rules of
`bool`, `string` and `number` are ours: Segment names the functions and not their rules.
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from jetbridge.routing.fql import glob
from jetbridge.routing.fql.errors import FQLEvaluationError
from jetbridge.routing.fql.values import BOOL, IN_WORDS, NUMBER, STRING, is_number, type_of

#: Characters of a text that `number` reads.
_NUMBER_CHARACTERS = 400
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)
_TRUE, _FALSE = frozenset({"true", "1"}), frozenset({"false", "0"})


class Function(NamedTuple):
    """`parameters` are for the docs and for errors; `result` is the type that it gives, unless it gives null."""

    call: Callable[..., Any]
    parameters: tuple[str, ...]
    result: str


def contains(value: Any, part: Any) -> bool:
    return isinstance(value, str) and isinstance(part, str) and part in value


def match(value: Any, pattern: Any) -> bool:
    if not (isinstance(value, str) and isinstance(pattern, str)):
        return False
    try:
        return glob.matcher(pattern)(value)
    except glob.BadPattern as error:
        raise FQLEvaluationError(f"match() takes a pattern, and this is none: {error}") from error


def length(value: Any) -> int:
    """Members of a list, bytes of a text in UTF-8, 0 of null."""
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, list):
        return len(value)
    if value is None:
        return 0
    raise _cannot("length", "a list or text", value)


def _of_text(change: Callable[[str], str]) -> Callable[[Any], str | None]:
    return lambda value: change(value) if isinstance(value, str) else None


def _title(text: str) -> str:
    return " ".join(word[:1].upper() + word[1:] for word in text.split(" "))


def to_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        if value in _TRUE or value in _FALSE:
            return value in _TRUE
        raise FQLEvaluationError(
            'bool() takes a text that is "true", "false", "1" or "0"; this one is another.'
        )
    if isinstance(value, dict):
        raise _cannot("bool", "a list, text, a number or null", value)
    return bool(value)


def to_string(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, dict):
        raise _cannot("string", "a list, text, a number or null", value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    try:
        return str(value) if type(value) is int else msgspec.json.encode(value).decode()
    except (ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        raise FQLEvaluationError("string() cannot write this value.") from error


def to_number(value: Any) -> float | None:
    if value is None or is_number(value):
        number: float | None = value
        return number
    if not isinstance(value, str):
        raise _cannot("number", "a number or text", value)
    if len(value) > _NUMBER_CHARACTERS or not _NUMBER.fullmatch(value):
        raise FQLEvaluationError("number() takes a text that is a number; this one is none.")
    return read_number(value)


def read_number(text: str) -> float:
    """A number as FQL writes it. Raises FQLEvaluationError if it is too large."""
    try:
        return int(text)
    except ValueError:
        number = float(text)
    if number in {float("inf"), float("-inf")}:
        raise FQLEvaluationError("this number is too large.")
    return number


def _cannot(function: str, takes: str, value: Any) -> FQLEvaluationError:
    return FQLEvaluationError(f"{function}() takes {takes}; this is {IN_WORDS[type_of(value)]}.")


FUNCTIONS = {
    "contains": Function(contains, ("text", "part"), BOOL),
    "length": Function(length, ("list or text",), NUMBER),
    "lowercase": Function(_of_text(str.lower), ("text",), STRING),
    "uppercase": Function(_of_text(str.upper), ("text",), STRING),
    "snakecase": Function(_of_text(lambda text: text.replace(" ", "_")), ("text",), STRING),
    "kebabcase": Function(_of_text(lambda text: text.replace(" ", "-")), ("text",), STRING),
    "titlecase": Function(_of_text(_title), ("text",), STRING),
    "typeof": Function(type_of, ("value",), STRING),
    "match": Function(match, ("text", "pattern"), BOOL),
    "bool": Function(to_bool, ("value",), BOOL),
    "string": Function(to_string, ("value",), STRING),
    "number": Function(to_number, ("number or text",), NUMBER),
}
