"""The header of a destination's pages, which renews itself, and what it can be asked for: enable, disable, release."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from jetbridge.console.access import MemberRequest
from jetbridge.console.acts import destinations
from jetbridge.console.destinations.page import destination_view, head_of
from jetbridge.control.models import Destination
from jetbridge.errors import ConfigurationError


@destination_view()
def head(request: MemberRequest, row: Destination) -> HttpResponse:
    """The header as it is now; nothing if that is what the page has `seen`."""
    found = head_of(row)
    if request.GET.get("seen") == found.mark:
        return HttpResponse(status=204)
    return render(request, "console/destinations/_renewed.html", {"head": found})


@destination_view()
@require_POST
def enable(request: MemberRequest, row: Destination) -> HttpResponse:
    """`enabled=yes` or no."""
    wanted = request.POST.get("enabled") == "yes"
    try:
        destinations.change(request.actor, row, enabled=wanted)
    except ConfigurationError as error:
        messages.error(request, str(error))
        return redirect("destination-settings", request.workspace.id, row.id)
    told = "is enabled and takes messages now." if wanted else "is disabled. It keeps its place in the log."
    messages.success(request, f"{row.name} {told}")
    return _back(request, row)


@destination_view()
@require_POST
def release(request: MemberRequest, row: Destination) -> HttpResponse:
    released = destinations.release(request.actor, row)
    messages.success(request, f"{row.name} is released and tries at once." if released else "It is not held.")
    return _back(request, row)


def _back(request: MemberRequest, row: Destination) -> HttpResponse:
    """To the tab where the button was pressed."""
    tab = request.POST.get("tab", "")
    if url_has_allowed_host_and_scheme(tab, allowed_hosts=None):
        return redirect(tab)
    return redirect("destination-settings", request.workspace.id, row.id)
