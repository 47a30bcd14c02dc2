"""The catalogue: what there is to send messages to, and setting one up. Saved disabled, then enabled."""

from collections import Counter
from dataclasses import dataclass

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRedirect

from jetbridge.console.access import MemberRequest, workspace_view
from jetbridge.console.acts import destinations
from jetbridge.console.destinations.settings_form import SettingsForm
from jetbridge.control.people import Role
from jetbridge.destinations.definition import Confirmation, Definition
from jetbridge.destinations.registry import DEFINITIONS


@dataclass(frozen=True)
class Tile:
    """`total`: how many of the kind the workspace has."""

    definition: Definition
    total: int

    @property
    def accepts(self) -> list[str]:
        return sorted(self.definition.accepts)


@workspace_view()
def catalog(request: MemberRequest) -> HttpResponse:
    wanted = request.GET.get("q", "").strip()
    kinds = Counter(request.workspace.destinations.values_list("kind", flat=True))
    tiles = [Tile(each, kinds[each.kind]) for each in DEFINITIONS.values() if _matches(each, wanted)]
    return render(request, "console/destinations/catalog.html", {"tiles": tiles, "q": wanted})


@sensitive_post_parameters()
@workspace_view(Role.EDITOR)
def new(request: MemberRequest, kind: str) -> HttpResponse:
    definition = _definition(kind)
    form = SettingsForm(
        request.workspace, definition, data=request.POST if request.method == "POST" else None
    )
    if request.method != "POST" or not form.is_valid():
        return _form(request, definition, form, 422 if form.is_bound else 200)
    confirmation = definition.confirm(request.workspace.id, form.values())
    if confirmation and confirmation.fits is False and not request.POST.get("anyway"):
        return _form(request, definition, form, 422, confirmation, doubtful=True)
    row = destinations.add(
        request.actor, kind, form.cleaned_data["name"], form.values(), form.cleaned_data["sources"]
    )
    messages.success(request, f"{row.name} is saved. It takes messages once it is enabled.")
    page = redirect("destination-settings", request.workspace.id, row.id)
    return HttpResponseClientRedirect(page.url) if request.htmx else page


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
    doubtful: bool = False,
) -> HttpResponse:
    context = {"definition": definition, "form": form, "confirmation": confirmation, "doubtful": doubtful}
    return render(request, "console/destinations/new.html", context, status=status)


def _definition(kind: str) -> Definition:
    if kind not in DEFINITIONS:
        raise Http404
    return DEFINITIONS[kind]


def _matches(definition: Definition, wanted: str) -> bool:
    text = " ".join((*definition.names, definition.description, *definition.accepts)).lower()
    return all(word in text for word in wanted.lower().split())
