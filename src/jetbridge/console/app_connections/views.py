"""The Mailjet accounts of a workspace."""

from django.http import HttpResponse
from django.shortcuts import render

from jetbridge.console.access import MemberRequest, workspace_view


@workspace_view()
def index(request: MemberRequest) -> HttpResponse:
    rows = request.workspace.mailjet_accounts.order_by("name")
    return render(request, "console/app_connections/index.html", {"accounts": rows})
