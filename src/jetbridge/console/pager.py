"""Pages of long tables, by key: every page costs the same, and no rows are counted."""

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
    before, after = (whole_number(request.GET.get(name)) for name in ("before", "after"))
    if after is not None:
        fetched = list(rows.filter(pk__gt=after).order_by("pk")[: size + 1])
        more_newer, more_older, shown = len(fetched) > size, True, fetched[:size][::-1]
    else:
        chosen = rows.filter(pk__lt=before) if before is not None else rows
        fetched = list(chosen.order_by("-pk")[: size + 1])
        more_newer, more_older, shown = before is not None, len(fetched) > size, fetched[:size]
    return Page(
        shown,
        _query(request, "after", shown[0].pk) if shown and more_newer else "",
        _query(request, "before", shown[-1].pk) if shown and more_older else "",
    )


def _query(request: HttpRequest, name: str, key: int) -> str:
    query = request.GET.copy()
    for other in ("before", "after"):
        query.pop(other, None)
    query[name] = str(key)
    return f"?{query.urlencode()}"
