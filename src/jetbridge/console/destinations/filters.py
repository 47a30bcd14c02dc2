"""The Filters tab: which messages come to a destination, and with which properties."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from jetbridge.console.access import MemberRequest
from jetbridge.console.destinations import filters_form
from jetbridge.console.destinations.filters_form import ACTIONS, Draft
from jetbridge.console.destinations.page import destination_view, show
from jetbridge.control.models import Destination
from jetbridge.control.people import Role
from jetbridge.errors import ConfigurationError
from jetbridge.integrations.filters import FILTERS
from jetbridge.routing.filters import Filter, InvalidFilters, dump, parse_filters
from jetbridge.routing.fql.nodes import marked
from jetbridge.services import destinations
from jetbridge.services.queries.filter_preview import FilterPreview, preview_filter


@destination_view()
def filters(request: MemberRequest, row: Destination) -> HttpResponse:
    """With POST: the filters as JSON text."""
    text, error, wrong = _text(row), "", None
    if request.method == "POST":
        text = request.POST.get("filters", "")
        if not (error := _set(request, row, text)):
            return redirect("destination-filters", request.workspace.id, row.id)
        wrong = _wrong(text)
    stored: list[Filter] = []
    if invalid := _wrong(_text(row)):  # the destination is paused for it
        error, wrong = error or str(invalid), wrong or invalid
    else:
        stored = parse_filters(_text(row))
    context = {
        "filters": [(filter_, Draft.of(filter_)) for filter_ in stored],
        "actions": ACTIONS,
        "text": text,
        "error": error,
        "marked": marked(wrong.expression, wrong.syntax) if wrong and wrong.syntax else None,
    }
    status = 422 if request.method == "POST" else 200
    return show(request, "console/destinations/filters.html", row, context, status)


@destination_view(Role.EDITOR)
def edit(request: MemberRequest, row: Destination) -> HttpResponse:
    """`?filter=NAME` is changed, without it a new one made. `more`, `less` and `mode` only change the form."""
    known = _parsed(row)
    if request.method != "POST":
        name = request.GET.get("filter", "")
        stored = next((stored for stored in known if stored.name == name), None)
        if name and not stored:
            raise Http404
        return _form(request, row, Draft.of(stored) if stored else Draft())
    draft = Draft.typed(request.POST)
    if {"more", "less", "mode"} & request.POST.keys():
        return _form(request, row, draft)
    try:
        changed = filters_form.replaced(known, draft.original, draft.filter())
        error = _set(request, row, dump(changed))
    except InvalidFilters as wrong:
        error = str(wrong.syntax or wrong)
    if error:
        return _form(request, row, draft, error, status=422)
    return redirect("destination-filters", request.workspace.id, row.id)


@destination_view()
@require_POST
def attempt(request: MemberRequest, row: Destination) -> HttpResponse:
    """What the filter that is typed so far would do with recent messages. Changes nothing."""
    preview = _preview(row, Draft.typed(request.POST))
    return render(request, "console/destinations/_filter_preview.html", {"preview": preview})


@destination_view()
@require_POST
def switch(request: MemberRequest, row: Destination) -> HttpResponse:
    """`filter` is enabled, disabled or removed: `to`."""
    name, to = request.POST.get("filter", ""), request.POST.get("to", "")
    known = _parsed(row)
    if name not in {stored.name for stored in known} or to not in {"on", "off", "removed"}:
        raise Http404
    changed = [
        Filter(stored.name, stored.condition, stored.action, to == "on") if stored.name == name else stored
        for stored in known
        if to != "removed" or stored.name != name
    ]
    if error := _set(request, row, dump(changed)):
        messages.error(request, error)
    return redirect("destination-filters", request.workspace.id, row.id)


def _form(
    request: MemberRequest, row: Destination, draft: Draft, error: str = "", status: int = 200
) -> HttpResponse:
    context = {
        "draft": draft,
        "error": error,
        **filters_form.choices(row.sources.all()),
        "preview": _preview(row, draft),
    }
    return show(request, "console/destinations/filters_edit.html", row, context, status)


def _preview(row: Destination, draft: Draft) -> FilterPreview:
    try:
        return preview_filter(row, draft.filter())
    except InvalidFilters as error:
        return FilterPreview.refused(error)


def _set(request: MemberRequest, row: Destination, text: str) -> str:
    """What is wrong, or nothing."""
    try:
        made = destinations.change(request.actor, row, {FILTERS.name: text})
    except ConfigurationError as error:
        return str(error)
    messages.success(
        request, "Saved. It applies to messages that are not read yet." if made else "Nothing changed."
    )
    return ""


def _parsed(row: Destination) -> list[Filter]:
    """The stored filters; invalid ones have to be corrected as text first."""
    try:
        return parse_filters(_text(row))
    except InvalidFilters as error:
        raise Http404 from error


def _wrong(text: str) -> InvalidFilters | None:
    try:
        parse_filters(text)
    except InvalidFilters as error:
        return error
    return None


def _text(row: Destination) -> str:
    return str(row.settings.get(FILTERS.name) or "")
