"""Lenient reading of JSON: what one part of a body has wrong costs that part only, and is named.

`Elements` cuts an array or object into its parts without decoding them, so that one broken part costs the others nothing. It
looks at brackets and texts only. A bracket that is missing or too many harms only the part that it is in, where that
can be seen; a missing quotation mark takes the rest with it.

`read_lenient` reads a part that is almost JSON. Real senders write `NaN`, `Infinity` (Python, Newtonsoft, Gson), `nan`, `-inf`,
`1.#IND` (Perl, Lua, C), numbers too large for their decoder (`1e999`, Ruby's Oj), `undefined` or nothing at all (templates),
Latin-1 in UTF-8, half an emoji (JavaScript's slice), line breaks within texts, commas at the end. Decoding is strict first; only
what it rejects is repaired.
"""

import re
import secrets
from collections.abc import Iterator
from typing import Any

import msgspec

from jetbridge.errors import MessageRejected
from jetbridge.spec.untrusted import JSON_ERRORS

#: So many values that could not be read are named one by one; of others, the field that they are in.
MOST_NAMED = 100
#: Characters of a path; of a longer one, the part that fits: what the value is in.
PATH_CHARACTERS = 200

_decode_any = msgspec.json.Decoder().decode

#: Stands for what cannot be read, until it is taken out. No sender can know it. Before a key: its entry goes.
_HOLE = "\0" + secrets.token_hex(16)
_HOLE_JSON = msgspec.json.encode(_HOLE)

#: Plain texts and values, the usual numbers that are none, other texts, other values, values that are missing, and commas with
#: nothing after them. Each byte is looked at a few times at the most, whatever comes: a text without an end takes all the rest.
_TOKENS = re.compile(
    rb"""
      "[\x20\x21\x23-\x5b\x5d-\x7e]*+"
    | (?:true|false|null|-?(?:0|[1-9][0-9]{0,14}+)(?:\.[0-9]{1,15}+)?+)(?=[\s,\]}])
    | (?P<no_number>NaN|-?Infinity)(?=[\s,\]}])
    | (?P<text>"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z))(?P<key>\s*+:)?
    | (?P<bare>[^\s"\[\]{},:]++)(?P<bare_key>\s*+:)?
    | (?P<missing>:)(?=\s*+[,}])
    | (?P<surplus>,)(?=\s*+[}\]])
    """,
    re.VERBOSE | re.DOTALL,
)
#: A whole surrogate pair, a lone half, or any other escape (so that an escaped backslash is never half of one).
_SURROGATES = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.",
    re.DOTALL,
)
_CONTROL = re.compile(rb"[\x00-\x1f]")
_BYTE = re.compile(r"^JSON is malformed: | \(byte (\d+)\)")
#: Bytes on either side of a fault that are shown to a person.
_NEAR = 20

#: What `Elements` does in one go, in bytes that it looks at; a bracket or comma counts as many bytes as it costs time.
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


def read_lenient(raw: bytes, what: str) -> tuple[Any, list[str]]:
    """The value, and the dotted paths of what it comes without. Raises MessageRejected (bad_json), naming `what`.

    What is left out of an object is absent; of a list it is null, so that the others keep their places. Half an emoji
    becomes U+FFFD.
    """
    try:
        return _decode_any(raw), []
    except RecursionError:
        raise bad_json(what, "it is nested too deep") from None
    except JSON_ERRORS:
        pass
    repaired = _TOKENS.sub(_repair, raw)
    try:
        value = _decode_any(repaired)
    except JSON_ERRORS as error:
        raise bad_json(what, _fault(error, repaired)) from None
    if value == _HOLE:
        raise bad_json(what, f"it is {_excerpt(raw[:_NEAR])}")
    return value, _take_out_holes(value)


def read_strict(raw: bytes, what: str) -> Any:
    """The value of JSON without any fault. Raises MessageRejected (bad_json), naming `what`."""
    try:
        return _decode_any(raw)
    except RecursionError:
        raise bad_json(what, "it is nested too deep") from None
    except JSON_ERRORS as error:
        raise bad_json(what, _fault(error, raw)) from None


def bad_json(what: str, fault: str) -> MessageRejected:
    return MessageRejected("bad_json", f"{what} is not JSON that can be read: {fault}.")


def _fault(error: Exception, text: bytes) -> str:
    """What is wrong, and near what: nobody counts bytes."""
    place = _BYTE.search(str(error), 1)
    if place is None:
        return str(error)
    at = int(place[1])
    near = text[max(0, at - _NEAR) : at + _NEAR].replace(_HOLE_JSON, b"")
    return f"{_BYTE.sub('', str(error))} near {_excerpt(near)}"


def _excerpt(raw: bytes) -> str:
    return ascii(raw.decode("ascii", "replace"))


def _repair(match: re.Match[bytes]) -> bytes:
    """A token that JSON takes, in place of one that it may not take."""
    kind = match.lastgroup
    if kind in {"text", "key"}:
        text = _SURROGATES.sub(lambda half: rb"\ufffd" if half[1] else half[0], match["text"])
        text = _CONTROL.sub(lambda control: b"\\u%04x" % control[0][0], text)
        if _is_readable(text):
            return text + (match["key"] or b"")
        if kind == "text":
            return _HOLE_JSON
        return msgspec.json.encode(_HOLE + text[1:-1].decode("utf-8", "replace")) + match["key"]
    if kind == "no_number" or (kind == "bare" and not _is_readable(match[0])):
        return _HOLE_JSON
    if kind == "missing":
        return b":" + _HOLE_JSON
    return b"" if kind == "surplus" else match[0]


def _is_readable(token: bytes) -> bool:
    try:
        _decode_any(token)
    except JSON_ERRORS:
        return False
    return True


class _Place:
    """An object or a list in the value, and where it is. `top` is the outermost key on the way to it."""

    __slots__ = ("above", "content", "key", "top")

    def __init__(
        self, content: dict[str, Any] | list[Any], key: str = "", above: "_Place | None" = None
    ) -> None:
        self.content, self.key, self.above = content, key, above
        self.top: str = (above.top or key) if above else ""

    def path(self, key: str) -> str:
        """The dotted way to an entry, as much of it as PATH_CHARACTERS take; an entry of a list by its number."""
        keys, place = [key], self
        while place.above is not None:
            keys.append(place.key)
            place = place.above
        path = keys[-1][:PATH_CHARACTERS]
        for inner in keys[-2::-1]:
            if len(path) + 1 + len(inner) > PATH_CHARACTERS:
                break
            path += f".{inner}"
        return path


def _take_out_holes(value: Any) -> list[str]:
    """The paths of what is taken out, without repetition."""
    paths: dict[str, None] = {}
    rest = [_Place(value)]
    while rest:
        place = rest.pop()
        content = place.content
        holes: list[Any] = []
        for key, inner in content.items() if isinstance(content, dict) else enumerate(content):
            if inner == _HOLE or (isinstance(key, str) and key.startswith(_HOLE)):
                holes.append(key)
            elif isinstance(inner, dict | list):
                rest.append(_Place(inner, str(key), place))
        for key in holes:
            name = str(key).removeprefix(_HOLE)
            paths[place.path(name) if len(paths) < MOST_NAMED else place.top or name] = None
            if isinstance(content, dict):
                del content[key]
            else:
                content[key] = None
    return sorted(paths)


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
                #: Where the comma is that comes right before the bracket, but for blanks.
                comma = at - 1
                while body[comma] in _BLANK:
                    comma -= 1
                if (
                    char == _OBJECT
                    and body[comma] == _COMMA
                    and comma > start
                    and closers
                    and closers[-1] == _OBJECT_END
                ):
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
