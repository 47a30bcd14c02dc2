"""The destinations of a workspace, with how each of them does."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db.models import Sum
from django.http import HttpResponse
from django.shortcuts import render

from jetbridge.console.access import MemberRequest, workspace_view
from jetbridge.control.models import Destination
from jetbridge.delivery import ledger, minutes, report
from jetbridge.delivery.models import MinuteRow, Reading

#: Minutes of the figures.
HOUR = 60


@dataclass(frozen=True)
class Line:
    row: Destination
    state: str
    #: Why it is held, or waits and tries again.
    hold_reason: str
    trouble: str
    delivered: int
    failed: int


@workspace_view()
def index(request: MemberRequest) -> HttpResponse:
    rows = request.workspace.destinations.order_by("name").prefetch_related("sources")
    return render(request, "console/destinations/index.html", {"lines": list(_lines(list(rows)))})


def _lines(rows: Sequence[Destination]) -> Iterator[Line]:
    readers = [ledger.destination_reader(row.id) for row in rows]
    readings = {each.reader: each for each in Reading.objects.filter(reader__in=readers)}
    totals = _last_hour([row.id for row in rows])
    for row in rows:
        reading = readings.get(ledger.destination_reader(row.id)) if row.enabled else None
        yield Line(
            row,
            report.state_of(row, reading),
            reading.hold_reason if reading else "",
            reading.trouble if reading else "",
            totals[row.id, ledger.DELIVERED],
            totals[row.id, ledger.FAILED],
        )


def _last_hour(destinations: Sequence[int]) -> Counter[tuple[int, str]]:
    since = minutes.now() - HOUR
    rows = MinuteRow.objects.filter(destination_id__in=destinations, minute__gt=since)
    sums = rows.values_list("destination_id", "outcome").annotate(Sum("total"))
    return Counter({(destination, outcome): total for destination, outcome, total in sums})
