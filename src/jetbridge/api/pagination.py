"""Pages by key: `next` of one page is `after` of the following one. The thousandth costs what the first one costs."""

from collections.abc import Callable
from typing import Annotated, Any, Generic, TypeVar

from django.db.models import Model, QuerySet
from pydantic import Field

from jetbridge.api.errors import HTTPError
from jetbridge.api.schemas import OutSchema, QuerySchema
from jetbridge.spec.untrusted import whole_number

Item = TypeVar("Item")
Row = TypeVar("Row", bound=Model)

Limit = Annotated[int, Field(ge=1, le=200, description="How many, at the most.", examples=[50])]
After = Annotated[
    str,
    Field(
        max_length=60,
        description="`next` of the page before.",
        examples=["41"],
        json_schema_extra={"pattern": "^[0-9]{0,18}$"},  # `position_of` rejects others in words
    ),
]


class Paging(QuerySchema):
    limit: Limit = 50
    after: After = ""


class Page(OutSchema, Generic[Item]):
    """`next` is null on the last page."""

    items: list[Item]
    next: Annotated[str | None, Field(examples=["41"])]

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """Its name in the document."""
        return f"PageOf{params[0].__name__}"


def page_of(rows: QuerySet[Row], paging: Paging, convert: Callable[[Row], Item]) -> Page[Item]:
    """Newest first; one query."""
    before = rows.filter(pk__lt=position_of(paging.after)) if paging.after else rows
    rows_and_one = list(before.order_by("-pk")[: paging.limit + 1])
    page = rows_and_one[: paging.limit]
    following = str(page[-1].pk) if len(rows_and_one) > len(page) else None
    return Page(items=[convert(row) for row in page], next=following)


def position_of(after: str) -> int:
    """The number that `after` stands for. Raises HTTPError (422)."""
    number = whole_number(after)
    if number is None:
        raise HTTPError(
            "INVALID_REQUEST",
            f"after: {after[:40]!r} is no key of a page.",
            fix="Send as `after` what the page before has in `next`.",
            errors=[{"parameter": "after", "detail": "No key of a page"}],
        )
    return number
