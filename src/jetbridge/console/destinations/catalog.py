"""The destinations of a workspace with their state; the catalogue; setting up a destination, which is saved disabled."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.contrib import messages
from django.db.models import Sum
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRedirect

from jetbridge.console.access import MemberRequest, workspace_view
from jetbridge.console.destinations import filters_form
from jetbridge.console.destinations.filters_form import Draft
from jetbridge.console.destinations.settings_form import SettingsForm
from jetbridge.control.models import Destination
from jetbridge.control.people import Role
from jetbridge.delivery import metrics, report
from jetbridge.delivery.base import DELIVERED, FAILED
from jetbridge.delivery.models import ConsumerOffset, MetricBucket, destination_consumer
from jetbridge.errors import Backpressure
from jetbridge.integrations import base, registry
from jetbridge.integrations.base import Group, SettingsCheck
from jetbridge.integrations.filters import FILTERS
from jetbridge.routing.filters import dump
from jetbridge.services import destination_settings, destinations
from jetbridge.services.destination_settings import ConnectionStep
from jetbridge.services.log import event_log
from jetbridge.services.queries import health
from jetbridge.services.queries.health import Health

#: Minutes of the figures.
HOUR = 60


@dataclass(frozen=True)
class Line:
    row: Destination
    state: str
    #: Why it is paused, or why it retries.
    pause_reason: str
    last_error: str
    delivered: int
    failed: int
    #: Another problem of it.
    light: str


@dataclass(frozen=True)
class Tile:
    """`total`: how many of the kind the workspace has."""

    integration: base.Destination
    total: int


@workspace_view()
def index(request: MemberRequest) -> HttpResponse:
    rows = list(request.workspace.destinations.order_by("name").prefetch_related("sources"))
    with event_log() as log:
        now = health.read(log)
    sources = list(request.workspace.sources.values_list("id", flat=True))
    concerning = now.within(request.workspace.id, [row.id for row in rows], sources)
    lights = [light for light in concerning if not light.destinations and (rows or light.workspace)]
    context = {"lines": list(_lines(rows, now)), "lights": lights}
    return render(request, "console/destinations/index.html", context)


@workspace_view()
def catalog(request: MemberRequest) -> HttpResponse:
    query = request.GET.get("q", "").strip()
    kinds = Counter(request.workspace.destinations.values_list("kind", flat=True))
    integrations = sorted(
        registry.destinations().values(), key=lambda integration: list(Group).index(integration.group)
    )
    tiles = [
        Tile(integration, kinds[integration.kind])
        for integration in integrations
        if _matches(integration, query)
    ]
    return render(request, "console/destinations/catalog.html", {"tiles": tiles, "q": query})


@sensitive_post_parameters()
@workspace_view(Role.EDITOR)
def new(request: MemberRequest, kind: str) -> HttpResponse:
    integration, draft = _integration(kind), _draft(request)
    data = None
    if request.method == "POST":
        data = request.POST.copy()
        data[FILTERS.name] = dump([draft.filter()]) if draft.is_begun and not draft.problem else ""
    form = SettingsForm(request.workspace, integration, data=data, preset=request.GET.get("preset", ""))
    if draft.problem:
        form.add_error(FILTERS.name, draft.problem)
    if request.method != "POST" or not form.is_valid():
        return _form(request, integration, form, 422 if form.is_bound else 200, draft=draft)
    confirmation = _check(request, integration, form)
    if confirmation and confirmation.fits is False and not request.POST.get("anyway"):
        return _form(request, integration, form, 422, confirmation, draft=draft, doubtful=True)
    if integration.checks_connection and not request.POST.get("anyway"):
        try:
            steps = form.check_connection()
        except Backpressure as error:
            form.add_error(None, str(error))
            return _form(request, integration, form, 422, draft=draft)
        if destination_settings.has_failed(steps):
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
        messages.success(request, f"{row.name} is added and enabled. It receives messages from now on.")
        page = redirect(integration.setup_page, request.workspace.id, row.id)
    else:
        messages.success(request, f"{row.name} is saved. It receives messages once it is enabled.")
        page = redirect("destination-settings", request.workspace.id, row.id)
    return HttpResponseClientRedirect(page.url) if request.htmx else page


@sensitive_post_parameters()
@workspace_view(Role.EDITOR)
@require_POST
def filter_rows(request: MemberRequest, kind: str) -> HttpResponse:
    """The filter as it is typed so far, with a condition more or less."""
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
    """What the settings mean together, as they are typed so far."""
    integration = _integration(kind)
    confirmation = _check(
        request, integration, SettingsForm(request.workspace, integration, data=request.POST)
    )
    return render(request, "console/destinations/_confirmation.html", {"confirmation": confirmation})


def _lines(rows: Sequence[Destination], now: Health) -> Iterator[Line]:
    consumers = [destination_consumer(row.id) for row in rows]
    offsets = {offset.consumer: offset for offset in ConsumerOffset.objects.filter(consumer__in=consumers)}
    last_hour = MetricBucket.objects.filter(
        destination_id__in=[row.id for row in rows], minute__gt=metrics.now() - HOUR
    )
    sums = last_hour.values_list("destination_id", "outcome").annotate(Sum("total"))
    totals = Counter({(destination, outcome): total for destination, outcome, total in sums})
    for row in rows:
        offset = offsets.get(destination_consumer(row.id)) if row.enabled else None
        yield Line(
            row,
            now.shown(row.id, report.state_of(row, offset)),
            offset.pause_reason if offset else "",
            offset.last_error if offset else "",
            totals[row.id, DELIVERED],
            totals[row.id, FAILED],
            next((light.message for light in now.of(row.id) if light.destinations), "")
            if row.enabled
            else "",
        )


def _check(request: MemberRequest, integration: base.Destination, form: SettingsForm) -> SettingsCheck | None:
    check = integration.settings_meaning(request.workspace.id, form.values())
    # A preset leaves no field in which a suggestion could be entered.
    return check._replace(suggestions=()) if check and form.preset_values else check


def _form(
    request: MemberRequest,
    integration: base.Destination,
    form: SettingsForm,
    status: int,
    confirmation: SettingsCheck | None = None,
    *,
    draft: Draft,
    doubtful: bool = False,
    steps: Sequence[ConnectionStep] = (),
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


def _integration(kind: str) -> base.Destination:
    if kind not in registry.destinations():
        raise Http404
    return registry.destination(kind)


def _matches(integration: base.Destination, query: str) -> bool:
    text = " ".join(
        (
            integration.title,
            *integration.names,
            integration.group,
            integration.description,
            *integration.accepts,
        )
    ).lower()
    return all(word in text for word in query.lower().split())
