"""The destinations of a workspace, with how each of them does."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db.models import Sum
from django.http import HttpResponse
from django.shortcuts import render

from jetbridge.console.access import MemberRequest, workspace_view
from jetbridge.control.models import Destination
from jetbridge.delivery import ledger, metrics, report
from jetbridge.delivery.models import ConsumerOffset, MetricBucket
from jetbridge.services.log import event_log
from jetbridge.services.queries import health
from jetbridge.services.queries.health import Health

#: Minutes of the figures.
HOUR = 60


@dataclass(frozen=True)
class Line:
    row: Destination
    state: str
    #: Why it is paused, or waits and tries again.
    pause_reason: str
    trouble: str
    delivered: int
    failed: int
    #: What else is wrong with it.
    light: str


@workspace_view()
def index(request: MemberRequest) -> HttpResponse:
    rows = list(request.workspace.destinations.order_by("name").prefetch_related("sources"))
    with event_log() as log:
        now = health.read(log)
    sources = list(request.workspace.sources.values_list("id", flat=True))
    concerning = now.within(request.workspace.id, [row.id for row in rows], sources)
    lights = [light for light in concerning if not light.destinations and (rows or light.workspace)]
    context = {"lines": list(_lines(rows, now)), "lights": lights}
    return render(request, "console/destinations/index.html", context)


def _lines(rows: Sequence[Destination], now: Health) -> Iterator[Line]:
    readers = [ledger.destination_consumer(row.id) for row in rows]
    readings = {each.consumer: each for each in ConsumerOffset.objects.filter(consumer__in=readers)}
    totals = _last_hour([row.id for row in rows])
    for row in rows:
        reading = readings.get(ledger.destination_consumer(row.id)) if row.enabled else None
        yield Line(
            row,
            now.shown(row.id, report.state_of(row, reading)),
            reading.pause_reason if reading else "",
            reading.last_error if reading else "",
            totals[row.id, ledger.DELIVERED],
            totals[row.id, ledger.FAILED],
            next((light.message for light in now.of(row.id) if light.destinations), "")
            if row.enabled
            else "",
        )


def _last_hour(destinations: Sequence[int]) -> Counter[tuple[int, str]]:
    since = metrics.now() - HOUR
    rows = MetricBucket.objects.filter(destination_id__in=destinations, minute__gt=since)
    sums = rows.values_list("destination_id", "outcome").annotate(Sum("total"))
    return Counter({(destination, outcome): total for destination, outcome, total in sums})
