r"""An FQL expression: its nodes, the values and paths in it, its text, and the errors of both.

A path names a field of a message: `type`, `event`, `traits.address.city`, `properties.product\ 1`. In a name every character
outside `A-Z a-z 0-9 _ -` has a backslash before it.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any
from typing import Literal as Choice

import msgspec

from jetbridge.spec.message import Message

#: Characters of an expression; reading one takes some 10 µs per character, evaluating it less than a microsecond per node.
#: Segment allows 5 KB; filters of twenty conditions with long values need more.
MOST_CHARACTERS = 100_000
#: Levels of `!`, lists, calls, comparisons and junctions within each other.
MOST_LEVELS = 50

STRING, NUMBER, BOOL, LIST, NULL, OBJECT = "string", "number", "bool", "list", "null", "object"

#: What a type is called in an error.
IN_WORDS = {
    STRING: "text",
    NUMBER: "a number",
    BOOL: "true or false",
    LIST: "a list",
    NULL: "null",
    OBJECT: "an object",
}

_TYPES: dict[type, str] = {
    str: STRING,
    int: NUMBER,
    float: NUMBER,
    bool: BOOL,
    list: LIST,
    dict: OBJECT,
    type(None): NULL,
}

COMPARISONS = ("=", "!=", ">", ">=", "<", "<=", "in")

Getter = Callable[[Message], Any]

#: What came in confidence, and what Jetbridge notes for itself, are no fields of a message.
_NOT_FIELDS = {"_settings", "_dropped", "_engage"}
_ATTRIBUTES = {
    name: attribute
    for name, attribute in zip(Message.__struct_encode_fields__, Message.__struct_fields__, strict=True)
    if name not in _NOT_FIELDS
}
#: Where a path can begin.
FIELDS = tuple(_ATTRIBUTES)
#: Those that hold objects.
_OBJECTS = {"traits", "properties", "context", "integrations", "_metadata"}
_TIMES = {"timestamp", "receivedAt"}

_NONE: dict[str, Any] = {}
#: The usual `traits.plan`: a function for each object, as looking up the attribute by its name takes half of the time.
_BY_NAME: dict[str, Callable[[str], Getter]] = {
    "traits": lambda name: lambda message: (message.traits or _NONE).get(name),
    "properties": lambda name: lambda message: (message.properties or _NONE).get(name),
    "context": lambda name: lambda message: (message.context or _NONE).get(name),
}

#: A path that is written well; `grammar.lark` has the same.
_WELL_FORMED = re.compile(
    r"(?:[A-Za-z_]|\\.)(?:[A-Za-z0-9_-]|\\.)*(?:\.(?:[A-Za-z0-9_-]|\\.)+)*", re.ASCII | re.DOTALL
)
_PART = re.compile(r"(?:[^\\.]|\\.)*", re.DOTALL)
_TO_ESCAPE = re.compile(r"[^A-Za-z0-9_-]")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)

#: Backslashes that a reader would take for more than themselves.
_SPECIAL = re.compile(r"""\\(?=[\\'"]|\Z)""")


class FQLSyntaxError(ValueError):
    """The text is no expression. `str()` has the place and what was expected there.

    `line` and `column` count from 1. `length` is how many characters from there on are meant; 0 at the end of the text.
    """

    def __init__(self, detail: str, line: int, column: int, length: int) -> None:
        super().__init__(f"Line {line}, column {column}: {detail}")
        self.detail = detail
        self.line, self.column, self.length = line, column, length


def marked(text: str, error: FQLSyntaxError, around: int = 60) -> tuple[str, str, str]:
    """The line of a text in which an error is: what stands before the place, at it and behind it, shortened."""
    line = [*text.split("\n"), ""][error.line - 1].expandtabs(1)
    start, end = error.column - 1, error.column - 1 + error.length
    before = line[max(0, start - around) : start]
    return (
        (f"…{before}" if start > around else before),
        line[start : min(end, start + around)],
        line[end : end + around],
    )


class FQLEvaluationError(ValueError):
    """A message has a value that the expression cannot use. `str()` names the place in the expression, not the value."""


@dataclass(frozen=True, slots=True, eq=False)
class Literal:
    value: str | float | bool | None

    def __eq__(self, other: object) -> bool:
        """`1` and `true` are equal in Python, and nothing alike in FQL."""
        return (
            isinstance(other, Literal)
            and type(self.value) is type(other.value)
            and repr(self.value) == repr(other.value)
        )

    def __hash__(self) -> int:
        return hash(repr(self.value))


@dataclass(frozen=True, slots=True)
class Path:
    """A field of a message: `("context", "page", "path")`."""

    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ListOf:
    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    arguments: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    operator: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Not:
    operand: "Node"


@dataclass(frozen=True, slots=True)
class Junction:
    """All of the operands, or any of them: two at the least."""

    operator: Choice["and", "or"]
    operands: tuple["Node", ...]


Node = Literal | Path | ListOf | Call | Comparison | Not | Junction


def type_of(value: Any) -> str:
    """Segment names five types, and nothing for an object: it is "object" here."""
    return _TYPES[type(value)]


def is_number(value: Any) -> bool:
    return type(value) is int or type(value) is float


def same(one: Any, other: Any) -> bool:
    """Of one type and equal, in lists and objects as well: 1 is not true, and 1 is 1.0."""
    if isinstance(one, str):
        return isinstance(other, str) and one == other
    if one is None or isinstance(one, bool):
        return one is other
    if isinstance(one, list):
        return (
            isinstance(other, list)
            and len(one) == len(other)
            and all(same(a, b) for a, b in zip(one, other, strict=True))
        )
    if isinstance(one, dict):
        return (
            isinstance(other, dict)
            and one.keys() == other.keys()
            and all(same(value, other[name]) for name, value in one.items())
        )
    return is_number(other) and bool(one == other)


def read_path(text: str) -> tuple[str, ...]:
    """The names of a path. Raises ValueError with what is accepted."""
    if not text:
        raise ValueError("a field is needed, such as traits.plan.")
    if not _WELL_FORMED.fullmatch(text):
        raise ValueError(
            "this is no field. Write, say, traits.address.city, with a backslash before any character in a name that is "
            "neither a letter, a digit, - nor _."
        )
    parts = split_path(text)
    if problem := path_problem(parts):
        raise ValueError(problem)
    return parts


def split_path(text: str) -> tuple[str, ...]:
    """The names of a path that is written well."""
    parts, at = [], 0
    while at <= len(text):
        match = _PART.match(text, at)
        assert match
        parts.append(_ESCAPED.sub(r"\1", match.group()))
        at = match.end() + 1
    return tuple(parts)


def write_path(parts: Sequence[str]) -> str:
    return ".".join(_TO_ESCAPE.sub(lambda char: "\\" + char.group(), part) for part in parts)


def path_problem(parts: Sequence[str]) -> str:
    """What is wrong with a path; "" if nothing is."""
    if parts[0] in _ATTRIBUTES:
        return ""
    return f"{write_path(parts[:1])[:40]} is no field of a message. There are {', '.join(FIELDS)}."


def path_getter(parts: Sequence[str]) -> Getter:
    """A function that gives the value there of a message, None without one. `parts` begins with one of FIELDS."""
    first, *rest = parts
    top = attrgetter(_ATTRIBUTES[first])
    if first in _TIMES and not rest:
        return lambda message: msgspec.to_builtins(top(message))  # as the message's JSON has it
    if not rest:
        return top
    if first not in _OBJECTS:
        return lambda _: None
    if len(rest) == 1:
        return (
            _BY_NAME[first](rest[0])
            if first in _BY_NAME
            else lambda message: (top(message) or _NONE).get(rest[0])
        )

    def get(message: Message) -> Any:
        value = top(message)
        for name in rest:
            if not isinstance(value, dict):
                return None
            value = value.get(name)
        return value

    return get


def to_text(node: Node) -> str:  # noqa: PLR0911 - one per kind of node
    """An expression as text, with the fewest parentheses that leave no doubt. Reading it gives the same expression."""
    match node:
        case Literal(str() as value):
            return quote(value)
        case Literal(None):
            return "null"
        case Literal(bool() as value):
            return "true" if value else "false"
        case Literal(value):
            return repr(value)
        case Path(parts):
            return write_path(parts)
        case ListOf(items):
            return f"[{', '.join(_operand(item) for item in items)}]"
        case Call(function, arguments):
            return f"{function}({', '.join(to_text(argument) for argument in arguments)})"
        case Comparison(operator, left, right):
            return f"{_operand(left)} {operator} {_operand(right)}"
        case Not(operand):
            return f"!{to_text(operand) if isinstance(operand, Not) else _operand(operand)}"
        case Junction(operator, operands):
            return f" {operator} ".join(
                f"({to_text(operand)})" if isinstance(operand, Junction) else to_text(operand)
                for operand in operands
            )


def quote(text: str) -> str:
    """A text in quotation marks."""
    mark = "'" if '"' in text and "'" not in text else '"'
    return mark + _SPECIAL.sub(r"\\\\", text).replace(mark, "\\" + mark) + mark


def _operand(node: Node) -> str:
    text = to_text(node)
    return f"({text})" if isinstance(node, Comparison | Not | Junction) else text
