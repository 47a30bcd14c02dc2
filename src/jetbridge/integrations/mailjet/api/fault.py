"""Mailjet's error body, in the shapes that were recorded and the ones that only the docs show."""

from typing import Any

import msgspec

from jetbridge.http.client import EXCERPT_CHARACTERS
from jetbridge.spec.numbers import whole_number
from jetbridge.spec.untrusted_json import JSON_ERRORS, read_untrusted
from jetbridge.text import one_line


class Fault(msgspec.Struct, rename="pascal"):
    """ErrorInfo is text, an object or absent; ErrorMessage is an object in some docs."""

    error_message: Any = ""
    error_info: Any = ""
    error_identifier: str = ""

    @property
    def words(self) -> str:
        """Mailjet's own words, in one line."""
        parts = [_line(part) for part in (self.error_message, self.error_info) if part]
        return one_line(" ".join(parts))[:EXCERPT_CHARACTERS]

    @property
    def refused_properties(self) -> dict[str, str]:
        return {name: str(words) for row in self._rows("Properties") for name, words in row.items()}

    @property
    def refused_lists(self) -> dict[int, str]:
        rows = self._rows("ContactsLists")
        return {
            list_id: str(row.get("Error", "")) for row in rows if (list_id := whole_number(row.get("ListID")))
        }

    def _rows(self, key: str) -> list[dict[str, Any]]:
        # The docs show the object under ErrorMessage, recordings under ErrorInfo.
        for part in (self.error_info, self.error_message):
            if isinstance(part, dict) and isinstance(part.get(key), list):
                return [row for row in part[key] if isinstance(row, dict)]
        return []


def read_fault(body: bytes) -> Fault | None:
    """None if the body is no error in JSON."""
    try:
        return read_untrusted(body, Fault)
    except JSON_ERRORS:
        return None


def _line(part: object) -> str:
    return part if isinstance(part, str) else msgspec.json.encode(part).decode()
