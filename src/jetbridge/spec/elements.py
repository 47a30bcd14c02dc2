"""Cuts JSON into its parts without decoding it, so that one part that is broken costs the others nothing.

Only brackets and texts are looked at. A bracket that is missing or too many harms no more than the part that it is in, where
that can be seen; a quotation mark that is missing takes the rest with it.
"""

import re
from collections.abc import Iterator

#: What is done in one go, in bytes that are looked at; a bracket or comma counts as many bytes as it costs time.
WINDOW = 65_536
_STEP = 128
#: So many brackets in one part, and so many brackets and commas too many, are no accident: the rest is left alone.
_MOST_BRACKETS = 1_000_000
_MOST_STRAY = 200
_END = 200

_CLOSER = {ord("["): ord("]"), ord("{"): ord("}")}
_CLOSERS = frozenset(_CLOSER.values())
_QUOTE, _COMMA, _OBJECT, _OBJECT_END = b'",{}'
_BLANK = b" \t\n\r"

_INSIDE = re.compile(rb'(?:[^"\[\]{}]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+', re.DOTALL)
_AT_TOP = re.compile(rb'(?:[^"\[\]{},]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+', re.DOTALL)
#: A part of the inside of a text.
_TEXT = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+){0,10000}+', re.DOTALL)


class Elements:
    """The parts of the array or object that `body` begins with, in order, each in the bytes it came in.

    Of an object, a part is a key with its value. Iterating gives None where it is a good moment to do something else.
    `is_cut_off` tells that the closing bracket is missing, once that is seen; the last part may then not be whole.
    Afterwards `rest` is what follows the bracket; where there is none, the last bytes of all.
    """

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.is_cut_off = False
        self.rest = b""

    def __iter__(self) -> Iterator[bytes | None]:  # noqa: C901, PLR0912, PLR0915 - one scanner, a case per kind of character
        body, end = self._body, len(self._body)
        start = at = end - len(body.lstrip()) + 1
        own_closer = _CLOSER[body[at - 1]]
        #: Of what is open within the part, the innermost last.
        closers: list[int] = []
        done = stray = brackets = 0
        while at < end and brackets < _MOST_BRACKETS and stray < _MOST_STRAY:
            before = at
            at = (_INSIDE if closers else _AT_TOP).match(body, at, at + WINDOW).end()  # type: ignore[union-attr] # it matches nothing, too
            done += _STEP + at - before
            if done > WINDOW:
                yield None
                done = 0
            char = body[at] if at < end else None
            if char == _QUOTE and at == before:  # a text that is longer than the window
                at += 1
                while at < end and body[at] != _QUOTE:
                    yield None
                    at = max(at + 1, _TEXT.match(body, at, at + WINDOW).end())  # type: ignore[union-attr]
                at += 1
            elif char == _COMMA and not closers:
                part = body[start:at].strip(_BLANK)
                stray += not part
                yield part or None
                brackets, at = 0, at + 1
                start = at
            elif char in _CLOSER:
                comma = _comma_before(body, at)
                if char == _OBJECT and comma > start and closers and closers[-1] == _OBJECT_END:
                    # No key comes before this object, so what is open was not closed.
                    while closers and closers[-1] == _OBJECT_END:
                        closers.pop()
                    if not closers:
                        yield body[start:comma].strip(_BLANK)
                        start = at
                closers.append(_CLOSER[char])
                brackets, at = brackets + 1, at + 1
            elif closers and char == closers[-1]:
                closers.pop()
                at += 1
            elif char in closers:
                while closers.pop() != char:
                    pass
                at += 1
            elif char == own_closer:
                self.rest, end = body[at + 1 :].strip(), at
                break
            elif char in _CLOSERS:  # one too many
                at += 1
                stray += 1
        else:
            self.is_cut_off, self.rest = True, body[-_END:]
        if last := body[start:end].strip(_BLANK):
            yield last


def _comma_before(body: bytes, at: int) -> int:
    """Where the comma is that comes right before a place, but for blanks; 0 if there is none."""
    at -= 1
    while body[at] in _BLANK:
        at -= 1
    return at if body[at] == _COMMA else 0
