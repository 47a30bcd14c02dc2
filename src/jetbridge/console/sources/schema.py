"""The schema of a source: volumes, events, and the traits or properties of each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db.models import Count, QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST

from jetbridge.console.access import MemberRequest
from jetbridge.console.sources import chart
from jetbridge.console.sources.page import editors_source_view, source_view
from jetbridge.control import directory
from jetbridge.control.models import Source
from jetbridge.errors import ConfigurationError
from jetbridge.routing.properties import WHOLE, WITH_TRAITS
from jetbridge.services import sources as source_services
from jetbridge.source_schema.models import NameRow
from jetbridge.source_schema.names import kind_names
from jetbridge.source_schema.reader import NAMES_KEPT
from jetbridge.spec.person import carries_consent

#: Rows of one table; a filter finds the others.
SHOWN = 200


@dataclass(frozen=True)
class Line:
    """An event or call type with how many names it has, or one of these names with the kinds of its values."""

    row: NameRow
    names: int = 0
    kinds: Sequence[str] = ()
    share: int = 0
    is_blocked: bool = False
    #: Whether it can be blocked.
    is_free: bool = True


@source_view
def schema(request: MemberRequest, source: Source) -> HttpResponse:
    """`?q=` filters events; `?type=&event=` shows the names that came with one."""
    rows = NameRow.objects.filter(source_id=source.id)
    period = "days" if request.GET.get("period") == "days" else "hours"
    draw = chart.of_two_weeks if period == "days" else chart.of_a_day
    context: dict[str, Any] = {"source": source, "period": period, "chart": draw(source.id)}
    context["done"] = _just_changed(request, source, rows)
    if of := request.GET.get("type"):
        one = _names_of_event(source, rows, of, request.GET.get("event", ""))
        return render(request, "console/sources/schema_of.html", context | one)
    text = request.GET.get("q", "").strip()
    return render(request, "console/sources/schema.html", context | _list_of_events(source, rows, text))


@editors_source_view
@require_POST
def block(request: MemberRequest, source: Source) -> HttpResponse:
    """An event (`type`, `event`), or a property or trait of one (`name`), is blocked for all destinations, or allowed again: `to`."""
    call_type, event, name = (request.POST.get(field, "") for field in ("type", "event", "name"))
    changes: dict[str, Callable[..., str | None]] = {
        "blocked": source_services.block,
        "allowed": source_services.unblock,
    }
    change = changes.get(request.POST.get("to", ""))
    if change is None:
        raise Http404
    query = {"type": call_type, "event": event} if name else {}
    try:
        hint = change(request.actor, source, call_type, event, name)
    except ConfigurationError as error:
        messages.error(request, str(error))
    else:
        if hint:
            messages.info(request, hint)
        query |= {
            "done": request.POST["to"], "done_type": call_type, "done_event": event, "done_name": name
        }  # fmt: skip
    page = reverse("source-schema", args=[request.workspace.id, source.id])
    return redirect(f"{page}?{urlencode(query)}" if query else page)


def _just_changed(request: MemberRequest, source: Source, rows: QuerySet[NameRow]) -> Line | None:
    """What was just blocked or allowed, as long as it still is: the page offers to undo it."""
    if "done" not in request.GET:
        return None
    call_type, event, name = (request.GET.get(f"done_{field}", "") for field in ("type", "event", "name"))
    is_blocked = (call_type, event, name) in _blocked(source)
    row = rows.filter(type=call_type, event=event, name=name).first()
    if row is None or request.GET["done"] != ("blocked" if is_blocked else "allowed"):
        return None
    return Line(row, is_blocked=is_blocked)


def _blocked(source: Source) -> set[tuple[str, str, str]]:
    return set(source.blocks.values_list("type", "event", "name"))


def _list_of_events(source: Source, rows: QuerySet[NameRow], text: str) -> dict[str, Any]:
    blocked = _blocked(source)
    names = rows.exclude(name="").values_list("type", "event").annotate(Count("id"))
    totals = {(of, event): total for of, event, total in names}
    events = rows.filter(name="")
    if text:
        events = events.filter(event__icontains=text)
    listed = list(events.order_by("-total", "event")[: SHOWN + 1])
    return {
        "lines": [
            Line(
                row,
                totals.get((row.type, row.event), 0),
                is_blocked=(row.type, row.event, "") in blocked,
                is_free=row.type in WHOLE,
            )
            for row in listed[:SHOWN]
        ],
        "more": len(listed) > SHOWN,
        "text": text,
        "full": sum(totals.values()) + len(listed) >= NAMES_KEPT,
        "kept": NAMES_KEPT,
    }


def _names_of_event(source: Source, rows: QuerySet[NameRow], of: str, event: str) -> dict[str, Any]:
    blocked = _blocked(source)
    consent = directory.consent_traits([source.workspace_id])[source.workspace_id]
    named = list(rows.filter(type=of, event=event).order_by("-total", "name")[: SHOWN + 2])
    itself = next((row for row in named if not row.name), None)
    names = [row for row in named if row.name]
    total = itself.total if itself else 1
    return {
        "type": of,
        "event": event,
        "itself": itself,
        "what": "traits" if of in WITH_TRAITS else "properties",
        "lines": [
            Line(
                row,
                kinds=kind_names(row.kinds),
                share=min(100, round(100 * row.total / total)),
                is_blocked=(of, event, row.name) in blocked,
                is_free=not (of in WITH_TRAITS and carries_consent(row.name, consent)),
            )
            for row in names[:SHOWN]
        ],
        "more": len(names) > SHOWN,
    }
