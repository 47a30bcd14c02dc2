"""The Settings tab: the settings of a destination, its sources, the check of its connection, and its removal."""

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from jetbridge.console.access import MemberRequest, workspace_view
from jetbridge.console.destinations.page import destination_view, show
from jetbridge.console.destinations.settings_form import SettingsForm
from jetbridge.control.models import Destination
from jetbridge.control.people import Role
from jetbridge.errors import Backpressure, ConfigurationError
from jetbridge.integrations import registry
from jetbridge.integrations.base import SettingsCheck
from jetbridge.services import destination_settings, destinations
from jetbridge.services.destination_settings import ConnectionStep


@sensitive_post_parameters()
@destination_view()
def settings(request: MemberRequest, row: Destination) -> HttpResponse:
    data = request.POST if request.method == "POST" else None
    form = SettingsForm(request.workspace, destination_settings.integration_of(row), row, data)
    if not form.is_bound or not form.is_valid():
        return _page(request, row, form)
    confirmation = _confirmation(request, row, form.values())
    if confirmation and confirmation.fits is False and not request.POST.get("anyway"):
        return _page(request, row, form, confirmation)
    integration = form.integration
    before, after = destination_settings.values_of(row), integration.parsed(form.values())
    steps: list[ConnectionStep] = []
    try:
        if destination_settings.needs_connection_check(integration, before, after) and not request.POST.get(
            "anyway"
        ):
            steps = form.check_connection()
    except Backpressure as error:
        form.add_error(None, str(error))
        return _page(request, row, form)
    if destination_settings.has_failed(steps):
        return _page(request, row, form, confirmation, steps)
    name, sources = form.cleaned_data["name"], form.cleaned_data["sources"]
    try:
        changes = destinations.change(request.actor, row, form.values(), name=name, sources=sources)
    except ConfigurationError as error:
        form.add_error(None, str(error))
        return _page(request, row, form)
    labels = {setting.name: setting.label for setting in integration.settings}
    what = ", ".join(labels.get(change.what, change.what) for change in changes)
    notes = " ".join(note for change in changes for note in change.notes)
    messages.success(request, f"{f'Saved: {what}.' if changes else 'Nothing changed.'} {notes}".strip())
    return redirect("destination-settings", request.workspace.id, row.id)


@sensitive_post_parameters()
@destination_view()
def confirm(request: MemberRequest, row: Destination) -> HttpResponse:
    """What the settings mean together: the stored ones, or with POST those that are typed so far."""
    form = SettingsForm(request.workspace, destination_settings.integration_of(row), row, request.POST)
    values = form.values() if request.method == "POST" else destination_settings.values_of(row)
    confirmation = _confirmation(request, row, values)
    return render(request, "console/destinations/_confirmation.html", {"confirmation": confirmation})


@destination_view()
@require_POST
def remove(request: MemberRequest, row: Destination) -> HttpResponse:
    """Its name must be typed: there is no way back."""
    if request.POST.get("name", "").strip() != row.name:
        messages.error(request, f"Nothing was removed: type {row.name} to remove it.")
        return redirect("destination-settings", request.workspace.id, row.id)
    note = destination_settings.removal_note(row)
    destinations.remove(request.actor, row)
    messages.success(request, f"{row.name} is removed. {note}".strip())
    return redirect("destinations", request.workspace.id)


@sensitive_post_parameters()
@workspace_view(Role.EDITOR)
@require_POST
def check_new(request: MemberRequest, kind: str) -> HttpResponse:
    """Check the connection of a new destination with what is typed, up to `step`; without it, list the steps."""
    integration = registry.destinations().get(kind)
    if integration is None or not integration.checks_connection:
        raise Http404
    return _check_connection(request, SettingsForm(request.workspace, integration, data=request.POST))


@sensitive_post_parameters()
@destination_view(Role.EDITOR)
@require_POST
def check(request: MemberRequest, row: Destination) -> HttpResponse:
    """The same for a destination that exists; a secret that is not typed is the stored one."""
    integration = destination_settings.integration_of(row)
    if not integration.checks_connection:
        raise Http404
    return _check_connection(request, SettingsForm(request.workspace, integration, row, request.POST))


def _check_connection(request: MemberRequest, form: SettingsForm) -> HttpResponse:
    """The steps that are done, and the one that runs: each appears as soon as it is done."""
    context: dict[str, Any] = {"check": request.path}
    try:
        steps = form.check_connection(request.POST.get("step", ""))
    except Backpressure as error:
        context["busy"] = str(error)
    else:
        context["connection"] = steps
        context["running"] = next((step for step in steps if step.state == "running"), None)
    return render(request, "console/destinations/_connection.html", context)


def _page(
    request: MemberRequest,
    row: Destination,
    form: SettingsForm,
    confirmation: SettingsCheck | None = None,
    steps: Sequence[ConnectionStep] = (),
) -> HttpResponse:
    shown = destination_settings.shown_values(row)
    context = {
        "form": form,
        "facts": [
            (setting.label, setting.text(shown[setting.name]))
            for setting in form.integration.settings
            if not setting.tab
        ],
        "confirmation": confirmation,
        "doubtful": bool((confirmation and confirmation.fits is False) or steps),
        "connection": steps,
        "removal_note": destination_settings.removal_note(row),
    }
    status = 422 if form.is_bound else 200
    return show(request, "console/destinations/settings.html", row, context, status)


def _confirmation(request: MemberRequest, row: Destination, values: dict[str, Any]) -> SettingsCheck | None:
    integration = destination_settings.integration_of(row)
    return integration.settings_meaning(request.workspace.id, values)
