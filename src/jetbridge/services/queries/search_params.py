"""What somebody wants to see in a debugger, as the page's address says it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlencode

from jetbridge.control.models import Source
from jetbridge.delivery.base import DELIVERED, FAILED, FILTERED
from jetbridge.delivery.trace import PENDING
from jetbridge.eventlog.base import EMAIL_EVENT, INVALID, Search
from jetbridge.eventlog.search import containing, everything
from jetbridge.services.queries.message_rows import Row
from jetbridge.spec.untrusted import whole_number


class Choice(NamedTuple):
    value: str
    label: str


TYPES = (
    *(
        Choice(type_, type_.capitalize())
        for type_ in ("identify", "track", "page", "screen", "group", "alias")
    ),
    Choice("delete", "Delete"),
    Choice(INVALID, "Failed on ingest"),
    Choice(EMAIL_EVENT, "Email event"),
)
OUTCOMES = tuple(Choice(outcome, outcome.capitalize()) for outcome in (DELIVERED, FILTERED, FAILED, PENDING))
#: Longer texts are cut: nobody searches for them.
TEXT_LENGTH = 200


@dataclass(frozen=True)
class SearchParams:
    """Empty: whatever it is. `before` 0: from the newest on. `pages` is how many were looked at without a pause."""

    text: str = ""
    type: str = ""
    outcome: str = ""
    before: int = 0
    pages: int = 0

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "SearchParams":
        """What is no choice is not asked for."""
        return cls(
            text=query.get("q", "").strip().replace("\0", "")[:TEXT_LENGTH],
            type=_one_of(TYPES, query.get("type", "")),
            outcome=_one_of(OUTCOMES, query.get("outcome", "")),
            before=_number(query.get("before", "")),
            pages=_number(query.get("pages", "")),
        )

    @property
    def is_anything(self) -> bool:
        return not (self.text or self.type or self.outcome)

    def search(self, source: Source) -> Search:
        types = [self.type] if self.type else []
        return containing([source.id], self.text, types) if self.text else everything([source.id], types)

    def wants(self, row: Row) -> bool:
        """Whether the outcome is the one asked for, at any destination."""
        return not self.outcome or self.outcome in row.outcomes

    def query(self, **more: int) -> str:
        """The same, as the end of an address."""
        parts = {"q": self.text, "type": self.type, "outcome": self.outcome, **more}
        return urlencode({name: value for name, value in parts.items() if value})


def _one_of(choices: tuple[Choice, ...], text: str) -> str:
    return text if any(text == choice.value for choice in choices) else ""


def _number(text: str) -> int:
    return whole_number(text) or 0
