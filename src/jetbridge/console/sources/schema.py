"""The schema of a source: volumes, events, and the traits or properties of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, QuerySet
from django.http import HttpResponse
from django.shortcuts import render

from jetbridge.console.access import MemberRequest
from jetbridge.console.sources import chart
from jetbridge.console.sources.page import source_view
from jetbridge.control.models import Source
from jetbridge.schema.models import NameRow
from jetbridge.schema.names import kind_names
from jetbridge.schema.tally import NAMES_KEPT

#: Rows of one table; a filter finds the others.
SHOWN = 200
#: What the traits or properties of a call are called.
_TRAITS = {"identify", "group"}


@dataclass(frozen=True)
class Line:
    """An event or call type with how many names it has, or one of these names with the kinds of its values."""

    row: NameRow
    names: int = 0
    kinds: Sequence[str] = ()
    share: int = 0


@source_view
def schema(request: MemberRequest, source: Source) -> HttpResponse:
    """`?q=` filters events; `?type=&event=` shows the names that came with one."""
    rows = NameRow.objects.filter(source_id=source.id)
    period = "days" if request.GET.get("period") == "days" else "hours"
    draw = chart.of_two_weeks if period == "days" else chart.of_a_day
    context: dict[str, Any] = {"source": source, "period": period, "chart": draw(source.id)}
    if of := request.GET.get("type"):
        return render(
            request, "console/sources/schema_of.html", context | _one(rows, of, request.GET.get("event", ""))
        )
    text = request.GET.get("q", "").strip()
    return render(request, "console/sources/schema.html", context | _all(rows, text))


def _all(rows: QuerySet[NameRow], text: str) -> dict[str, Any]:
    names = rows.exclude(name="").values_list("type", "event").annotate(Count("id"))
    totals = {(of, event): total for of, event, total in names}
    events = rows.filter(name="")
    if text:
        events = events.filter(event__icontains=text)
    found = list(events.order_by("-total", "event")[: SHOWN + 1])
    return {
        "lines": [Line(row, totals.get((row.type, row.event), 0)) for row in found[:SHOWN]],
        "more": len(found) > SHOWN,
        "text": text,
        "full": sum(totals.values()) + len(found) >= NAMES_KEPT,
        "kept": NAMES_KEPT,
    }


def _one(rows: QuerySet[NameRow], of: str, event: str) -> dict[str, Any]:
    found = list(rows.filter(type=of, event=event).order_by("-total", "name")[: SHOWN + 2])
    itself = next((row for row in found if not row.name), None)
    names = [row for row in found if row.name]
    total = itself.total if itself else 1
    return {
        "type": of,
        "event": event,
        "itself": itself,
        "what": "traits" if of in _TRAITS else "properties",
        "lines": [
            Line(row, kinds=kind_names(row.kinds), share=min(100, round(100 * row.total / total)))
            for row in names[:SHOWN]
        ],
        "more": len(names) > SHOWN,
    }
