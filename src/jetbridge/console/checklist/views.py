"""The checklist page, and the part of it that renews itself until all is done."""

from django.http import HttpResponse
from django.shortcuts import render

from jetbridge.console.access import MemberRequest, workspace_view
from jetbridge.console.checklist.steps import steps_of


@workspace_view()
def checklist(request: MemberRequest) -> HttpResponse:
    return _render(request, "console/checklist/checklist.html")


@workspace_view()
def steps(request: MemberRequest) -> HttpResponse:
    return _render(request, "console/checklist/steps.html")


def _render(request: MemberRequest, template: str) -> HttpResponse:
    found = steps_of(request.workspace)
    left = [step for step in found if not step.done]
    context = {"steps": found, "done": len(found) - len(left), "next_step": left[0] if left else None}
    return render(request, template, context)
