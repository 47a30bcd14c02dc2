"""FQL, evaluated slowly and plainly from its description: what the compiled closures are compared with.

Shares nothing with them but the nodes: values are those of the message's JSON, and a pattern is matched by trying.
"""

import json
import re
from functools import lru_cache
from typing import Any

from jetbridge.routing.fql.nodes import Call, Comparison, Junction, ListOf, Literal, Node, Not, Path
from jetbridge.spec.message import Message, encode


class Failure(Exception):
    """Segment would log an internal error and drop the message."""


def evaluate(node: Node, message: Message) -> bool:
    return truth(value_of(node, {"version": message.version, **json.loads(encode(message))}))


def value_of(node: Node, event: dict[str, Any]) -> Any:
    if isinstance(node, Literal):
        return node.value
    if isinstance(node, Path):
        found: Any = event
        for part in node.parts:
            found = found.get(part) if isinstance(found, dict) else None
        return found
    if isinstance(node, ListOf):
        return [value_of(item, event) for item in node.items]
    if isinstance(node, Not):
        return not truth(value_of(node.operand, event))
    if isinstance(node, Junction):
        for operand in node.operands:
            result = truth(value_of(operand, event))
            if result == (node.operator == "or"):
                return result
        return node.operator == "and"
    if isinstance(node, Call):
        return function(node.function, [value_of(argument, event) for argument in node.arguments])
    assert isinstance(node, Comparison)
    return compared(node.operator, node, event)


def compared(operator: str, node: Comparison, event: dict[str, Any]) -> bool:
    if operator == "in":
        members = value_of(node.right, event)
        if members is None:
            return False
        if kind(members) != "list":
            raise Failure
        left = value_of(node.left, event)
        return any(equal(left, member) for member in members)
    left, right = value_of(node.left, event), value_of(node.right, event)
    if operator in {"=", "!="}:
        return equal(left, right) == (operator == "=")
    if kind(left) != "number" or kind(right) != "number":
        return False
    order = (left > right) - (left < right)
    return bool({">": order > 0, ">=": order >= 0, "<": order < 0, "<=": order <= 0}[operator])


def kind(value: Any) -> str:
    if value is None:
        return "null"
    if value is True or value is False:
        return "bool"
    return {str: "string", int: "number", float: "number", list: "list", dict: "object"}[type(value)]


def truth(value: Any) -> bool:
    if kind(value) not in {"bool", "null"}:
        raise Failure
    return value is True


def equal(left: Any, right: Any) -> bool:
    if kind(left) != kind(right):
        return False
    if kind(left) == "list":
        return len(left) == len(right) and all(equal(*pair) for pair in zip(left, right, strict=True))
    if kind(left) == "object":
        return set(left) == set(right) and all(equal(left[name], right[name]) for name in left)
    return bool(left == right)


def function(name: str, given: list[Any]) -> Any:  # noqa: C901, PLR0911
    first, of = given[0], kind(given[0])
    texts = all(kind(each) == "string" for each in given)
    match name:
        case "contains":
            return texts and given[1] in first
        case "match":
            return texts and matches(given[1], first)
        case "typeof":
            return of
        case "length":
            if of not in {"string", "list", "null"}:
                raise Failure
            return len(first.encode()) if of == "string" else len(first or [])
        case "bool":
            if of == "object" or (of == "string" and first not in {"true", "false", "1", "0"}):
                raise Failure
            return first in {"true", "1"} if of == "string" else bool(first)
        case "string":
            if of == "object":
                raise Failure
            if of in {"string", "null"}:
                return first
            if of == "number" and first == int(first):
                return str(int(first))
            return json.dumps(first, separators=(",", ":"), ensure_ascii=False)
        case "number":
            if of in {"number", "null"}:
                return first
            if of != "string" or not re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", first):
                raise Failure
            return float(first) if re.search("[.eE]", first) else int(first)
    if of != "string":
        return None
    words = first.split(" ")
    return {
        "lowercase": first.lower(),
        "uppercase": first.upper(),
        "snakecase": "_".join(words),
        "kebabcase": "-".join(words),
        "titlecase": " ".join(word[0].upper() + word[1:] if word else "" for word in words),
    }[name]


def matches(pattern: str, text: str) -> bool:
    """Raises Failure for what is no pattern."""
    items = elements(pattern)

    @lru_cache(None)
    def here(i: int, j: int) -> bool:
        if i == len(items):
            return j == len(text)
        if items[i] == "*":
            return any(here(i + 1, k) for k in range(j, len(text) + 1))
        return j < len(text) and fits(items[i], text[j]) and here(i + 1, j + 1)

    return here(0, 0)


def fits(item: Any, char: str) -> bool:
    if item == "?":
        return True
    negated, members = item
    return any(low <= char <= high for low, high in members) != negated


def elements(pattern: str) -> list[Any]:
    """`*`, `?`, or a set of characters as (negated, ranges)."""
    found: list[Any] = []
    rest = list(pattern)
    while rest:
        char = rest.pop(0)
        if char in "*?":
            found.append(char)
        elif char != "[":
            if char == "\\":
                if not rest:
                    raise Failure
                char = rest.pop(0)
            found.append((False, [(char, char)]))
        else:
            negated = rest[:1] == ["^"]
            if negated:
                rest.pop(0)
            members: list[tuple[str, str]] = []
            while not (members and rest[:1] == ["]"]):
                low = high = member(rest)
                if rest[:1] == ["-"]:
                    rest.pop(0)
                    high = member(rest)
                members.append((low, high))
            rest.pop(0)
            found.append((negated, members))
    return found


def member(rest: list[str]) -> str:
    if not rest or rest[0] in "-]":
        raise Failure
    if rest[0] == "\\":
        rest.pop(0)
        if not rest:
            raise Failure
    return rest.pop(0)
