"""Filters, paging and sorting: the part of a GET that all resources share."""

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from mailjet_sandbox import errors
from mailjet_sandbox.body import as_bool, as_id
from mailjet_sandbox.clock import parse_moment

DEFAULT_LIMIT = 10  # [D]
MAX_LIMIT = 1000  # [D]; that more is cut down to it rather than rejected is [X]

T = TypeVar("T")


class Query:
    """The query string: names in any case, and only the first of a repeated filter counts [R][D]."""

    def __init__(self, query_string: bytes) -> None:
        self._values: dict[str, str] = {}
        for name, value in parse_qsl(query_string.decode("latin-1"), keep_blank_values=True):
            self._values.setdefault(name.lower(), value)

    def text(self, name: str) -> str | None:
        return self._values.get(name.lower()) or None

    def flag(self, name: str) -> bool | None:
        return as_bool(self._values.get(name.lower()))

    def integer(self, name: str) -> int | None:
        return as_id(self._values.get(name.lower(), ""))

    def moment(self, name: str) -> int | None:
        return parse_moment(self._values.get(name.lower(), ""))

    @property
    def limit(self) -> int:
        """The page size; 0 means the largest [D]."""
        limit = self.integer("limit")
        if limit is None:
            return DEFAULT_LIMIT
        return min(limit, MAX_LIMIT) or MAX_LIMIT

    @property
    def offset(self) -> int:
        return self.integer("offset") or 0


def page(
    rows: Iterable[T], query: Query, sort_keys: Mapping[str, Callable[[T], Any]]
) -> tuple[list[T], int | None]:
    """Cut one page out of the rows. The total is None unless the query requests it, which prints as the page's own size."""
    if query.flag("countonly"):
        return [], sum(1 for _ in rows)
    sort = query.text("sort")
    if sort:
        rows = _sorted(rows, sort, sort_keys)
    if query.flag("countrecords"):
        everything = list(rows)
        return everything[query.offset : query.offset + query.limit], len(everything)
    return list(islice(rows, query.offset, query.offset + query.limit)), None


def _sorted(rows: Iterable[T], sort: str, sort_keys: Mapping[str, Callable[[T], Any]]) -> list[T]:
    name, _, direction = sort.partition(" ")
    key = {known.lower(): key for known, key in sort_keys.items()}.get(name.lower())
    if key is None or direction.lower() not in ("", "asc", "desc"):
        raise errors.MailjetError(
            400, f"Unexpected error during GET: Invalid sort specification: Cannot sort on field {sort}"
        )
    return sorted(rows, key=key, reverse=direction.lower() == "desc")
