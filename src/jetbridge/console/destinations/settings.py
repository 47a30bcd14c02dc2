"""The Settings tab: what a destination needs to know, its sources, and its end."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from jetbridge.console.access import MemberRequest
from jetbridge.console.acts import destinations
from jetbridge.console.destinations.page import destination_view, show
from jetbridge.console.destinations.settings_form import SettingsForm
from jetbridge.control.models import Destination
from jetbridge.destinations import changes
from jetbridge.destinations.definition import Confirmation
from jetbridge.errors import ConfigurationError


@sensitive_post_parameters()
@destination_view()
def settings(request: MemberRequest, row: Destination) -> HttpResponse:
    data = request.POST if request.method == "POST" else None
    form = SettingsForm(request.workspace, changes.definition_of(row), row, data)
    if not form.is_bound or not form.is_valid():
        return _page(request, row, form)
    confirmation = _confirmation(request, row, form.values())
    if confirmation and confirmation.fits is False and not request.POST.get("anyway"):
        return _page(request, row, form, confirmation)
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
    form = SettingsForm(request.workspace, changes.definition_of(row), row, request.POST)
    values = form.values() if request.method == "POST" else changes.values_of(row)
    confirmation = _confirmation(request, row, values)
    return render(request, "console/destinations/_confirmation.html", {"confirmation": confirmation})


@destination_view()
@require_POST
def remove(request: MemberRequest, row: Destination) -> HttpResponse:
    """Its name must be typed: there is no way back."""
    if request.POST.get("name", "").strip() != row.name:
        messages.error(request, f"Nothing was removed: type {row.name} to remove it.")
        return redirect("destination-settings", request.workspace.id, row.id)
    destinations.remove(request.actor, row)
    messages.success(request, f"{row.name} is removed.")
    return redirect("destinations", request.workspace.id)


def _page(
    request: MemberRequest, row: Destination, form: SettingsForm, confirmation: Confirmation | None = None
) -> HttpResponse:
    context = {
        "form": form,
        "facts": _facts(row),
        "confirmation": confirmation,
        "doubtful": bool(confirmation),
    }
    status = 422 if form.is_bound else 200
    return show(request, "console/destinations/settings.html", row, context, status)


def _save(request: MemberRequest, row: Destination, form: SettingsForm) -> None:
    name, sources = form.cleaned_data["name"], form.cleaned_data["sources"]
    made = destinations.change(request.actor, row, form.values(), name=name, sources=sources)
    notes = " ".join(note for each in made for note in each.notes)
    labels = {field.name: field.label for field in changes.definition_of(row).fields}
    what = ", ".join(labels.get(each.what, each.what) for each in made)
    told = f"Saved: {what}." if made else "Nothing changed: it was so already."
    messages.success(request, f"{told} {notes}".strip())


def _confirmation(request: MemberRequest, row: Destination, values: dict[str, str]) -> Confirmation | None:
    return changes.definition_of(row).confirm(request.workspace.id, values)


def _facts(row: Destination) -> list[tuple[str, str]]:
    """For those who may look and not change."""
    values = changes.values_of(row)
    fields = changes.definition_of(row).fields
    return [
        (field.label, changes.shown(field, values.get(field.name, field.default)))
        for field in fields
        if not field.multiline
    ]
