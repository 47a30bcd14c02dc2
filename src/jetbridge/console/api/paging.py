"""Pages by key: `next` of one page is `after` of the following one. The thousandth costs what the first one costs."""

from collections.abc import Callable
from typing import Annotated, Generic, TypeVar

import msgspec
from django.db.models import Model, QuerySet

from jetbridge.console.api.refusal import Refused

Thing = TypeVar("Thing")
Row = TypeVar("Row", bound=Model)

Limit = Annotated[int, msgspec.Meta(ge=1, le=200, description="How many, at the most.")]
After = Annotated[
    str,
    msgspec.Meta(
        max_length=60,
        description="`next` of the page before.",
        extra_json_schema={"pattern": "^[0-9]{0,18}$"},  # `number_of` refuses others in words
    ),
]


class Paging(msgspec.Struct, forbid_unknown_fields=True):
    limit: Limit = 50
    after: After = ""


class Page(msgspec.Struct, Generic[Thing]):
    """`next` is null on the last page."""

    items: list[Thing]
    next: str | None


def page_of(rows: QuerySet[Row], query: Paging, shape: Callable[[Row], Thing]) -> Page[Thing]:
    """Newest first; one query."""
    chosen = rows.filter(pk__lt=number_of(query.after)) if query.after else rows
    found = list(chosen.order_by("-pk")[: query.limit + 1])
    shown = found[: query.limit]
    return Page([shape(row) for row in shown], str(shown[-1].pk) if len(found) > len(shown) else None)


def number_of(key: str) -> int:
    """Raises Refused (422)."""
    if not (key.isascii() and key.isdecimal() and len(key) < 19):
        raise Refused(422, f"{key[:40]!r} is no key of a page: `after` takes what `next` said.")
    return int(key)
