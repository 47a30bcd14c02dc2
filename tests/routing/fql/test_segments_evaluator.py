"""What Segment ships in its browser library to evaluate FQL (`tsub`) comes to the same results.

Where it and Segment's docs differ, the docs count, and it is not asked: it has no `in` with a field on the right, takes what is
absent for something other than null, and is lenient where the docs say that an event is dropped.
"""

import json
import subprocess
import sys
from pathlib import Path as File
from random import Random
from typing import Any

import msgspec
from tests.routing.fql.expressions import NOW, PARSED

from jetbridge.routing.fql.compiler import compile_expression, parse
from jetbridge.routing.fql.nodes import (
    Call,
    Comparison,
    FQLEvaluationError,
    FQLSyntaxError,
    Junction,
    ListOf,
    Literal,
    Node,
    Not,
    Path,
    to_text,
)
from jetbridge.spec.message import Message

PROGRAM = File(__file__).parents[2] / "clients" / "fql.mjs"
FIELDS = [Path(("event",)), Path(("traits", "a")), Path(("properties", "b", "c"))]
TEXTS = ["", "a", "b", "A", "ab", "abc", "a*b", "*", "[", "a-b", "a/b", "☺"]
SCALARS: list[Any] = [None, True, False, 0, 1, -1, 1.5, *TEXTS]
PATTERNS = [
    "*",
    "a*",
    "*b",
    "a*b*",
    "?",
    "a?",
    "[ab]*",
    "[^a]",
    "[a-c]",
    "\\*",
    "a\\*b",
    "[\\]x]",
    "*a*b*c",
    "",
    "☺",
]


def test_it_says_the_same() -> None:
    random = Random(0)
    asked, ours = [], []
    while len(asked) < PARSED.cases:
        node, message = truth(random, 3), a_message(random)
        if "length" in to_text(node) and message.event == "☺":
            continue  # three bytes, as the docs say, and not one character
        try:
            result = compile_expression(parse(to_text(node)))(message)
        except (FQLSyntaxError, FQLEvaluationError):
            continue
        asked.append({"ir": ir(node), "event": msgspec.to_builtins(message)})
        ours.append(result)
    theirs = segments_results(asked)
    wrong = [(a["ir"], a["event"]) for a, b, c in zip(asked, ours, theirs, strict=True) if b is not c]
    assert wrong[:5] == []
    assert {True, False} <= set(ours)


def segments_results(asked: list[dict[str, Any]]) -> list[bool | None]:
    done = subprocess.run(
        [File(sys.executable).with_name("node"), str(PROGRAM)],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    found: list[bool | None] = json.loads(done.stdout)
    return found


def a_message(random: Random) -> Message:
    one = lambda: random.choice(SCALARS)  # noqa: E731
    text = random.choice(TEXTS)
    return Message(
        type="track",
        message_id="m",
        timestamp=NOW,
        received_at=NOW,
        event=text,
        traits={"a": one()},
        properties={"b": {"c": one()}},
    )


def truth(random: Random, levels: int) -> Node:
    match random.randrange(8 if levels else 5):
        case 0:
            return Comparison(random.choice(["=", "!="]), operand(random), operand(random))
        case 1:
            return Comparison(random.choice([">", ">=", "<", "<="]), operand(random), operand(random))
        case 2:
            items = tuple(Literal(random.choice(SCALARS)) for _ in range(random.randrange(4)))
            return Comparison("in", random.choice(FIELDS), ListOf(items))
        case 3:
            return Call("contains", (random.choice(FIELDS), Literal(random.choice(TEXTS))))
        case 4:
            return Call("match", (random.choice(FIELDS), Literal(random.choice(PATTERNS))))
        case 5:
            return Not(truth(random, levels - 1))
        case 6:
            return random.choice(FIELDS)
    sides = tuple(truth(random, levels - 1) for _ in range(random.randrange(2, 4)))
    return Junction(random.choice(["and", "or"]), sides)


def operand(random: Random) -> Node:
    field = random.choice(FIELDS)
    return random.choice(
        [field, Literal(random.choice(SCALARS)), Call(random.choice(["lowercase", "length"]), (field,))]
    )


def ir(node: Node) -> Any:
    """The form in which Segment hands an expression to its library."""
    match node:
        case Path(parts):
            return ".".join(parts)
        case Literal(value):
            return {"value": value}
        case ListOf(items):
            return [ir(item) for item in items]
        case Call(function, arguments):
            return [function, *map(ir, arguments)]
        case Comparison(operator, left, right):
            return [operator, ir(left), ir(right)]
        case Not(inner):
            return ["!", ir(inner)]
        case Junction(word, sides):
            return [word, *map(ir, sides)]
