"""The pages of audiences and of computed traits: the list, and of each its overview, members, destinations and settings."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from jetbridge.api.download import Download
from jetbridge.console import charts
from jetbridge.console.access import MemberRequest
from jetbridge.console.charts import Bars, Hover, Lines
from jetbridge.console.engage.page import (
    PREFIXES,
    address,
    address_of_all,
    computation_view,
    engage_view,
    next_page,
    possible_destinations,
    show,
    show_computation,
)
from jetbridge.console.engage.recipes import RECIPES
from jetbridge.console.templatetags.console import short
from jetbridge.control.models import Destination, SourceKind
from jetbridge.control.names import LONGEST
from jetbridge.control.people import Role
from jetbridge.engage import explaining, memberships, queries
from jetbridge.engage.memberships import MemberPage
from jetbridge.engage.models import Computation, ComputationClass, Space
from jetbridge.engage.store import QueryTimeoutError
from jetbridge.errors import ConfigurationError, DeliveryError
from jetbridge.services import computations
from jetbridge.spec.untrusted import whole_number
from jetbridge.text import pluralize

#: Days of the charts.
DAYS = 30
#: Characters of a search, and of a person's name.
_LONGEST = 500
#: Former definitions that are shown.
_SHOWN: Final = 50


@engage_view()
def index(request: MemberRequest, space: Space, of: ComputationClass) -> HttpResponse:
    items = queries.computations(space, of)
    context = {
        "lines": [(item, charts.spark([day.size for day in item.week])) for item in items],
        "is_trait": of == ComputationClass.TRAIT,
        "new_url": reverse(f"{PREFIXES[of]}-new", args=[space.workspace_id]),
        "recipes": RECIPES,
    }
    return show(request, "console/engage/computations.html", space, context)


# ---- overview


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
    days = queries.days(row, DAYS)
    entered, left = sum(day.entered for day in days), sum(day.exited for day in days)
    chart = DaysChart(
        changes=charts.bars(
            [{"entered": day.entered, "left": day.exited} for day in days], ["entered", "left"], short
        ),
        # The line begins on the day of its creation.
        sizes=charts.lines(
            {"size": [day.size if day.day + timedelta(days=1) > row.created_at else None for day in days]},
            short,
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
    return show_computation(request, "console/engage/computation.html", row, {"chart": chart, "days": DAYS})


# ---- members


@computation_view(Role.EDITOR)
def members(request: MemberRequest, row: Computation) -> HttpResponse:
    """`?q=` is the beginning of an identifier, `?after=` where the page before ended, `?person=` somebody to be explained."""
    search = request.GET.get("q", "").strip()[:_LONGEST]
    person = request.GET.get("person", "").strip()[:_LONGEST]
    after = whole_number(request.GET.get("after", "")) or 0
    page, explained, problem = MemberPage((), None), None, ""
    try:
        page = memberships.page(row, after=after, search=search)
        explained = explaining.explain(row.space, person, of=row) if person else None
    except QueryTimeoutError as error:
        problem = str(error)
    context = {
        "page": page,
        "search": search,
        "after": after,
        "person": person,
        "explained": {
            "membership": explained,
            "problem": "" if explained else "Engage knows nobody of this name.",
        }
        if person and not problem
        else None,
        "problem": problem,
    }
    return show_computation(request, "console/engage/members.html", row, context)


@computation_view(Role.EDITOR)
@require_POST
def export_members(request: MemberRequest, row: Computation) -> HttpResponseBase:
    """All of them as CSV; the audit log says who took it."""
    computations.note_export(request.actor, row, "csv")
    return Download(memberships.csv_parts(row), f"{row.key}.csv")


# ---- where it is sent


@computation_view()
def sync(request: MemberRequest, row: Computation) -> HttpResponse:
    active = set(row.activations.values_list("destination_id", flat=True))
    others = [other for other in possible_destinations(row.space) if other.id not in active]
    return show_computation(request, "console/engage/sync.html", row, {"others": others})


@computation_view(Role.EDITOR)
def activate(request: MemberRequest, row: Computation, destination: int) -> HttpResponse:
    """What sending it there means; POST begins it, or changes how it is sent. `?next=` are destinations that follow."""
    other = _destination(row, destination)
    activation = row.activations.filter(destination=other).first()
    problem = ""
    if request.method == "POST":
        adds = {"add": True, "property": False}.get(request.POST.get("members", ""))
        follows = request.POST.get("list") == "yes" if "has_list" in request.POST else None
        try:
            computations.activate(request.actor, row, other, adds_members=adds, contacts_list=follows)
        except (ConfigurationError, DeliveryError) as error:
            problem = str(error)
        else:
            end = " as you chose." if activation else ": the first sync begins."
            messages.success(request, f"{row} is sent to {other}{end}")
            return redirect(next_page(row, request.GET.getlist("next")))
    # Before its figures: one that is computed meanwhile is still shown as computing, and the page comes again.
    item = queries.computation(row)
    preview = computations.preview_activation(row, other)
    context = {
        "other": other,
        "activation": activation,
        "preview": preview,
        "adds_members": activation.adds_members if activation else preview.adds_members,
        "has_sources": other.sources.exclude(kind=SourceKind.ENGAGE).exists(),
        "error": problem,
    }
    return show_computation(
        request, "console/engage/activate.html", row, context, 422 if problem else 200, item=item
    )


@computation_view(Role.EDITOR)
@require_POST
def deactivate(request: MemberRequest, row: Computation, destination: int) -> HttpResponse:
    other = _destination(row, destination)
    if computations.deactivate(request.actor, row, other):
        messages.success(request, f"{row} is sent to {other} no more. What was sent stays there.")
    return redirect(address(row, "sync"))


def _destination(row: Computation, id_: int) -> Destination:
    """Raises Http404."""
    destination: Destination = get_object_or_404(row.space.workspace.destinations, id=id_)
    return destination


class NameForm(forms.Form):
    name = forms.CharField(max_length=LONGEST, help_text="The key stays as it is.")


class DeleteForm(forms.Form):
    members = forms.ChoiceField(choices=[("keep", ""), ("false", "")])
    typed = forms.CharField(widget=forms.TextInput(attrs={"autocomplete": "off"}))

    def __init__(self, data: object, name: str) -> None:
        super().__init__(data)  # type: ignore[arg-type]
        self._name = name

    def clean_typed(self) -> str:
        if self.cleaned_data["typed"] != self._name:
            raise forms.ValidationError(f"Type the name as it is: {self._name}")
        return self._name


@computation_view()
def settings(request: MemberRequest, row: Computation) -> HttpResponse:
    """POST: another name, or `enabled`."""
    if request.method != "POST":
        return _settings_page(request, row)
    if (enabled := request.POST.get("enabled")) in {"yes", "no"}:
        try:
            computations.change(request.actor, row, enabled=enabled == "yes")
        except ConfigurationError as error:
            messages.error(request, str(error))
        else:
            messages.success(
                request, f"{row} is computed anew." if row.enabled else f"{row} is neither computed nor sent."
            )
        return redirect(address(row, "settings"))
    form = NameForm(request.POST)
    if form.is_valid():
        try:
            is_changed = computations.change(request.actor, row, name=form.cleaned_data["name"])
        except ConfigurationError as error:
            form.add_error("name", str(error))
        else:
            messages.success(request, "Saved." if is_changed else "Nothing changed.")
            return redirect(address(row, "settings"))
    return _settings_page(request, row, name=form)


@computation_view(Role.EDITOR)
@require_POST
def delete(request: MemberRequest, row: Computation) -> HttpResponse:
    form = DeleteForm(request.POST, row.name)
    if not form.is_valid():
        return _settings_page(request, row, deletion=form)
    members = form.cleaned_data["members"]
    try:
        computations.delete(request.actor, row, members=members)
    except ConfigurationError as error:
        form.add_error(None, str(error))
        return _settings_page(request, row, deletion=form)
    rest = (
        "Those who were sent true are sent false." if members == "false" else "What was sent stays as it is."
    )
    messages.success(request, f"{row} was deleted. {rest}")
    return redirect(address_of_all(row.computation_class, row.space.workspace_id))


def _settings_page(
    request: MemberRequest,
    row: Computation,
    *,
    name: NameForm | None = None,
    deletion: DeleteForm | None = None,
) -> HttpResponse:
    context = {
        "form": name or NameForm(initial={"name": row.name}),
        "deletion": deletion,
        "versions": queries.versions(row, limit=_SHOWN),
    }
    return show_computation(
        request, "console/engage/computation_settings.html", row, context, 422 if name or deletion else 200
    )
