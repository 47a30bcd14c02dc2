"""The catalogue: what there is to send messages to, and setting one up. Saved disabled, then enabled."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib import messages
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRedirect

from jetbridge.console.access import MemberRequest, workspace_view
from jetbridge.console.destinations import filters_form
from jetbridge.console.destinations.connection import steps_of
from jetbridge.console.destinations.filters_form import Draft
from jetbridge.console.destinations.settings_form import SettingsForm
from jetbridge.control.people import Role
from jetbridge.errors import Backpressure
from jetbridge.integrations import base, registry
from jetbridge.integrations.base import Group, SettingsCheck
from jetbridge.integrations.filters import FILTERS
from jetbridge.routing.filters import dump
from jetbridge.services import connection_tests, destinations
from jetbridge.services.connection_tests import Step


@dataclass(frozen=True)
class Tile:
    """`total`: how many of the kind the workspace has."""

    integration: base.Destination
    total: int


@workspace_view()
def catalog(request: MemberRequest) -> HttpResponse:
    wanted = request.GET.get("q", "").strip()
    kinds = Counter(request.workspace.destinations.values_list("kind", flat=True))
    known = sorted(registry.destinations().values(), key=lambda each: list(Group).index(each.group))
    tiles = [Tile(each, kinds[each.kind]) for each in known if _matches(each, wanted)]
    return render(request, "console/destinations/catalog.html", {"tiles": tiles, "q": wanted})


@sensitive_post_parameters()
@workspace_view(Role.EDITOR)
def new(request: MemberRequest, kind: str) -> HttpResponse:
    integration, draft = _integration(kind), _draft(request)
    form = SettingsForm(
        request.workspace, integration, data=_typed(request, draft), preset=request.GET.get("preset", "")
    )
    if draft.problem:
        form.add_error(FILTERS.name, draft.problem)
    if request.method != "POST" or not form.is_valid():
        return _form(request, integration, form, 422 if form.is_bound else 200, draft=draft)
    confirmation = _check(request, integration, form)
    if confirmation and confirmation.fits is False and not request.POST.get("anyway"):
        return _form(request, integration, form, 422, confirmation, draft=draft, doubtful=True)
    if integration.checks_connection and not request.POST.get("anyway"):
        try:
            steps = steps_of(request, integration, form)
        except Backpressure as error:
            form.add_error(None, str(error))
            return _form(request, integration, form, 422, draft=draft)
        if connection_tests.has_failed(steps):
            return _form(
                request, integration, form, 422, confirmation, draft=draft, doubtful=True, steps=steps
            )
    enabled = integration.checks_connection and request.POST.get("enable") == "yes"
    row = destinations.add(
        request.actor,
        kind,
        form.cleaned_data["name"],
        form.values(),
        form.cleaned_data["sources"],
        enabled=enabled,
    )
    if enabled:
        messages.success(request, f"{row.name} is added, and takes messages from now on.")
        page = redirect(integration.setup_page, request.workspace.id, row.id)
    else:
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
    integration = _integration(kind)
    confirmation = _check(
        request, integration, SettingsForm(request.workspace, integration, data=request.POST)
    )
    return render(request, "console/destinations/_confirmation.html", {"confirmation": confirmation})


def _check(request: MemberRequest, integration: base.Destination, form: SettingsForm) -> SettingsCheck | None:
    found = integration.settings_meaning(request.workspace.id, form.values())
    # What is suggested would be entered where a preset leaves nothing to enter.
    return found._replace(suggestions=()) if found and form.preset_values else found


def _form(
    request: MemberRequest,
    integration: base.Destination,
    form: SettingsForm,
    status: int,
    confirmation: SettingsCheck | None = None,
    *,
    draft: Draft,
    doubtful: bool = False,
    steps: Sequence[Step] = (),
) -> HttpResponse:
    context = {
        "integration": integration,
        "form": form,
        "draft": draft,
        "confirmation": confirmation,
        "doubtful": doubtful,
        "connection": steps,
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


def _integration(kind: str) -> base.Destination:
    if kind not in registry.destinations():
        raise Http404
    return registry.destination(kind)


def _matches(integration: base.Destination, wanted: str) -> bool:
    text = " ".join(
        (
            integration.title,
            *integration.names,
            integration.group,
            integration.description,
            *integration.accepts,
        )
    ).lower()
    return all(word in text for word in wanted.lower().split())
