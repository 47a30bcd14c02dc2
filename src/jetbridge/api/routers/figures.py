"""Figures of a destination: its Overview, why messages failed or were filtered, and the pauses it has had."""

from typing import Annotated, Literal

from ninja import Query

from jetbridge.api.pagination import Page, Paging, page_of
from jetbridge.api.routing import ApiRequest, ApiRouter
from jetbridge.api.schemas import Id, OutSchema, QuerySchema, Timestamp, example, from_minute
from jetbridge.delivery.base import DELIVERED, FAILED, FILTERED, RECEIVED
from jetbridge.delivery.models import PauseRow, destination_consumer
from jetbridge.services.log import event_log
from jetbridge.services.queries import destination_figures, reason_figures
from jetbridge.services.queries.destination_figures import period_named

router = ApiRouter(tags=["Destinations"])

ReasonCode = Annotated[str, example("INVALID_EMAIL")]
Milliseconds = Annotated[float | None, example(240.0)]


class PeriodQuery(QuerySchema):
    period: Literal["10m", "1h", "1d", "1w", "2w"] = "1h"


class MomentOut(OutSchema):
    """What was received, and what came to an end, from `at` until the next one. Latencies in ms; null: nothing."""

    at: Timestamp
    received: Annotated[int, example(12)]
    filtered: int
    failed: int
    delivered: Annotated[int, example(12)]
    p50_ms: Milliseconds
    p95_ms: Milliseconds


class FiguresOut(OutSchema):
    """Of a period: received in it, and come to an end in it, so the two need not add up. `pending` is of now.

    `received_is_about`: it is an estimate, because not all that came were read yet. Latencies are from receipt to
    delivery.
    """

    received: Annotated[int, example(12)]
    received_is_about: bool
    filtered: int
    failed: int
    delivered: Annotated[int, example(12)]
    pending: int
    p50_ms: Milliseconds
    p95_ms: Milliseconds
    course: list[MomentOut]


class ReasonOut(OutSchema):
    """`messages` since the beginning, less what was retried; `lately` in the period, with its course.

    `fix` is what to do about it. `example` is the message of the newest one that is kept, `example_id` that of a
    failure.
    """

    outcome: Literal["failed", "filtered"]
    reason: ReasonCode
    messages: Annotated[int, example(3)]
    lately: Annotated[int, example(1)]
    course: Annotated[list[int], example([0, 0, 1])]
    fix: Annotated[str, example("Correct the address where it comes from.")]
    example: Annotated[str, example("ada@ is no email address.")]
    example_at: Timestamp | None
    example_id: Annotated[int | None, example(7)]


class ReasonsOut(OutSchema):
    """The most first."""

    items: list[ReasonOut]


class PastPauseOut(OutSchema):
    """`ended_at` null: it still is paused. `by_hand`: a person resumed it; else its cause went away."""

    id: Id
    code: Annotated[str, example("INVALID_AUTHENTICATION")]
    reason: Annotated[str, example("Mailjet rejects the API key and secret key.")]
    began_at: Timestamp
    ended_at: Timestamp | None
    by_hand: bool


@router.get("/destinations/{int:destination}/figures", response=FiguresOut)
def get_figures(request: ApiRequest, destination: Id, query: Query[PeriodQuery]) -> FiguresOut:
    """What a destination received and what became of it over a period, with latencies."""
    row = request.auth.destination(destination)
    with event_log() as log:
        figures = destination_figures.figures(row.id, period_named(query.period), log)
    assert figures  # the row is there, so is its report
    return FiguresOut(
        received=figures.received,
        received_is_about=figures.about,
        filtered=figures.outcomes[FILTERED],
        failed=figures.outcomes[FAILED],
        delivered=figures.outcomes[DELIVERED],
        pending=figures.totals.pending,
        p50_ms=figures.p50,
        p95_ms=figures.p95,
        course=[
            MomentOut(
                at=from_minute(point.minute),
                received=point.outcomes[RECEIVED],
                filtered=point.outcomes[FILTERED],
                failed=point.outcomes[FAILED],
                delivered=point.outcomes[DELIVERED],
                p50_ms=point.quantile(0.5),
                p95_ms=point.quantile(0.95),
            )
            for point in figures.points
        ],
    )


@router.get("/destinations/{int:destination}/reasons", response=ReasonsOut)
def list_reasons(request: ApiRequest, destination: Id, query: Query[PeriodQuery]) -> ReasonsOut:
    """Why messages of a destination failed or were filtered, how many, and an example of each."""
    row = request.auth.destination(destination)
    by_outcome = reason_figures.reasons_of(row, period_named(query.period))
    items = [
        ReasonOut(
            outcome="failed" if reason.outcome == FAILED else "filtered",
            reason=reason.code,
            messages=reason.total,
            lately=reason.lately,
            course=reason.course,
            fix=reason.meaning.help,
            example=reason.last.detail if reason.last else "",
            example_at=reason.last.at if reason.last else None,
            example_id=reason.last.id if reason.last and reason.outcome == FAILED else None,
        )
        for reasons in by_outcome.values()
        for reason in reasons
    ]
    return ReasonsOut(items=items)


@router.get("/destinations/{int:destination}/pauses", response=Page[PastPauseOut])
def list_pauses(request: ApiRequest, destination: Id, paging: Query[Paging]) -> Page[PastPauseOut]:
    """The pauses that a destination has had, newest first."""
    row = request.auth.destination(destination)
    return page_of(PauseRow.objects.filter(consumer=destination_consumer(row.id)), paging, _pause)


def _pause(row: PauseRow) -> PastPauseOut:
    return PastPauseOut(
        id=row.id,
        code=row.code,
        reason=row.reason,
        began_at=row.began_at,
        ended_at=row.ended_at,
        by_hand=row.by_hand,
    )
