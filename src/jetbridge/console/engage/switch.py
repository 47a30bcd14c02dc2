"""Engage of a workspace: on or off, how long events are kept and what that costs, which sources it reads, and its history."""

from collections.abc import Callable, Mapping

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect

from jetbridge.console.access import MemberRequest, workspace_view
from jetbridge.console.engage.page import first_screen, show
from jetbridge.control.models import SourceKind
from jetbridge.engage import queries
from jetbridge.engage.models import Space
from jetbridge.errors import ConfigurationError
from jetbridge.services import computations

#: Definitions that are named as what needs the retention.
_NAMED = 5


class RetentionForm(forms.Form):
    retention_days = forms.IntegerField(
        label="Retention, in days",
        min_value=computations.MIN_RETENTION_DAYS,
        max_value=computations.MAX_RETENTION_DAYS,
        help_text="Conditions without a window look back this far.",
    )


class SourcesForm(forms.Form):
    read = forms.MultipleChoiceField(
        required=False, label="Sources that Engage reads", widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, space: Space, data: object = None) -> None:
        sources = space.workspace.sources.exclude(kind=SourceKind.ENGAGE).order_by("name")
        self._all = {str(row.id) for row in sources}
        excluded = {str(id_) for id_ in space.excluded_sources.values_list("id", flat=True)}
        super().__init__(data, initial={"read": sorted(self._all - excluded)})  # type: ignore[arg-type]
        self.fields["read"].choices = [(str(row.id), row.name) for row in sources]  # type: ignore[attr-defined]

    @property
    def excluded(self) -> list[int]:
        return [int(id_) for id_ in self._all - set(self.cleaned_data["read"])]


@workspace_view()
def index(request: MemberRequest) -> HttpResponse:
    """With POST: `change` says what is changed."""
    space = queries.space_of(request.workspace)
    if request.method != "POST":
        return first_screen(request) if space is None else _page(request, space)
    change = request.POST.get("change", "")
    if change in {"on", "off"}:
        is_loading = request.POST.get("history") == "yes"
        computations.configure(request.actor, enabled=change == "on", loads_history=is_loading)
        messages.success(request, f"Engage is {change}.")
        return redirect("audiences" if space is None else "engage", request.workspace.id)
    if space is None or change not in _CHANGES:
        raise Http404
    return _CHANGES[change](request, space)


def _retention(request: MemberRequest, space: Space) -> HttpResponse:
    form = RetentionForm(request.POST)
    if form.is_valid():
        try:
            computations.configure(request.actor, retention_days=form.cleaned_data["retention_days"])
        except ConfigurationError as error:
            form.add_error("retention_days", str(error))
    return _page(request, space, retention=form) if form.errors else _saved(request)


def _sources(request: MemberRequest, space: Space) -> HttpResponse:
    form = SourcesForm(space, request.POST)
    if not form.is_valid():
        return _page(request, space, sources=form)
    computations.configure(request.actor, excluded_sources=form.excluded)
    return _saved(request)


def _history(request: MemberRequest, _: Space) -> HttpResponse:
    try:
        computations.configure(request.actor, loads_history=True)
    except ConfigurationError as error:
        messages.error(request, str(error))
    return redirect("engage", request.workspace.id)


_CHANGES: Mapping[str, Callable[[MemberRequest, Space], HttpResponse]] = {
    "retention": _retention,
    "sources": _sources,
    "history": _history,
}


def _saved(request: MemberRequest) -> HttpResponse:
    messages.success(request, "Saved.")
    return redirect("engage", request.workspace.id)


def _page(
    request: MemberRequest,
    space: Space,
    retention: RetentionForm | None = None,
    sources: SourcesForm | None = None,
) -> HttpResponse:
    windows = queries.windows_in_use(space)
    context = {
        "storage": queries.storage(space),
        "history": queries.history(space),
        "windows": windows[:_NAMED],
        "more_windows": len(windows[_NAMED:]),
        "retention": retention or RetentionForm(initial={"retention_days": space.retention_days}),
        "sources": sources or SourcesForm(space),
        "not_read": space.excluded_sources.order_by("name"),
    }
    return show(request, "console/engage/index.html", space, context, 422 if retention or sources else 200)
