"""The destinations of a workspace."""

from django.http import HttpResponse
from django.shortcuts import render

from jetbridge.console.access import MemberRequest, workspace_view


@workspace_view()
def index(request: MemberRequest) -> HttpResponse:
    rows = request.workspace.destinations.order_by("name")
    return render(request, "console/destinations/index.html", {"destinations": rows})
