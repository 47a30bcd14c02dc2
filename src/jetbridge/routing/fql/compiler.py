"""An expression as a function over messages: one closure per node, the usual shapes with closures of their own.

Types are strict, as in Segment: a comparison of two types is false (`!=` true), `<` is for numbers. What Segment calls an
internal error, and drops the message for, raises FQLEvaluationError here: `and`, `or` and `!` of what is neither true,
false nor null, `in` what is no list, a function that cannot use its value, a result that is not true or false.

The functions of FQL take values of a message, whatever they are, and raise nothing but FQLEvaluationError. Source: Segment docs,
"Destination Filter Query Language": what each gives, and what it makes of null. What they make of other types is as in `tsub`, the
evaluator of Segment's browser library, which gives false or null where it can. The rules of `bool`, `string` and `number` are
ours: Segment names the functions and not their rules.
"""

import operator
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from jetbridge.routing.fql import glob
from jetbridge.routing.fql.nodes import (
    BOOL,
    IN_WORDS,
    LIST,
    NUMBER,
    STRING,
    Call,
    Comparison,
    FQLEvaluationError,
    Junction,
    ListOf,
    Literal,
    Node,
    Not,
    Path,
    is_number,
    path_getter,
    same,
    to_text,
    type_of,
)
from jetbridge.spec.message import Message

Evaluate = Callable[[Message], Any]
Predicate = Callable[[Message], bool]

_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
#: How much of an expression an error repeats.
_SHOWN = 80

#: Characters of a text that `number` reads.
_NUMBER_CHARACTERS = 400
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)
_TRUE, _FALSE = frozenset({"true", "1"}), frozenset({"false", "0"})


@lru_cache(64)
def parse(text: str) -> Node:
    """Raises FQLSyntaxError."""
    # Lark takes 8 MB and 30 ms. Most processes have no filter.
    from jetbridge.routing.fql.parser import parse_expression  # noqa: PLC0415

    return parse_expression(text)


def compile_expression(node: Node) -> Predicate:
    """Whether the expression is true of a message; null is not. The function raises nothing but FQLEvaluationError."""
    return _predicate(node, "The expression")


def result_type(node: Node) -> str | None:
    """What a node gives, unless it gives null; None: that depends on the message."""
    match node:
        case Literal(value):
            return type_of(value)
        case ListOf():
            return LIST
        case Call(function):
            return FUNCTIONS[function].result
        case Path():
            return None
    return BOOL


def _predicate(node: Node, what: str) -> Predicate:
    """As one side of `and`, `or` and `!`, or as the whole."""
    evaluate = _compile(node)
    if result_type(node) == BOOL:
        return evaluate

    def is_true(message: Message) -> bool:
        value = evaluate(message)
        if value is True:
            return True
        if value is None or value is False:
            return False
        raise FQLEvaluationError(
            f"{what} is true, false or null; {_shown(node)} is {IN_WORDS[type_of(value)]}."
        )

    return is_true


def _compile(node: Node) -> Evaluate:
    match node:
        case Literal(value):
            return lambda _: value
        case Path(parts):
            return path_getter(parts)
        case ListOf(items):
            values = [_compile(item) for item in items]
            return lambda message: [value(message) for value in values]
        case Call(function, arguments):
            return _call(function, arguments)
        case Comparison("in", left, right):
            return _member(left, right)
        case Comparison("=" | "!=" as sign, left, right):
            is_same = _same(left, right)
            return is_same if sign == "=" else lambda message: not is_same(message)
        case Comparison(sign, left, right):
            return _ordered(_ORDER[sign], left, right)
        case Not(operand):
            is_true = _predicate(operand, "What ! is for")
            return lambda message: not is_true(message)
        case Junction(word, operands):
            return _junction(word, [_predicate(operand, f'A side of "{word}"') for operand in operands])


def _call(function: str, arguments: Sequence[Node]) -> Evaluate:
    call = FUNCTIONS[function].call
    evaluated = [_compile(argument) for argument in arguments]
    if len(arguments) == 1:
        (only,) = evaluated
        return lambda message: call(only(message))
    one, other = evaluated
    match arguments[1]:
        case Literal(str() as part) if function == "contains":
            return lambda message: isinstance(value := one(message), str) and part in value
        case Literal(str() as pattern) if function == "match":
            matches = glob.matcher(pattern)
            return lambda message: isinstance(value := one(message), str) and matches(value)
    return lambda message: call(one(message), other(message))


def _same(left: Node, right: Node) -> Predicate:
    if isinstance(left, Literal):
        left, right = right, left
    one = _compile(left)
    if isinstance(right, Literal):
        constant = right.value
        if isinstance(constant, str):
            return lambda message: one(message) == constant  # nothing else in JSON is equal to a text
        if constant is None or isinstance(constant, bool):
            return lambda message: one(message) is constant
        # Nothing else is equal to a number but true and false, to 1 and 0.
        return lambda message: (value := one(message)) == constant and not isinstance(value, bool)
    other = _compile(right)
    return lambda message: same(one(message), other(message))


def _ordered(compare: Callable[[Any, Any], bool], left: Node, right: Node) -> Predicate:
    one = _compile(left)
    match right:
        case Literal(int() | float() as bound) if not isinstance(bound, bool):
            return lambda message: is_number(value := one(message)) and compare(value, bound)
    other = _compile(right)

    def is_so(message: Message) -> bool:
        a, b = one(message), other(message)
        return is_number(a) and is_number(b) and compare(a, b)

    return is_so


def _member(left: Node, right: Node) -> Predicate:
    one = _compile(left)
    texts = (
        [item.value for item in right.items if isinstance(item, Literal)] if isinstance(right, ListOf) else []
    )
    if (
        isinstance(right, ListOf)
        and len(texts) == len(right.items)
        and all(isinstance(text, str) for text in texts)
    ):
        constants = frozenset(texts)  # the usual `event in ["A", "B"]`
        return lambda message: isinstance(value := one(message), str) and value in constants
    other = _compile(right)

    def is_member(message: Message) -> bool:
        members = other(message)
        if isinstance(members, list):
            value = one(message)
            return any(same(value, member) for member in members)
        if members is None:
            return False
        raise FQLEvaluationError(
            f'What stands behind "in" is a list; {_shown(right)} is {IN_WORDS[type_of(members)]}.'
        )

    return is_member


def _junction(word: str, tests: Sequence[Predicate]) -> Predicate:
    if len(tests) == 2:
        one, other = tests
        if word == "and":
            return lambda message: one(message) and other(message)
        return lambda message: one(message) or other(message)
    ends_with = word == "or"

    def decide(message: Message) -> bool:
        for test in tests:
            if test(message) is ends_with:
                return ends_with
        return not ends_with

    return decide


def _shown(node: Node) -> str:
    text = to_text(node)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


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
    "titlecase": Function(
        _of_text(lambda text: " ".join(word[:1].upper() + word[1:] for word in text.split(" "))),
        ("text",),
        STRING,
    ),
    "typeof": Function(type_of, ("value",), STRING),
    "match": Function(match, ("text", "pattern"), BOOL),
    "bool": Function(to_bool, ("value",), BOOL),
    "string": Function(to_string, ("value",), STRING),
    "number": Function(to_number, ("number or text",), NUMBER),
}
