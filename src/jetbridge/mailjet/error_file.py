"""The error file of a job. Its format is not documented: a list, one object, or an object per line."""

from typing import Any

import msgspec

from jetbridge.mailjet.errors import Answer, unreadable


def rows_of(answer: Answer) -> list[dict[str, Any]]:
    try:
        found = _json_or_lines(answer.body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise unreadable(answer) from None
    return [row for row in found if isinstance(row, dict)]


def _json_or_lines(body: bytes) -> list[Any]:
    if not body.strip():
        return []
    try:
        found = msgspec.json.decode(body)
    except msgspec.DecodeError:
        found = [msgspec.json.decode(line) for line in body.splitlines() if line.strip()]
    return found if isinstance(found, list) else [found]
