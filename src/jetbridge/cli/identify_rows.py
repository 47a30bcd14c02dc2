"""Rows of a file as identify calls: NDJSON (whole calls or flat objects) and CSV with a header.

A CSV cell is text, unless it reads exactly like a JSON number of at most 15 digits or like true or false: a
phone number with a leading + or 0 stays text. An empty cell says nothing about the person and is left out.
"""

import csv
import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from jetbridge.errors import MessageRejected
from jetbridge.spec.message import CALL_TYPES

USER_ID_NAMES = ("userId", "user_id")
#: Segment's limit for one message.
MESSAGE_BYTES = 32_000

_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
_WORDS = {"true": True, "false": False}


class Row(NamedTuple):
    """`line` is where the row ends in the file; `call` is JSON, or None with what is wrong."""

    line: int
    call: bytes | None
    wrong: str = ""


@dataclass(frozen=True)
class Columns:
    """Which names of a flat row mean what; ids and `text` columns are never read as numbers."""

    user_id: str | None = None
    email: str = "email"
    text: frozenset[str] = frozenset()

    @property
    def user_ids(self) -> tuple[str, ...]:
        return (self.user_id,) if self.user_id else USER_ID_NAMES


def ndjson(lines: Iterable[bytes], columns: Columns) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _row(number, line, columns)


def comma_separated(lines: Iterable[bytes], columns: Columns, delimiter: str = ",") -> Iterator[Row]:
    reader = csv.DictReader(_decoded(lines), delimiter=delimiter)
    for cells in reader:
        line = reader.line_num
        if None in cells or None in cells.values():
            yield Row(line, None, "has another number of cells than the header")
        else:
            yield _call_row(
                line, {name: _typed(name, cell, columns) for name, cell in cells.items() if cell}, columns
            )


def _row(number: int, line: bytes, columns: Columns) -> Row:
    try:
        value = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Row(number, None, "is no JSON")
    if not isinstance(value, dict):
        return Row(number, None, "is no JSON object")
    return _call_row(number, value, columns)


def _call_row(line: int, value: dict[str, Any], columns: Columns) -> Row:
    try:
        call = _whole(value) if _is_whole(value) else _from_flat(value, columns)
    except MessageRejected as error:
        return Row(line, None, str(error))
    call.setdefault("messageId", _message_id(line, call))
    body = msgspec.json.encode(call)
    if len(body) > MESSAGE_BYTES:
        return Row(line, None, f"is {len(body)} bytes as a call; {MESSAGE_BYTES} are allowed")
    return Row(line, body)


def _is_whole(value: dict[str, Any]) -> bool:
    return isinstance(value.get("traits"), dict) or value.get("type") in CALL_TYPES


def _whole(value: dict[str, Any]) -> dict[str, Any]:
    if value.get("type", "identify") != "identify":
        raise MessageRejected("INVALID_TYPE", f"is a {value['type']!r} call; only identify calls are sent")
    if not value.get("userId") and not value.get("anonymousId"):
        raise MessageRejected("MISSING_USER_ID", "has neither userId nor anonymousId")
    return {**value, "type": "identify"}


def _from_flat(value: dict[str, Any], columns: Columns) -> dict[str, Any]:
    traits = dict(value)
    names = columns.user_ids
    user_id = next((traits.pop(name) for name in names if traits.get(name) not in {None, ""}), None)
    if columns.email in traits:
        traits["email"] = traits.pop(columns.email)
    if user_id is not None:
        return {"type": "identify", "userId": str(user_id), "traits": traits}
    if not traits.get("email"):
        raise MessageRejected("MISSING_USER_ID", f"has neither {' nor '.join(names)} nor {columns.email}")
    return {"type": "identify", "anonymousId": str(traits["email"]), "traits": traits}


def _typed(name: str, cell: str, columns: Columns) -> Any:
    if name in columns.text or name in columns.user_ids:
        return cell
    if cell in _WORDS:
        return _WORDS[cell]
    if len(cell) <= 15 and _NUMBER.fullmatch(cell):
        return msgspec.json.decode(cell)
    return cell


def _message_id(line: int, call: dict[str, Any]) -> str:
    """The same for the same row in the same place, so that a file sent again sends no new messages."""
    content = b"%d:%b" % (line, msgspec.json.encode(call, order="sorted"))
    return "send-" + hashlib.sha256(content).hexdigest()[:32]


def _decoded(lines: Iterable[bytes]) -> Iterator[str]:
    encoding = "utf-8-sig"  # spreadsheets write a byte order mark
    for line in lines:
        yield line.decode(encoding, "replace")
        encoding = "utf-8"
