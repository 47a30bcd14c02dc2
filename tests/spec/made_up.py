"""JSON made up from a seed: a fuzzer of 10,000 cases has no time for Hypothesis to draw each value."""

import json
import re
from random import Random
from typing import Any

#: What senders write where a value should be.
NO_VALUES = [
    b"NaN", b"Infinity", b"-Infinity", b"nan", b"-nan", b"inf", b"-inf", b"1.#IND", b"-1.#INF", b"1e999", b"-1e999",
    b"3.3e14159265358979323846", b"9" * 5000, b"-" + b"9" * 5000, b"undefined", b"None", b"True", b"01067", b"+5", b".5", b"5.",
    b"0x1F", b"'x'", b"", b'"Zo\xeb"', b'"\xed\xa0\xbd"', b'"a\\x41"', b'"it\\\'s"', b'"\\u12"',
]  # fmt: skip
_TEXTS = [
    "",
    "a",
    'quo"te',
    "back\\slash",
    "{",
    "}]",
    "a,b",
    "né",
    "\N{GRINNING FACE}",
    "line\nbreak",
    "x" * 300,
]
_LOST = object()


def value(rng: Random, depth: int = 3) -> Any:
    kind = rng.randrange(9 if depth else 6)
    if kind < 6:
        return (None, True, rng.randrange(-1000, 1000), rng.random(), rng.choice(_TEXTS), 2**70)[kind]
    if kind == 6:
        return [value(rng, depth - 1) for _ in range(rng.randrange(4))]
    return an_object(rng, depth - 1)


def an_object(rng: Random, depth: int = 3) -> dict[str, Any]:
    return {f"{rng.choice('abcdef')}{at}": value(rng, depth) for at in range(rng.randrange(4))}


def with_holes(rng: Random, given: Any, path: str, lost: list[str]) -> tuple[bytes, Any]:
    """The value as JSON in which some values are none, and what is left of it; their paths go to `lost`."""
    found = _with_holes(rng, given, path, lost)
    return found if found[1] is not _LOST else (b"{}", {})


def _with_holes(rng: Random, given: Any, path: str, lost: list[str]) -> tuple[bytes, Any]:
    if path.count(".") > 1 and not rng.randrange(6):
        lost.append(path)
        in_list = path.rpartition(".")[2].isdecimal()
        return rng.choice([each for each in NO_VALUES if each or not in_list]), _LOST
    if isinstance(given, dict):
        parts = {key: _with_holes(rng, inner, f"{path}.{key}", lost) for key, inner in given.items()}
        text = b",".join(json.dumps(key).encode() + b": " + part for key, (part, _) in parts.items())
        return b"{" + text + b"}", {key: left for key, (_, left) in parts.items() if left is not _LOST}
    if isinstance(given, list):
        items = [_with_holes(rng, inner, f"{path}.{at}", lost) for at, inner in enumerate(given)]
        left = [None if inner is _LOST else inner for _, inner in items]
        return b"[" + b" , ".join(part for part, _ in items) + b"]", left
    return json.dumps(given, ensure_ascii=rng.random() < 0.5).encode(), given


#: What may stand where a value should be, or between two.
_STRAY = [
    b"", b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\", b"\xff", b"\x00", b"<html>", b"null", b"true", b'"\\ud800"', b"[" * 5_000,
    *(b"[" * levels + b"]" * levels for levels in (3, 99, 100, 101, 900, 990, 995, 998)), *NO_VALUES,
]  # fmt: skip


def damaged(random: Random, body: bytes) -> bytes:
    """One to three places hold something else; in the place of a value, or of some bytes."""
    for _ in range(random.randint(1, 3)):
        if random.random() < 0.5 and (values := list(_VALUES.finditer(body))):
            start, end = random.choice(values).span()
        else:
            start = random.randint(0, len(body))
            end = start + random.choice((0, 1, 2, len(body)))
        body = body[:start] + random.choice(_STRAY) + body[end:]
    return body


_VALUES = re.compile(rb'"[^"\\]*"(?!\s*:)|-?\d+(?:\.\d+)?|true|false|null|\{\}|\[\]')
