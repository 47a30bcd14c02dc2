"""What a source has sent: how many messages when, and the events, traits and properties in them."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from jetbridge.console.api.caller import Caller
from jetbridge.console.api.endpoint import endpoint
from jetbridge.console.api.kinds import of_minute, of_ms
from jetbridge.console.api.paging import Page, Paging, page_of
from jetbridge.console.api.sources import own_source
from jetbridge.schema import volumes
from jetbridge.schema.models import NameRow
from jetbridge.schema.names import kind_names
from jetbridge.schema.volumes import DAY, HOUR, Lately

#: Period -> minutes of one point, and how many points.
_PERIODS = {"1d": (HOUR, 24), "2w": (DAY, 14)}

Text = Annotated[str, msgspec.Meta(max_length=200)]


class VolumesQuery(msgspec.Struct, forbid_unknown_fields=True):
    """A day by the hour, or two weeks by the day."""

    period: Literal["1d", "2w"] = "1d"


class Volume(msgspec.Struct):
    """From `at` until the next point."""

    at: datetime
    messages: int
    failed_on_ingest: int


class Volumes(msgspec.Struct):
    """Messages of the last hour and day, when the last one was received, and their course."""

    last_hour: int
    last_day: int
    last_received_at: datetime | None
    points: list[Volume]


class SchemaQuery(Paging):
    """`text` is a part of the event's name."""

    type: Text | None = None
    event: Text | None = None
    text: Text | None = None


class SchemaName(msgspec.Struct):
    """A trait or property that came with an event or call type; `name` is empty for that itself.

    `kinds` are those of its values, such as text or number.
    """

    type: str
    event: str
    name: str
    messages: int
    kinds: list[str]
    first_at: datetime | None
    last_at: datetime | None


@endpoint("GET", "sources/<int:source>/volumes")
def get_volumes(caller: Caller, source: int, query: VolumesQuery) -> Volumes:
    """How many messages a source sent, and when."""
    id_ = own_source(caller, source).id
    step, points = _PERIODS[query.period]
    course = volumes.course(id_, volumes.now() - (points - 1) * step, step)
    lately = volumes.lately([id_]).get(id_, Lately())
    return Volumes(
        lately.hour,
        lately.day,
        of_ms(volumes.last_received([id_]).get(id_)),
        [Volume(of_minute(each.minute), each.messages, each.invalid) for each in course],
    )


@endpoint("GET", "sources/<int:source>/schema")
def list_schema(caller: Caller, source: int, query: SchemaQuery) -> Page[SchemaName]:
    """Events, and the traits and properties that came with them, as a source has sent them so far."""
    rows = NameRow.objects.filter(source_id=own_source(caller, source).id)
    if query.type is not None:
        rows = rows.filter(type=query.type)
    if query.event is not None:
        rows = rows.filter(event=query.event)
    if query.text is not None:
        rows = rows.filter(event__icontains=query.text)
    return page_of(rows, query, _shape)


def _shape(row: NameRow) -> SchemaName:
    return SchemaName(
        row.type,
        row.event,
        row.name,
        row.total,
        kind_names(row.kinds),
        of_ms(row.first_at),
        of_ms(row.last_at),
    )
