"""Makers of expressions and messages (see `makers.py`)."""

from collections.abc import Callable
from datetime import UTC, datetime
from random import Random
from typing import Any

from tests.fuzz import Effort

from jetbridge.routing.fql.compiler import FUNCTIONS
from jetbridge.routing.fql.nodes import (
    COMPARISONS,
    Call,
    Comparison,
    Junction,
    ListOf,
    Literal,
    Node,
    Not,
    Path,
)
from jetbridge.spec.message import Message

NOW = datetime(2026, 1, 1, tzinfo=UTC)
#: Of a test that reads an expression for each case: a millisecond.
PARSED = Effort(1_000, 100_000)

TEXTS = [
    "", "x", "X", "ab", "a b", "1", "true", "null", "string", "list", "Ünï", "ß", "*", "a*", "?", "[a-c]", "[", "\\", "a\\", "\\*", "'", '"',
    "'\"", "\\'", "line\nline", "\x00", "\U0001f600", "-", "]",
]  # fmt: skip
NUMBERS: list[float] = [0, 1, -1, 1.0, 1.5, -0.5, 2**53 + 1, 10**30, 1e300, 1e-7]
PATHS = [
    ("type",), ("event",), ("userId",), ("timestamp",), ("version",), ("traits",), ("traits", "a"), ("traits", "a", "b"),
    ("traits", "a.b"), ("traits", "ü x\\y"), ("traits", "and"), ("traits", "1-_"), ("properties", "a"), ("context", "consent", "a"),
    ("integrations", "All"), ("event", "x"),
]  # fmt: skip
NAMES = ["a", "b", "a.b", "ü x\\y", "and", "1-_", "consent", "All"]


def scalar(random: Random) -> Any:
    return random.choice([None, True, False, random.choice(NUMBERS), random.choice(TEXTS)])


def value(random: Random, levels: int = 3) -> Any:
    match random.randrange(8 if levels else 4):
        case 4 | 5:
            return [value(random, levels - 1) for _ in range(random.randrange(3))]
        case 6 | 7:
            return {random.choice(NAMES): value(random, levels - 1) for _ in range(random.randrange(3))}
    return scalar(random)


def a_message(random: Random) -> Message:
    def an_object() -> dict[str, Any] | None:
        return random.choice(
            [None, {name: value(random) for name in random.sample(NAMES, random.randrange(5))}]
        )

    return Message(
        type=random.choice(["track", "identify"]),
        message_id="m",
        timestamp=NOW,
        received_at=NOW,
        event=random.choice([None, *TEXTS]),
        user_id=random.choice([None, *TEXTS]),
        traits=an_object(),
        properties=an_object(),
        context=an_object(),
        integrations=an_object(),
    )


def truth(random: Random, levels: int = 4) -> Node:
    """An expression that can be one."""
    if not levels:
        return Comparison("=", Path(random.choice(PATHS)), Literal(scalar(random)))
    inner: list[Callable[[], Node]] = [
        lambda: Comparison(
            random.choice(COMPARISONS[:-1]), operand(random, levels - 1), operand(random, levels - 1)
        ),
        lambda: Comparison("in", operand(random, levels - 1), a_list(random, levels - 1)),
        lambda: Junction(
            random.choice(["and", "or"]),
            tuple(truth(random, levels - 1) for _ in range(random.randrange(2, 5))),
        ),
        lambda: Not(truth(random, levels - 1)),
        lambda: call(random, levels - 1, {"contains", "match", "bool"}),
        lambda: Path(random.choice(PATHS)),
        lambda: Literal(random.choice([True, False, None])),
    ]
    return random.choice(inner)()


def operand(random: Random, levels: int) -> Node:
    if not levels:
        return random.choice([Path(random.choice(PATHS)), Literal(scalar(random))])
    inner: list[Callable[[], Node]] = [
        lambda: Path(random.choice(PATHS)),
        lambda: Path(random.choice(PATHS)),
        lambda: Literal(scalar(random)),
        lambda: call(random, levels - 1, set(FUNCTIONS)),
        lambda: a_list(random, levels - 1),
        lambda: truth(random, levels - 1),
    ]
    return random.choice(inner)()


def a_list(random: Random, levels: int) -> Node:
    if random.random() < 0.3:
        return Path(random.choice(PATHS))
    return ListOf(tuple(operand(random, max(0, levels - 1)) for _ in range(random.randrange(4))))


def call(random: Random, levels: int, names: set[str]) -> Node:
    name = random.choice(sorted(names))
    arguments = [operand(random, levels) for _ in FUNCTIONS[name].parameters]
    if name == "match":
        arguments[1] = random.choice(
            [Literal(random.choice(["*", "a*", "?", "[a-c]*", "[^x]", "\\*", ""])), Path(("userId",))]
        )
    return Call(name, tuple(arguments))
