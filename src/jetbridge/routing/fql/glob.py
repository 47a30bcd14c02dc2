r"""Glob patterns, matched against the whole of a text: `*`, `?`, `[abc]`, `[a-z]`, `[^a-z]`, and `\x` for x itself.

As Segment's segmentio/glob has them: case counts, `/` is a character like any other, and in brackets `-`, `]` and `\`
have a backslash before them. Between two stars only the next piece is searched for, from left to right, and a piece
is found in one pass over the text (Shift-And), so no pattern and no text takes more than linear time.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

#: Characters that a pattern stands for between its stars.
MOST_ELEMENTS = 2_000

_LAST = 0x10FFFF
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class BadPattern(ValueError):
    """`str()` says what is wrong."""


#: A set of characters as ranges of code points, sorted and apart.
_Ranges = tuple[tuple[int, int], ...]
_ANY: _Ranges = ((0, _LAST),)


class _Piece(NamedTuple):
    """What stands between two stars: as text if it has no wildcard, else one set of characters per position."""

    text: str | None
    sets: tuple[_Ranges, ...]


Find = Callable[[str, int, int], int]


@lru_cache(1_024)
def matcher(pattern: str) -> Callable[[str], bool]:
    """Raises BadPattern."""
    pieces = _pieces(pattern)
    if sum(len(piece.sets) for piece in pieces) > MOST_ELEMENTS:
        raise BadPattern(f"it has more than {MOST_ELEMENTS:,} characters.")
    widths = [len(piece.sets) for piece in pieces]
    finds = [_finder(piece) for piece in pieces]
    if len(pieces) == 1:
        return lambda text: len(text) == widths[0] and finds[0](text, 0, len(text)) == 0
    match [piece.text for piece in pieces]:
        case [str() as start, ""]:
            return lambda text: text.startswith(start)
        case ["", str() as end]:
            return lambda text: text.endswith(end)
    first, last, shortest = widths[0], widths[-1], widths[0] + widths[-1]
    middle = [(find, width) for find, width in zip(finds[1:-1], widths[1:-1], strict=True) if width]

    def matches(text: str) -> bool:
        end = len(text) - last
        if len(text) < shortest or finds[0](text, 0, first) != 0 or finds[-1](text, end, len(text)) != end:
            return False
        at = first
        for find, width in middle:
            at = find(text, at, end)
            if at < 0:
                return False
            at += width
        return True

    return matches


def escape(text: str) -> str:
    """A pattern that only this text matches."""
    return "".join("\\" + char if char in "*?[\\" else char for char in text)


def unescape(pattern: str) -> str:
    """The text that `escape` made a pattern of."""
    return _ESCAPED.sub(r"\1", pattern)


def _finder(piece: _Piece) -> Find:
    """Where a piece stands first between two places of a text; -1 if it does not."""
    if piece.text is not None:
        part = piece.text
        return lambda text, start, end: text.find(part, start, end)
    # For each code point, by the last of the starts that is not greater: the sets that hold it, as bits.
    changes: dict[int, int] = {0: 0}
    for bit, ranges in enumerate(piece.sets):
        for low, high in ranges:
            changes[low] = changes.get(low, 0) ^ 1 << bit
            changes[high + 1] = changes.get(high + 1, 0) ^ 1 << bit
    starts, masks, bits = sorted(changes), list[int](), 0
    for start in starts:
        bits ^= changes[start]
        masks.append(bits)
    done = 1 << (len(piece.sets) - 1)

    def find(text: str, start: int, end: int) -> int:
        # Bit i of the state: the last i + 1 characters match the first i + 1 sets.
        mask_of: dict[str, int] = {}
        state = 0
        for at in range(start, end):
            char = text[at]
            mask = mask_of.get(char)
            if mask is None:
                mask = mask_of[char] = masks[bisect_right(starts, ord(char)) - 1]
            state = (state << 1 | 1) & mask
            if state & done:
                return at + 1 - len(piece.sets)
        return -1

    return find


def _pieces(pattern: str) -> list[_Piece]:
    pieces: list[_Piece] = []
    chars: list[str | None] = []
    sets: list[_Ranges] = []

    def end_piece() -> None:
        text = None if None in chars else "".join(char for char in chars if char)
        pieces.append(_Piece(text, tuple(sets)))
        chars.clear()
        sets.clear()

    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*":
            end_piece()
            continue
        if char == "[":
            ranges, at = _class(pattern, at)
            chars.append(None)
            sets.append(ranges)
        elif char == "?":
            chars.append(None)
            sets.append(_ANY)
        else:
            if char == "\\":
                char, at = _escaped(pattern, at)
            chars.append(char)
            sets.append(((ord(char), ord(char)),))
    end_piece()
    return pieces


def _class(pattern: str, at: int) -> tuple[_Ranges, int]:
    """The characters in brackets, and where the pattern goes on behind them."""
    is_negated = pattern.startswith("^", at)
    at += is_negated
    ranges: list[tuple[int, int]] = []
    while not (pattern.startswith("]", at) and ranges):
        low, at = _member(pattern, at)
        high = low
        if pattern.startswith("-", at):
            high, at = _member(pattern, at + 1)
        ranges.append((ord(low), ord(high)))
    covered = tuple(_joined(sorted((low, high) for low, high in ranges if low <= high)))
    return (tuple(_complement(covered)) if is_negated else covered), at + 1


def _member(pattern: str, at: int) -> tuple[str, int]:
    if at >= len(pattern):
        raise BadPattern("its [ has no ] behind it. Write \\[ for the character itself.")
    char = pattern[at]
    if char in "-]":
        raise BadPattern(f"in brackets, write \\{char} for {char}.")
    return _escaped(pattern, at + 1) if char == "\\" else (char, at + 1)


def _escaped(pattern: str, at: int) -> tuple[str, int]:
    if at >= len(pattern):
        raise BadPattern("nothing follows its last \\. Write \\\\ for the character itself.")
    return pattern[at], at + 1


def _joined(ranges: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Sorted ranges without overlaps."""
    current: tuple[int, int] | None = None
    for low, high in ranges:
        if current and low <= current[1] + 1:
            current = (current[0], max(current[1], high))
            continue
        if current:
            yield current
        current = (low, high)
    if current:
        yield current


def _complement(ranges: _Ranges) -> Iterator[tuple[int, int]]:
    after = 0
    for low, high in ranges:
        if low > after:
            yield after, low - 1
        after = high + 1
    if after <= _LAST:
        yield after, _LAST
