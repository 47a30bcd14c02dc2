"""Where an address without a page leads."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from jetbridge.console.access import MemberRequest, member_view, workspace_view
from jetbridge.control.people import Membership
from jetbridge.services.queries.setup_steps import steps_of


@member_view
def home(request: HttpRequest) -> HttpResponse:
    """The first of the member's workspaces."""
    memberships: list[Membership] = request.memberships  # type: ignore[attr-defined]
    if memberships:
        return redirect("workspace", memberships[0].workspace_id)
    return render(request, "console/entry/no_workspace.html")


@workspace_view()
def workspace_home(request: MemberRequest) -> HttpResponse:
    """The checklist; once it is done the destinations, which say at once whether something is wrong."""
    is_done = all(step.done for step in steps_of(request.workspace))
    return redirect("destinations" if is_done else "checklist", request.workspace.id)
