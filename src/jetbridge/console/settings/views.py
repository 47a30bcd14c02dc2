"""The first page of a workspace's settings."""

from django.http import HttpResponse
from django.shortcuts import redirect

from jetbridge.console.access import MemberRequest, workspace_view


@workspace_view()
def index(request: MemberRequest) -> HttpResponse:
    return redirect("people", request.workspace.id)
