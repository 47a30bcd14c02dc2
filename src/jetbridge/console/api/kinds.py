"""Values that several endpoints take and tell."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from msgspec import Meta

#: What a member or a token may do: `control.people.Role`.
RoleName = Literal["owner", "editor", "viewer"]
#: What an alert rule looks for: `control.alerts.AlertKind`.
AlertKindName = Literal["hold", "failures", "silence"]

#: A name that a person gives to something.
Name = Annotated[str, Meta(min_length=1, max_length=200)]
#: What a database can look for.
LARGEST = 2**63 - 1
#: The number of something in this Jetbridge, or in Mailjet.
Id = Annotated[int, Meta(ge=1, le=LARGEST)]


def aware(moment: datetime | None) -> datetime | None:
    """A time without a zone is in UTC."""
    return moment and (moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def of_ms(ms: int | None) -> datetime | None:
    """A time told in ms since 1970; 0: there is none."""
    return datetime.fromtimestamp(ms / 1000, UTC) if ms else None


def of_minute(minute: int) -> datetime:
    """A time told in minutes since 1970."""
    return datetime.fromtimestamp(minute * 60, UTC)
