"""The header of a destination's pages, which renews itself, and its buttons: enable, disable, resume, sync now."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from jetbridge.console.access import MemberRequest
from jetbridge.console.auth.login import local_path
from jetbridge.console.destinations.page import destination_view, head_of
from jetbridge.control.models import Destination
from jetbridge.errors import ConfigurationError
from jetbridge.services import deliveries, destinations


@destination_view()
def head(request: MemberRequest, row: Destination) -> HttpResponse:
    """The header as it is now; nothing if that is what the page has `seen`."""
    current = head_of(row)
    if request.GET.get("seen") == current.etag:
        return HttpResponse(status=204)
    return render(request, "console/destinations/_renewed.html", {"head": current})


@destination_view()
@require_POST
def enable(request: MemberRequest, row: Destination) -> HttpResponse:
    """`enabled=yes` or no."""
    is_enabled = request.POST.get("enabled") == "yes"
    try:
        destinations.change(request.actor, row, enabled=is_enabled)
    except ConfigurationError as error:
        messages.error(request, str(error))
        return redirect("destination-settings", request.workspace.id, row.id)
    state = "enabled." if is_enabled else "disabled. Messages wait for it."
    messages.success(request, f"{row.name} is {state}")
    return _back(request, row)


@destination_view()
@require_POST
def resume(request: MemberRequest, row: Destination) -> HttpResponse:
    resumed = destinations.resume(request.actor, row)
    messages.success(request, f"{row.name} is resumed." if resumed else "It is not paused.")
    return _back(request, row)


@destination_view()
@require_POST
def sync_now(request: MemberRequest, row: Destination) -> HttpResponse:
    """At once, or after the sync that is under way; of one that is disabled or paused, once it goes on."""
    try:
        deliveries.sync(request.actor, row)
    except ConfigurationError as error:
        messages.error(request, str(error))
    else:
        sync = head_of(row).sync
        if not row.enabled:
            message = "It syncs as soon as it is enabled."
        elif sync and sync.is_running:
            message = "Another sync follows the running one."
        else:
            message = "It syncs now."
        messages.success(request, message)
    return _back(request, row)


def _back(request: MemberRequest, row: Destination) -> HttpResponse:
    """To the tab where the button was pressed."""
    settings = reverse("destination-settings", args=[request.workspace.id, row.id])
    return redirect(local_path(request.POST.get("tab"), settings))
