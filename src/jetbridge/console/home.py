"""Where addresses without a page lead, and the checklist of a new workspace, which renews itself until it is done."""

from zlib import crc32

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django_htmx.http import HttpResponseClientRefresh

from jetbridge.console.access import MemberRequest, member_view, workspace_view
from jetbridge.control.people import Membership
from jetbridge.integrations.base import SetupStep
from jetbridge.services.queries.setup_steps import steps_of


@member_view
def home(request: HttpRequest) -> HttpResponse:
    """The first of the member's workspaces."""
    memberships: list[Membership] = request.memberships  # type: ignore[attr-defined]
    if memberships:
        return redirect("workspace", memberships[0].workspace_id)
    return render(request, "console/auth/no_workspace.html")


@workspace_view()
def workspace_home(request: MemberRequest) -> HttpResponse:
    """The checklist; once it is done the destinations, which show at once whether something is wrong."""
    is_done = all(step.done for step in steps_of(request.workspace))
    return redirect("destinations" if is_done else "checklist", request.workspace.id)


@workspace_view()
def checklist(request: MemberRequest) -> HttpResponse:
    context = _checklist_context(steps_of(request.workspace))
    return render(request, "console/checklist/checklist.html", context)


@workspace_view()
def checklist_steps(request: MemberRequest) -> HttpResponse:
    """The steps alone. `?seen=` is the digest of what the page shows: nothing is swapped until something differs."""
    context = _checklist_context(steps_of(request.workspace))
    if request.GET.get("seen") == context["seen"]:
        return HttpResponse(status=204)
    if not context["next_step"]:
        return HttpResponseClientRefresh()
    return render(request, "console/checklist/steps.html", context)


def _checklist_context(steps: list[SetupStep]) -> dict[str, object]:
    open_steps = [step for step in steps if not step.done]
    return {
        "steps": steps,
        "done": len(steps) - len(open_steps),
        "next_step": open_steps[0] if open_steps else None,
        "seen": f"{crc32(repr(steps).encode()):x}",
    }
