"""An expression as a function over messages: one closure per node, the usual shapes with closures of their own.

Types are strict, as in Segment: a comparison of two types is false (`!=` true), `<` is for numbers. What Segment calls an
internal error, and drops the message for, raises FQLEvaluationError here: `and`, `or` and `!` of what is neither true,
false nor null, `in` what is no list, a function that cannot use its value, a result that is not true or false.
"""

import operator
from collections.abc import Callable, Sequence
from typing import Any

from jetbridge.routing.fql import glob, paths
from jetbridge.routing.fql.errors import FQLEvaluationError
from jetbridge.routing.fql.functions import FUNCTIONS
from jetbridge.routing.fql.nodes import Call, Comparison, Junction, ListOf, Literal, Node, Not, Path
from jetbridge.routing.fql.printer import to_text
from jetbridge.routing.fql.values import BOOL, IN_WORDS, LIST, is_number, same, type_of
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


def _compile(node: Node) -> Evaluate:  # noqa: PLR0911 - one per kind of node
    match node:
        case Literal(value):
            return lambda _: value
        case Path(parts):
            return paths.getter(parts)
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
            return _junction(word, [_predicate(each, f'A side of "{word}"') for each in operands])


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


def _ordered(holds: Callable[[Any, Any], bool], left: Node, right: Node) -> Predicate:
    one = _compile(left)
    match right:
        case Literal(int() | float() as bound) if not isinstance(bound, bool):
            return lambda message: is_number(value := one(message)) and holds(value, bound)
    other = _compile(right)

    def is_so(message: Message) -> bool:
        a, b = one(message), other(message)
        return is_number(a) and is_number(b) and holds(a, b)

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
        known = frozenset(texts)  # the usual `event in ["A", "B"]`
        return lambda message: isinstance(value := one(message), str) and value in known
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
