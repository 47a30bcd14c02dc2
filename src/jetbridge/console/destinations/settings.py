"""The Settings tab: what a destination needs to know, its sources, and its end."""

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from jetbridge.console.access import MemberRequest
from jetbridge.console.destinations.connection import steps_of
from jetbridge.console.destinations.page import destination_view, show
from jetbridge.console.destinations.settings_form import SettingsForm
from jetbridge.control.models import Destination
from jetbridge.errors import Backpressure, ConfigurationError
from jetbridge.integrations.base import SettingsCheck
from jetbridge.services import connection_tests, destination_settings, destinations
from jetbridge.services.connection_tests import Step


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
    try:
        steps = _connection(request, row, form)
    except Backpressure as error:
        form.add_error(None, str(error))
        return _page(request, row, form)
    if connection_tests.has_failed(steps):
        return _page(request, row, form, confirmation, steps)
    try:
        _save(request, row, form)
    except ConfigurationError as error:
        form.add_error(None, str(error))
        return _page(request, row, form)
    return redirect("destination-settings", request.workspace.id, row.id)


@sensitive_post_parameters()
@destination_view()
def confirm(request: MemberRequest, row: Destination) -> HttpResponse:
    """What the settings mean together: those that are stored, or with POST those that are typed so far."""
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


def _connection(request: MemberRequest, row: Destination, form: SettingsForm) -> list[Step]:
    """The check of a connection that is another one now; empty if it is not, or is to be saved anyway."""
    integration = destination_settings.integration_of(row)
    before, after = destination_settings.values_of(row), integration.parsed(form.values())
    is_needed = connection_tests.needs_check(integration, before, after)
    return (
        steps_of(request, integration, form, row.id) if is_needed and not request.POST.get("anyway") else []
    )


def _page(
    request: MemberRequest,
    row: Destination,
    form: SettingsForm,
    confirmation: SettingsCheck | None = None,
    steps: Sequence[Step] = (),
) -> HttpResponse:
    context = {
        "form": form,
        "facts": _facts(row),
        "confirmation": confirmation,
        "doubtful": bool((confirmation and confirmation.fits is False) or steps),
        "connection": steps,
        "removal_note": destination_settings.removal_note(row),
    }
    status = 422 if form.is_bound else 200
    return show(request, "console/destinations/settings.html", row, context, status)


def _save(request: MemberRequest, row: Destination, form: SettingsForm) -> None:
    name, sources = form.cleaned_data["name"], form.cleaned_data["sources"]
    made = destinations.change(request.actor, row, form.values(), name=name, sources=sources)
    notes = " ".join(note for each in made for note in each.notes)
    labels = {setting.name: setting.label for setting in destination_settings.integration_of(row).settings}
    what = ", ".join(labels.get(each.what, each.what) for each in made)
    told = f"Saved: {what}." if made else "Nothing changed: it was so already."
    messages.success(request, f"{told} {notes}".strip())


def _confirmation(request: MemberRequest, row: Destination, values: dict[str, Any]) -> SettingsCheck | None:
    integration = destination_settings.integration_of(row)
    return integration.settings_meaning(request.workspace.id, values)


def _facts(row: Destination) -> list[tuple[str, str]]:
    """For those who may look and not change."""
    shown = destination_settings.shown_values(row)
    return [
        (setting.label, setting.text(shown[setting.name]))
        for setting in destination_settings.integration_of(row).settings
        if not setting.tab
    ]
