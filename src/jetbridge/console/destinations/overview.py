"""Overview: what a destination received, and what became of it, over ten minutes to two weeks."""

from typing import Any

from django.http import HttpResponse

from jetbridge.console import charts
from jetbridge.console.access import MemberRequest
from jetbridge.console.destinations.page import destination_view, head_of, show
from jetbridge.console.templatetags.console import short
from jetbridge.control import directory
from jetbridge.control.directory import DestinationRef
from jetbridge.control.models import Destination
from jetbridge.delivery.base import DELIVERED, FAILED, FILTERED, RECEIVED
from jetbridge.delivery.metrics import Point
from jetbridge.integrations import base
from jetbridge.integrations.contact_queries import RejectedValues
from jetbridge.services.log import event_log
from jetbridge.services.queries import destination_figures
from jetbridge.services.queries.destination_figures import (
    DEFAULT,
    PERIODS,
    Figures,
    Period,
    format_latency,
    period_named,
    time_of,
    unit_of,
)
from jetbridge.text import duration

#: For those who do not see a chart.
NUMBERS = "The view Table has the numbers."
#: Parts of a bar, from the bottom up.
ORDER = (DELIVERED, FILTERED, FAILED)


@destination_view()
def overview(request: MemberRequest, row: Destination) -> HttpResponse:
    """`?period=`; `?as=table` for those who read numbers; `?pause=1` renews nothing by itself."""
    period = period_named(request.GET.get("period", DEFAULT))
    with event_log() as log:
        figures = destination_figures.figures(row.id, period, log)
    head = head_of(row)
    backlog, ref = head.backlog, directory.destination(row.id)
    assert figures  # the row is there, so is its report
    pending_parts = {
        "not read yet": figures.totals.unread,
        "not confirmed yet": figures.totals.in_flight,
        "awaiting retry": figures.totals.awaiting_retry,
    }
    context: dict[str, Any] = {
        "period": period,
        "periods": PERIODS,
        "as_table": request.GET.get("as") == "table",
        "paused": "pause" in request.GET,
        "query": request.GET.urlencode(),
        "oldest": duration(backlog.oldest_seconds(head.at)) if backlog.oldest_at else "",
        "jobs": backlog.jobs,
        "job_age": duration(backlog.job_seconds(head.at)),
        "lag": backlog.lag,
        "figures": figures,
        "outcomes": figures.outcomes,
        "pending": figures.totals.pending,
        "waits_for_sync": bool(head.sync_words) and not head.lights,
        "pending_parts": ", ".join(f"{total:,} {what}" for what, total in pending_parts.items() if total),
        "rejected_values": _rejected_values(ref, head.integration),
        "notices": _notices(ref, head.integration),
        "p50": format_latency(figures.p50),
        "p95": format_latency(figures.p95),
        "reasons": _reasons(figures),
        **(
            {"rows": [_row(point, period) for point in reversed(figures.points)]}
            if request.GET.get("as") == "table"
            else _drawings(figures)
        ),
    }
    return show(request, "console/destinations/overview.html", row, context, head=head)


def _rejected_values(ref: DestinationRef | None, integration: base.Destination) -> list[RejectedValues]:
    """Properties of which values do not arrive, though their contacts do."""
    contact_queries = integration.contact_queries(ref) if ref else None
    return contact_queries.rejected_values() if contact_queries else []


def _notices(ref: DestinationRef | None, integration: base.Destination) -> list[tuple[str, str, str]]:
    """What else arrived only in part: the message, and the page that says more with its address."""
    if ref is None or integration.has_contacts:
        return []
    return [
        (message, link.label, link.url(ref.workspace, ref.id)) if link else (message, "", "")
        for message, link in integration.notices(ref)
    ]


def _drawings(figures: Figures) -> dict[str, Any]:
    points, ended = figures.points, figures.outcomes
    latencies = {
        "p50": [point.quantile(0.5) for point in points],
        "p95": [point.quantile(0.95) for point in points],
    }
    parts = {
        FILTERED: ended[FILTERED],
        "pending": figures.totals.pending,
        FAILED: ended[FAILED],
        DELIVERED: ended[DELIVERED],
    }
    return {
        "flow": charts.flow(parts),
        "bars": charts.bars([point.outcomes for point in points], ORDER, short),
        "lines": charts.lines(latencies, format_latency, unit_of) if any(latencies["p50"]) else None,
        "bars_label": f"Bars over {figures.period.phrase}: delivered, filtered and failed messages. {NUMBERS}",
        "lines_label": f"Lines over {figures.period.phrase}: from receipt to delivery, p50 and p95. {NUMBERS}",
        "outcome_hovers": charts.hovers([_outcomes_text(point, figures.period) for point in points]),
        "latency_hovers": charts.hovers([_latency_text(point, figures.period) for point in points]),
        "times": _times(points, figures.period),
    }


def _outcomes_text(point: Point, period: Period) -> str:
    """The outcomes in the time of one bar."""
    ended = ", ".join(f"{point.outcomes[name]:,} {name}" for name in ORDER if point.outcomes[name])
    return f"{_clock(point, period)}: {ended or 'nothing'}"


def _latency_text(point: Point, period: Period) -> str:
    p50, p95 = format_latency(point.quantile(0.5)), format_latency(point.quantile(0.95))
    return f"{_clock(point, period)}: " + (f"p50 {p50}, p95 {p95}" if p50 else "nothing was delivered")


def _clock(point: Point, period: Period) -> str:
    """From when on."""
    form = "%H:%M UTC" if period.minutes <= 24 * 60 else "%d %b %H:%M UTC"
    return f"{time_of(point.minute):{form}}"


def _times(points: list[Point], period: Period) -> list[str]:
    """Words under the beginning, the middle and the end of a chart."""
    form = "%H:%M" if period.minutes <= 24 * 60 else "%d %b"
    return [f"{time_of(points[place].minute):{form}}" for place in (0, len(points) // 2)] + ["now"]


def _row(point: Point, period: Period) -> dict[str, Any]:
    return {
        "at": time_of(point.minute),
        "clock": f"{time_of(point.minute):{'%H:%M' if period.minutes <= 24 * 60 else '%d %b %H:%M'}}",
        **{name: point.outcomes[name] for name in (RECEIVED, FILTERED, FAILED, DELIVERED)},
        "p50": format_latency(point.quantile(0.5)),
        "p95": format_latency(point.quantile(0.95)),
    }


def _reasons(figures: Figures) -> list[tuple[str, str, int]]:
    """(outcome, reason, how many) in the period; failed ones first, then the most."""
    totals = {key: 0 for point in figures.points for key in point.reasons}
    for point in figures.points:
        for key, total in point.reasons.items():
            totals[key] += total
    rows = [(*key, total) for key, total in totals.items()]
    return sorted(rows, key=lambda row: (row[0] != FAILED, -row[2], row[1]))
