"""What a source has sent: how many messages when, and the events, traits and properties in them."""

from typing import Annotated, Literal

from ninja import Query
from pydantic import Field

from jetbridge.api.pagination import Page, Paging, page_of
from jetbridge.api.routing import ApiRequest, ApiRouter, editor
from jetbridge.api.schemas import (
    Id,
    InSchema,
    OutSchema,
    QuerySchema,
    Timestamp,
    example,
    from_minute,
    from_ms,
)
from jetbridge.control.models import Source
from jetbridge.services import sources as source_services
from jetbridge.source_schema import volumes
from jetbridge.source_schema.models import NameRow
from jetbridge.source_schema.names import kind_names
from jetbridge.source_schema.volumes import DAY, HOUR, Lately

router = ApiRouter(tags=["Sources"])

#: Period -> minutes of one point, and how many points.
_PERIODS = {"1d": (HOUR, 24), "2w": (DAY, 14)}

Text = Annotated[str, Field(max_length=200)]


class VolumesQuery(QuerySchema):
    """A day by the hour, or two weeks by the day."""

    period: Literal["1d", "2w"] = "1d"


class VolumeOut(OutSchema):
    """From `at` until the next point."""

    at: Timestamp
    messages: Annotated[int, example(12)]
    failed_on_ingest: int


class VolumesOut(OutSchema):
    """Messages of the last hour and day, when the last one was received, and their course."""

    last_hour: Annotated[int, example(12)]
    last_day: Annotated[int, example(120)]
    last_received_at: Timestamp | None
    points: list[VolumeOut]


class SchemaQuery(Paging):
    """`text` is a part of the event's name."""

    type: Annotated[Text | None, example("track")] = None
    event: Annotated[Text | None, example("Order Completed")] = None
    text: Annotated[Text | None, example("order")] = None


class SchemaNameOut(OutSchema):
    """A trait or property that came with an event or call type; `name` is empty for that itself.

    `kinds` are those of its values, such as text or number.
    """

    type: Annotated[str, example("track")]
    event: Annotated[str, example("Order Completed")]
    name: Annotated[str, example("total")]
    messages: Annotated[int, example(12)]
    kinds: Annotated[list[str], example(["number"])]
    first_at: Timestamp | None
    last_at: Timestamp | None


class BlockIn(InSchema):
    """An event (`event` of a track call, else a call type alone), or with `name` a property or trait that comes with it."""

    type: Annotated[Text, Field(examples=["track"])]
    event: Annotated[Text, Field(examples=["Order Completed"])] = ""
    name: Annotated[Text, Field(examples=["total"])] = ""
    blocked: bool = True


class BlockOut(OutSchema):
    """What no destination gets of a source's messages; `name` is empty for a whole event."""

    type: Annotated[str, example("track")]
    event: Annotated[str, example("Order Completed")]
    name: Annotated[str, example("total")]


class BlocksOut(OutSchema):
    """All of a source. `notes` doubt what was just blocked: the source has sent no such thing so far."""

    blocks: list[BlockOut]
    notes: Annotated[list[str], example([])]


@router.get("/sources/{int:source}/blocks", response=BlocksOut)
def list_blocks(request: ApiRequest, source: Id) -> BlocksOut:
    """Events, properties and traits of a source that no destination gets."""
    return _blocks(request.auth.source(source))


@router.put("/sources/{int:source}/blocks", auth=editor, response=BlocksOut)
def change_block(request: ApiRequest, source: Id, body: BlockIn) -> BlocksOut:
    """Block an event, a property or a trait of a source for all destinations, or let them have it again.

    Track calls are blocked by their event. The trait that says whether a person has unsubscribed cannot be blocked.
    """
    row = request.auth.source(source)
    if not body.blocked:
        source_services.unblock(request.auth.actor, row, body.type, body.event, body.name)
        return _blocks(row)
    return _blocks(row, source_services.block(request.auth.actor, row, body.type, body.event, body.name))


def _blocks(row: Source, note: str = "") -> BlocksOut:
    rows = row.blocks.order_by("id").values("type", "event", "name")
    return BlocksOut(blocks=[BlockOut(**block) for block in rows], notes=[note] if note else [])


@router.get("/sources/{int:source}/volumes", response=VolumesOut)
def get_volumes(request: ApiRequest, source: Id, query: Query[VolumesQuery]) -> VolumesOut:
    """How many messages a source sent, and when."""
    id_ = request.auth.source(source).id
    step, count = _PERIODS[query.period]
    points = volumes.time_series(id_, volumes.now() - (count - 1) * step, step)
    lately = volumes.lately([id_]).get(id_, Lately())
    return VolumesOut(
        last_hour=lately.hour,
        last_day=lately.day,
        last_received_at=from_ms(volumes.last_received([id_]).get(id_)),
        points=[
            VolumeOut(at=from_minute(point.minute), messages=point.messages, failed_on_ingest=point.invalid)
            for point in points
        ],
    )


@router.get("/sources/{int:source}/schema", response=Page[SchemaNameOut])
def list_schema(request: ApiRequest, source: Id, query: Query[SchemaQuery]) -> Page[SchemaNameOut]:
    """Events, and the traits and properties that came with them, as a source has sent them so far."""
    rows = NameRow.objects.filter(source_id=request.auth.source(source).id)
    if query.type is not None:
        rows = rows.filter(type=query.type)
    if query.event is not None:
        rows = rows.filter(event=query.event)
    if query.text is not None:
        rows = rows.filter(event__icontains=query.text)
    return page_of(rows, query, _schema_name)


def _schema_name(row: NameRow) -> SchemaNameOut:
    return SchemaNameOut(
        type=row.type,
        event=row.event,
        name=row.name,
        messages=row.total,
        kinds=kind_names(row.kinds),
        first_at=from_ms(row.first_at),
        last_at=from_ms(row.last_at),
    )
