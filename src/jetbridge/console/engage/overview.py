"""One audience: how large it is, who came and left, what it means, and how its computation stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.http import HttpResponse

from jetbridge.console import charts
from jetbridge.console.access import MemberRequest
from jetbridge.console.charts import Bars, Hover, Lines
from jetbridge.console.engage.page import computation_view, show_computation
from jetbridge.console.templatetags.console import short
from jetbridge.engage import queries
from jetbridge.engage.models import Computation
from jetbridge.engage.queries import Day
from jetbridge.text import pluralize

#: Days of the charts.
DAYS = 30


@dataclass(frozen=True)
class DaysChart:
    """`changes` are bars of who entered and left, `sizes` a line; `summary` says to those who do not see them what there is to see."""

    changes: Bars
    sizes: Lines
    hovers: Sequence[Hover]
    times: Sequence[str]
    summary: str


@computation_view()
def overview(request: MemberRequest, row: Computation) -> HttpResponse:
    chart = _chart(queries.days(row, DAYS), row.created_at)
    return show_computation(request, "console/engage/computation.html", row, {"chart": chart, "days": DAYS})


def _chart(days: Sequence[Day], created_at: datetime) -> DaysChart:
    """The line begins on the day of its creation."""
    entered, left = sum(day.entered for day in days), sum(day.exited for day in days)
    return DaysChart(
        changes=charts.bars(
            [{"entered": day.entered, "left": day.exited} for day in days], ["entered", "left"], short
        ),
        sizes=charts.lines(
            {"size": [day.size if day.day + timedelta(days=1) > created_at else None for day in days]}, short
        ),
        hovers=charts.hovers(
            [
                f"{day.day:%d %b}: {day.entered:,} entered, {day.exited:,} left, {day.size:,} in it"
                for day in days
            ]
        ),
        times=[f"{days[0].day:%d %b}", f"{days[len(days) // 2].day:%d %b}", "today"],
        summary=f"{pluralize(entered, 'person', 'people')} entered and {left:,} left in {len(days)} days",
    )
