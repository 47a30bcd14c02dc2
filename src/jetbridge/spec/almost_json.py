"""Reads what is almost JSON: a value that JSON does not know costs itself only, and is named.

What real senders write: `NaN`, `Infinity` (Python, Newtonsoft, Gson), `nan`, `-inf`, `1.#IND` (Perl, Lua, C), numbers too large for
their decoder (`1e999`, Ruby's Oj), `undefined` or nothing at all (templates), Latin-1 in UTF-8, half an emoji
(JavaScript's slice), line breaks within texts, commas at the end. Decoding is strict first; only what it refuses is read here.
"""

import re
import secrets
from typing import Any

import msgspec

from jetbridge.errors import MessageRejected
from jetbridge.spec.untrusted_json import JSON_ERRORS

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


def read(raw: bytes, what: str) -> tuple[Any, list[str]]:
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
    repaired = _TOKENS.sub(_repaired, raw)
    try:
        value = _decode_any(repaired)
    except JSON_ERRORS as error:
        raise bad_json(what, _fault(error, repaired)) from None
    if value == _HOLE:
        raise bad_json(what, f"it is {_excerpt(raw[:_NEAR])}")
    return value, _take_out_holes(value)


def decoded(raw: bytes, what: str) -> Any:
    """Of what is JSON without any fault. Raises MessageRejected (bad_json), naming `what`."""
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


def _repaired(match: re.Match[bytes]) -> bytes:
    """A token that JSON takes, in place of one that it may not take."""
    kind = match.lastgroup
    if kind in {"text", "key"}:
        text = _CONTROL.sub(_escaped, _SURROGATES.sub(_whole, match["text"]))
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


def _whole(match: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if match[1] else match[0]


def _escaped(match: re.Match[bytes]) -> bytes:
    return b"\\u%04x" % match[0][0]


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
