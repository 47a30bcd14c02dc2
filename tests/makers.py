"""Makers of inputs for fuzzers: functions of a `random.Random`, named as Hypothesis names its strategies.

Each is written for speed: an input takes some microseconds.
"""

import functools
import struct
import sys
import unicodedata
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, TypeVar

T = TypeVar("T")
#: What it makes of the lowest random numbers is to be the plainest: a case that fails is made smaller by lowering them.
Maker = Callable[[Random], T]


def just(value: T) -> Maker[T]:
    return lambda _: value


def sampled_from(values: Sequence[T]) -> Maker[T]:
    return lambda random: random.choice(values)


def one_of(*makers: Maker[Any]) -> Maker[Any]:
    return lambda random: random.choice(makers)(random)


def booleans() -> Maker[bool]:
    return lambda random: random.random() >= 0.5


#: Where numbers of machines, of JSON's readers and of databases end.
_EDGES = [0, 1, 2**7, 2**15, 2**31, 2**32, 2**53, 2**63, 2**64, 10**18, 10**19]


def integers(least: int | None = None, most: int | None = None) -> Maker[int]:
    """Up to 128 bits where there is no bound, of all lengths, and around the edges."""
    if least is not None and most is not None:
        return lambda random: random.randint(least, most)

    def make(random: Random) -> int:
        kind = random.random()
        if kind < 0.8:
            number = random.getrandbits(random.choice((2, 4, 8, 16, 32, 64, 128)))
        else:
            number = random.choice(_EDGES) + random.randint(-1, 1)
        return abs(number) + least if least is not None else -number if random.random() < 0.5 else number

    return make


def floats() -> Maker[float]:
    """Every number that there is, NaN and both infinities, and such as people write."""

    def make(random: Random) -> float:
        kind = random.random()
        if kind < 0.4:
            return round(random.uniform(-1_000, 1_000), random.randrange(4))
        if kind < 0.5:
            return random.choice(
                (0.0, -0.0, 1.5, 1e308, 5e-324, float("inf"), float("-inf"), float("nan"), 2.0**53)
            )
        found: float = struct.unpack("<d", random.getrandbits(64).to_bytes(8, "little"))[0]
        return found

    return make


#: Each is something to one parser and something else to another one.
_ODD = "\0\a\b\t\n\v\f\r\x1b\x1c\x7f\x85\x9b\xa0\xad\u0130\u0131\u017f\u034f\u0301\u0327\u0600\u0660\u1680\u180e\u200b\u200c\u200d\u200e\u202e\u2028\u2029\u2060\u2066\u3000\ufe0f\ufeff\uff11\uff20\ufffd\ufffe\uffff\U0001f600\U000e0041\U0010ffff'\"`\\<>&;,%{}[]()#/?:@=+-._"  # fmt: skip


@functools.cache
def any_character() -> str:
    """Every character but halves of pairs; half of a choice from it is in ASCII, a sixth is odd."""
    every = "".join(map(chr, [*range(0xD800), *range(0xE000, sys.maxunicode + 1)]))
    ascii_printable = "".join(map(chr, range(32, 127)))
    return ascii_printable * (len(every) // 60) + _ODD * (len(every) // 2 // len(_ODD)) + every


@functools.cache
def characters(*categories: str) -> str:
    """All characters of these categories of Unicode, by their first letter or in full."""
    every = map(chr, range(sys.maxunicode + 1))
    return "".join(char for char in every if unicodedata.category(char).startswith(categories))


def text(alphabet: str = "", *, least: int = 0, most: int = 12) -> Maker[str]:
    """Of `least` to `most` characters; of any characters if no alphabet is given."""

    def make(random: Random) -> str:
        return "".join(random.choices(alphabet or any_character(), k=random.randint(least, most)))

    return make


def binary(most: int) -> Maker[bytes]:
    return lambda random: bytes(random.choices(range(256), k=random.randint(0, most)))


def lists(maker: Maker[T], *, least: int = 0, most: int = 4) -> Maker[list[T]]:
    return lambda random: [maker(random) for _ in range(random.randint(least, most))]


def tuples(*makers: Maker[Any]) -> Maker[tuple[Any, ...]]:
    return lambda random: tuple([make(random) for make in makers])


def dictionaries(keys: Maker[Any], values: Maker[Any], *, most: int = 4) -> Maker[dict[Any, Any]]:
    return lambda random: {keys(random): values(random) for _ in range(random.randint(0, most))}


def optional(**makers: Maker[Any]) -> Maker[dict[str, Any]]:
    """An object with some of these fields."""
    return lambda random: {name: make(random) for name, make in makers.items() if random.random() >= 0.5}


def builds(build: Callable[..., T], *makers: Maker[Any], **by_name: Maker[Any]) -> Maker[T]:
    return lambda random: build(
        *[make(random) for make in makers], **{name: make(random) for name, make in by_name.items()}
    )
