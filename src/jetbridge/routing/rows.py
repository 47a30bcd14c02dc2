"""Rows of conditions (field, operator, value): a way to write FQL by choosing, and to read it back.

`write` makes the expression. `read` finds the rows of an expression that `write` could have made, and of no other.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Literal as Choice
from typing import NamedTuple

from jetbridge.routing.fql import glob
from jetbridge.routing.fql.compiler import read_number
from jetbridge.routing.fql.nodes import (
    LIST,
    Call,
    Comparison,
    FQLEvaluationError,
    Junction,
    Literal,
    Node,
    Not,
    Path,
    read_path,
    to_text,
)

#: Rows of one filter.
MOST_ROWS = 20
#: Nodes of the largest expression that a single row makes.
_NODES_OF_A_ROW = 20

Match = Choice["all", "any"]


class WrongRow(ValueError):
    """`str()` names the row's field and what is accepted."""


class Row(NamedTuple):
    """`field` is a path as FQL writes it. `value` is text, which a number or true and false are compared with, too."""

    field: str
    operator: str
    value: str = ""


class Rows(NamedTuple):
    match: Match
    rows: list[Row]


class Operator(NamedTuple):
    """`write` raises ValueError, with what is accepted, for a value that it cannot compare with."""

    write: Callable[[Path, str], Node]
    takes_value: bool = True


def write(rows: Sequence[Row], match: Match = "all") -> Node:
    """Raises WrongRow."""
    if not 1 <= len(rows) <= MOST_ROWS:
        raise WrongRow(f"A filter has 1 to {MOST_ROWS} rows; this one has {len(rows)}.")
    nodes: list[Node] = []
    for row in rows:
        operator = OPERATORS.get(row.operator)
        if operator is None:
            raise WrongRow(f"{row.operator[:40]!r} is no operator; there are {', '.join(OPERATORS)}.")
        try:
            nodes.append(operator.write(Path(read_path(row.field)), row.value))
        except ValueError as error:
            raise WrongRow(f"{row.field[:100] or 'A row'}: {error}") from error
    return nodes[0] if len(nodes) == 1 else Junction("and" if match == "all" else "or", tuple(nodes))


def read(node: Node) -> Rows | None:
    """None if no rows make this expression."""
    if row := _read(node):
        return Rows("all", [row])
    if not isinstance(node, Junction) or len(node.operands) > MOST_ROWS:
        return None
    rows = [row for operand in node.operands if (row := _read(operand))]
    return Rows("all" if node.operator == "and" else "any", rows) if len(rows) == len(node.operands) else None


def _read(node: Node) -> Row | None:
    """The row that makes just this: what stands in the expression says which field and value to try."""
    parts = list(_parts(node))
    paths = {part for part in parts if isinstance(part, Path)}
    if len(paths) != 1 or len(parts) > _NODES_OF_A_ROW:
        return None
    (path,) = paths
    values = [value for part in parts if isinstance(part, Literal) for value in _values(part)]
    for name, operator in OPERATORS.items():
        for value in values if operator.takes_value else [""]:
            try:
                if operator.write(path, value) == node:
                    return Row(to_text(path), name, value)
            except ValueError:
                continue
    return None


def _parts(node: Node) -> Iterator[Node]:
    """A node and those within it; no more than are looked at."""
    yield node
    match node:
        case Comparison(_, left, right):
            inner: Sequence[Node] = (left, right)
        case Not(operand):
            inner = (operand,)
        case Call(_, arguments):
            inner = arguments
        case Junction(_, operands):
            inner = operands
        case _:
            return
    for part in inner[: _NODES_OF_A_ROW + 1]:
        yield from _parts(part)


def _values(literal: Literal) -> Iterator[str]:
    """What a row's value may have been, to become this."""
    if isinstance(literal.value, str):
        yield literal.value
        if "*" in literal.value:
            yield glob.unescape(literal.value.removesuffix("*"))
            yield glob.unescape(literal.value.removeprefix("*"))
    elif literal.value is not None and not isinstance(literal.value, bool):
        yield to_text(literal)


def _readings(text: str) -> list[str | float | bool]:
    readings: list[str | float | bool] = [text]
    if text in {"true", "false"}:
        readings.append(text == "true")
    elif _NUMBER.fullmatch(text):
        with suppress(FQLEvaluationError):  # too large for a number: text, then
            readings.append(read_number(text))
    return readings


_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII)


def _any_of(nodes: Sequence[Node]) -> Node:
    return nodes[0] if len(nodes) == 1 else Junction("or", tuple(nodes))


def _is(path: Path, text: str) -> Node:
    """That the field is the text, or the number or the truth value that the text reads as."""
    return _any_of([Comparison("=", path, Literal(value)) for value in _readings(text)])


def _contains(path: Path, text: str) -> Node:
    is_member = _any_of([Comparison("in", Literal(value), path) for value in _readings(_nonempty(text))])
    is_list = Comparison("=", Call("typeof", (path,)), Literal(LIST))
    return Junction("or", (_call("contains", path, text), Junction("and", (is_list, is_member))))


def _matches(path: Path, pattern: str) -> Node:
    try:
        glob.matcher(_nonempty(pattern))
    except glob.BadPattern as error:
        raise ValueError(f"this is no pattern: {error}") from error
    return _call("match", path, pattern)


def _compared(sign: str) -> Callable[[Path, str], Node]:
    def write_comparison(path: Path, text: str) -> Node:
        if not _NUMBER.fullmatch(text):
            raise ValueError(f"{text[:40]!r} is no number.")
        return Comparison(sign, path, Literal(read_number(text)))

    return write_comparison


def _not(write_positive: Callable[[Path, str], Node]) -> Callable[[Path, str], Node]:
    def write_negative(path: Path, text: str) -> Node:
        match write_positive(path, text):
            case Comparison("=", left, right):
                return Comparison("!=", left, right)
            case node:
                return Not(node)

    return write_negative


def _call(function: str, path: Path, text: str) -> Call:
    return Call(function, (path, Literal(text)))


def _nonempty(text: str) -> str:
    if not text:
        raise ValueError("a value is needed.")
    return text


def _constant(sign: str, value: bool | None) -> Operator:  # noqa: FBT001 - what a field is compared with
    return Operator(lambda path, _: Comparison(sign, path, Literal(value)), takes_value=False)


OPERATORS: dict[str, Operator] = {
    "is": Operator(_is),
    "is not": Operator(_not(_is)),
    "contains": Operator(_contains),
    "does not contain": Operator(_not(_contains)),
    "starts with": Operator(lambda path, text: _call("match", path, glob.escape(_nonempty(text)) + "*")),
    "ends with": Operator(lambda path, text: _call("match", path, "*" + glob.escape(_nonempty(text)))),
    "matches": Operator(_matches),
    "is greater than": Operator(_compared(">")),
    "is less than": Operator(_compared("<")),
    "is true": _constant("=", value=True),
    "is false": _constant("=", value=False),
    "exists": _constant("!=", value=None),
    "does not exist": _constant("=", value=None),
}
