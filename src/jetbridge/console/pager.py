"""Pages of long tables, by key: the thousandth page costs what the first one costs, and nothing is counted."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpRequest

from jetbridge.spec.untrusted import whole_number

SIZE = 50

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Rows, newest first. `newer` and `older` are query strings of the neighbouring pages, "" at the ends."""

    rows: list[Row]
    newer: str
    older: str


def page_of(rows: QuerySet[Row], request: HttpRequest, *, size: int = SIZE) -> Page[Row]:
    """The page that `?before=ID` or `?after=ID` asks for, in one query."""
    before, after = (_key(request.GET.get(name)) for name in ("before", "after"))
    if after is not None:
        found = list(rows.filter(pk__gt=after).order_by("pk")[: size + 1])
        more_newer, more_older, shown = len(found) > size, True, found[:size][::-1]
    else:
        chosen = rows.filter(pk__lt=before) if before is not None else rows
        found = list(chosen.order_by("-pk")[: size + 1])
        more_newer, more_older, shown = before is not None, len(found) > size, found[:size]
    return Page(
        shown,
        _query(request, "after", shown[0].pk) if shown and more_newer else "",
        _query(request, "before", shown[-1].pk) if shown and more_older else "",
    )


def _key(text: str | None) -> int | None:
    return whole_number(text)


def _query(request: HttpRequest, name: str, key: int) -> str:
    query = request.GET.copy()
    for other in ("before", "after"):
        query.pop(other, None)
    query[name] = str(key)
    return f"?{query.urlencode()}"
