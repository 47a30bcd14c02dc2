"""The error file of a job. Its format is not documented: a list, one object, or an object per line."""

from typing import Any

import msgspec

from jetbridge.integrations.mailjet.api.errors import Answer, unreadable
from jetbridge.spec.untrusted_json import JSON_ERRORS, read_untrusted


def rows_of(answer: Answer) -> list[dict[str, Any]] | None:
    """None if the file is empty, which says nothing; a list of no rows says that there are no errors."""
    if not answer.body.strip():
        return None
    try:
        return msgspec.convert(_json_or_lines(answer.body), list[dict[str, Any]])
    except JSON_ERRORS:
        raise unreadable(answer) from None


def _json_or_lines(body: bytes) -> list[Any]:
    try:
        found = read_untrusted(body)
    except JSON_ERRORS:
        found = [read_untrusted(line) for line in body.splitlines() if line.strip()]
    return found if isinstance(found, list) else [found]
