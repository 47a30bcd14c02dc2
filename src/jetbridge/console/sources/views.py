"""The sources of a workspace."""

from django.http import HttpResponse
from django.shortcuts import render

from jetbridge.console.access import MemberRequest, workspace_view


@workspace_view()
def index(request: MemberRequest) -> HttpResponse:
    rows = request.workspace.sources.order_by("name")
    return render(request, "console/sources/index.html", {"sources": rows})
