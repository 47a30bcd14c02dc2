"""Figures of a destination: its Overview, why messages failed or were filtered, and the holds it has had."""

from collections import Counter
from datetime import datetime
from typing import Literal

import msgspec

from jetbridge.console.api.caller import Caller
from jetbridge.console.api.destinations import own_destination
from jetbridge.console.api.endpoint import endpoint
from jetbridge.console.api.kinds import of_minute
from jetbridge.console.api.paging import Page, Paging, page_of
from jetbridge.console.destinations import event_delivery_reasons, overview_figures
from jetbridge.console.destinations.event_delivery_reasons import Reason as Found
from jetbridge.console.destinations.overview_figures import (
    DELIVERED,
    FAILED,
    FILTERED,
    RECEIVED,
    period_named,
)
from jetbridge.console.destinations.remedies import remedy
from jetbridge.console.log import event_log
from jetbridge.delivery import ledger
from jetbridge.delivery.minutes import Point
from jetbridge.delivery.models import HoldRow


class PeriodQuery(msgspec.Struct, forbid_unknown_fields=True):
    period: Literal["10m", "1h", "1d", "1w", "2w"] = "1h"


class Moment(msgspec.Struct):
    """What was received, and what came to an end, from `at` until the next one. Latencies in ms; null: nothing."""

    at: datetime
    received: int
    filtered: int
    failed: int
    delivered: int
    p50_ms: float | None
    p95_ms: float | None


class Figures(msgspec.Struct):
    """Of a period: received in it, and come to an end in it, so the two need not add up. `pending` is of now.

    `received_is_about`: it is an estimate, because not all that came were read yet. Latencies are from receipt to
    delivery.
    """

    received: int
    received_is_about: bool
    filtered: int
    failed: int
    delivered: int
    pending: int
    p50_ms: float | None
    p95_ms: float | None
    course: list[Moment]


class Reason(msgspec.Struct):
    """`messages` since the beginning, less what was tried again; `lately` in the period, with its course.

    `remedy` is what to do about it. `example` is the sentence of the newest one that is kept, `example_id` that of a
    failure.
    """

    outcome: Literal["failed", "filtered"]
    reason: str
    messages: int
    lately: int
    course: list[int]
    remedy: str
    example: str
    example_at: datetime | None
    example_id: int | None


class Reasons(msgspec.Struct):
    """The most first."""

    items: list[Reason]


class PastHold(msgspec.Struct):
    """`ended_at` null: it still is. `by_hand`: a person released it; else its cause went away."""

    id: int
    code: str
    reason: str
    began_at: datetime
    ended_at: datetime | None
    by_hand: bool


@endpoint("GET", "destinations/<int:destination>/figures")
def get_figures(caller: Caller, destination: int, query: PeriodQuery) -> Figures:
    """What a destination received and what became of it over a period, with latencies."""
    row = own_destination(caller, destination)
    with event_log() as log:
        found = overview_figures.figures(row.id, period_named(query.period), log)
    assert found  # the row is there, so is its report
    ended = found.outcomes
    return Figures(
        found.received,
        found.about,
        ended[FILTERED],
        ended[FAILED],
        ended[DELIVERED],
        found.totals.pending,
        found.p50,
        found.p95,
        [_moment(each) for each in found.points],
    )


@endpoint("GET", "destinations/<int:destination>/reasons")
def list_reasons(caller: Caller, destination: int, query: PeriodQuery) -> Reasons:
    """Why messages of a destination failed or were filtered, how many, and an example of each."""
    row = own_destination(caller, destination)
    found = event_delivery_reasons.reasons(row.id, period_named(query.period))
    return Reasons([_reason(each) for of in found.values() for each in of])


@endpoint("GET", "destinations/<int:destination>/holds")
def list_holds(caller: Caller, destination: int, query: Paging) -> Page[PastHold]:
    """The holds that a destination has had, newest first."""
    row = own_destination(caller, destination)
    return page_of(HoldRow.objects.filter(reader=ledger.destination_reader(row.id)), query, _hold)


def _moment(point: Point) -> Moment:
    outcomes: Counter[str] = point.outcomes
    return Moment(
        of_minute(point.minute),
        outcomes[RECEIVED],
        outcomes[FILTERED],
        outcomes[FAILED],
        outcomes[DELIVERED],
        point.quantile(0.5),
        point.quantile(0.95),
    )


def _reason(found: Found) -> Reason:
    last = found.last
    return Reason(
        "failed" if found.outcome == FAILED else "filtered",
        found.code,
        found.total,
        found.lately,
        found.course,
        remedy(found.outcome, found.code).sentence,
        last.sentence if last else "",
        last.at if last else None,
        last.id if last and found.outcome == FAILED else None,
    )


def _hold(row: HoldRow) -> PastHold:
    return PastHold(row.id, row.code, row.reason, row.began_at, row.ended_at, row.by_hand)
