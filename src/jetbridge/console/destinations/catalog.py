"""The catalogue: what there is to send messages to, and setting one up. Saved disabled, then enabled."""

from collections import Counter
from dataclasses import dataclass

from django.contrib import messages
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRedirect

from jetbridge.console.access import MemberRequest, workspace_view
from jetbridge.console.acts import destinations
from jetbridge.console.destinations import filters_form
from jetbridge.console.destinations.filters_form import Draft
from jetbridge.console.destinations.settings_form import SettingsForm
from jetbridge.control.people import Role
from jetbridge.destinations.definition import Confirmation, Definition
from jetbridge.destinations.filters import FILTERS
from jetbridge.destinations.registry import DEFINITIONS
from jetbridge.routing.filters import dump


@dataclass(frozen=True)
class Tile:
    """`total`: how many of the kind the workspace has."""

    definition: Definition
    total: int


@workspace_view()
def catalog(request: MemberRequest) -> HttpResponse:
    wanted = request.GET.get("q", "").strip()
    kinds = Counter(request.workspace.destinations.values_list("kind", flat=True))
    tiles = [Tile(each, kinds[each.kind]) for each in DEFINITIONS.values() if _matches(each, wanted)]
    return render(request, "console/destinations/catalog.html", {"tiles": tiles, "q": wanted})


@sensitive_post_parameters()
@workspace_view(Role.EDITOR)
def new(request: MemberRequest, kind: str) -> HttpResponse:
    definition, draft = _definition(kind), _draft(request)
    form = SettingsForm(request.workspace, definition, data=_typed(request, draft))
    if draft.problem:
        form.add_error(FILTERS.name, draft.problem)
    if request.method != "POST" or not form.is_valid():
        return _form(request, definition, form, 422 if form.is_bound else 200, draft=draft)
    confirmation = definition.confirm(request.workspace.id, form.values())
    if confirmation and confirmation.fits is False and not request.POST.get("anyway"):
        return _form(request, definition, form, 422, confirmation, draft=draft, doubtful=True)
    row = destinations.add(
        request.actor, kind, form.cleaned_data["name"], form.values(), form.cleaned_data["sources"]
    )
    messages.success(request, f"{row.name} is saved. It takes messages once it is enabled.")
    page = redirect("destination-settings", request.workspace.id, row.id)
    return HttpResponseClientRedirect(page.url) if request.htmx else page


@sensitive_post_parameters()
@workspace_view(Role.EDITOR)
@require_POST
def filter_rows(request: MemberRequest, kind: str) -> HttpResponse:
    """The filter that is typed so far, with a condition more or less."""
    context = {
        "draft": _draft(request),
        "rows": reverse("destination-new-filter", args=[request.workspace.id, kind]),
        **filters_form.choices(request.workspace.sources.all()),
    }
    return render(request, "console/destinations/_filter_rows.html", context)


@sensitive_post_parameters()
@workspace_view(Role.EDITOR)
@require_POST
def confirm(request: MemberRequest, kind: str) -> HttpResponse:
    """What the settings that are typed so far mean together."""
    form = SettingsForm(request.workspace, _definition(kind), data=request.POST)
    confirmation = _definition(kind).confirm(request.workspace.id, form.values())
    return render(request, "console/destinations/_confirmation.html", {"confirmation": confirmation})


def _form(
    request: MemberRequest,
    definition: Definition,
    form: SettingsForm,
    status: int,
    confirmation: Confirmation | None = None,
    *,
    draft: Draft,
    doubtful: bool = False,
) -> HttpResponse:
    context = {
        "definition": definition,
        "form": form,
        "draft": draft,
        "confirmation": confirmation,
        "doubtful": doubtful,
        **filters_form.choices(request.workspace.sources.all()),
    }
    return render(request, "console/destinations/new.html", context, status=status)


def _draft(request: MemberRequest) -> Draft:
    return Draft.typed(request.POST, name="filter_name") if request.method == "POST" else Draft()


def _typed(request: MemberRequest, draft: Draft) -> QueryDict | None:
    """The form with its filter as the setting."""
    if request.method != "POST":
        return None
    data = request.POST.copy()
    data[FILTERS.name] = dump([draft.filter()]) if draft.is_begun and not draft.problem else ""
    return data


def _definition(kind: str) -> Definition:
    if kind not in DEFINITIONS:
        raise Http404
    return DEFINITIONS[kind]


def _matches(definition: Definition, wanted: str) -> bool:
    text = " ".join((*definition.names, definition.description, *definition.accepts)).lower()
    return all(word in text for word in wanted.lower().split())
