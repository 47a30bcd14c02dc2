"""Base classes of the schemas, and the types that many of them use.

The first line of a schema's docstring, and the example of each field, go into the document and onto the page of the
API. Names end with In (a body that creates), Patch (a body that changes), Query, and Out.
"""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.fields import FieldInfo

from jetbridge.control.people import Role
from jetbridge.spec.untrusted import LARGEST


def example(value: Any) -> FieldInfo:
    """What the documentation shows for a field; a part of its Annotated type."""
    field: FieldInfo = Field(examples=[value])
    return field


#: What a member or a token may do.
RoleName = Annotated[Role, Field(strict=False)]

#: A name that a person gives to something.
Name = Annotated[str, Field(min_length=1, max_length=200)]
#: The id of something in this Jetbridge, or in Mailjet.
Id = Annotated[int, Field(ge=1, le=LARGEST, examples=[1])]


class InSchema(BaseModel):
    """A body. Unknown fields are rejected, and no value is converted: "1" is no number, 1 is no text."""

    model_config = ConfigDict(extra="forbid", strict=True)


class QuerySchema(BaseModel):
    """Query parameters, which are text until they are read. `ApiRouter` rejects unknown ones."""


class OutSchema(BaseModel):
    """A response."""


def _text_only(value: Any) -> Any:
    """Pydantic would take a number for seconds since 1970."""
    if isinstance(value, str) and not value.replace(".", "").lstrip("-+").isdigit():
        return value
    raise ValueError("a time is text such as 2026-11-20T08:00:00Z")


#: A time that comes in; one without a zone is in UTC, see `aware`.
Moment = Annotated[
    datetime, Field(strict=False, examples=["2026-11-20T08:00:00Z"]), BeforeValidator(_text_only)
]
#: A time that goes out.
Timestamp = Annotated[datetime, Field(examples=["2026-11-20T08:00:00Z"])]


def aware(moment: datetime | None) -> datetime | None:
    """A time without a zone is in UTC."""
    return moment and (moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def from_ms(ms: int | None) -> datetime | None:
    """A time in ms since 1970; 0: there is none."""
    return datetime.fromtimestamp(ms / 1000, UTC) if ms else None


def from_minute(minute: int) -> datetime:
    """A time in minutes since 1970."""
    return datetime.fromtimestamp(minute * 60, UTC)
