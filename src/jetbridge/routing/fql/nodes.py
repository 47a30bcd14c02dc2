"""The parts of an FQL expression. Plain values: two expressions that mean the same tree are equal."""

from dataclasses import dataclass
from typing import Literal as Choice

COMPARISONS = ("=", "!=", ">", ">=", "<", "<=", "in")


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
