"""The checklist page, and the part of it that renews itself until all is done."""

from zlib import crc32

from django.http import HttpResponse
from django.shortcuts import render
from django_htmx.http import HttpResponseClientRefresh

from jetbridge.console.access import MemberRequest, workspace_view
from jetbridge.integrations.base import SetupStep
from jetbridge.services.queries.setup_steps import steps_of


@workspace_view()
def checklist(request: MemberRequest) -> HttpResponse:
    return _render(request, "console/checklist/checklist.html", steps_of(request.workspace))


@workspace_view()
def steps(request: MemberRequest) -> HttpResponse:
    """`?seen=` says what the page shows already: nothing is swapped under a reader until something is different."""
    found = steps_of(request.workspace)
    if request.GET.get("seen") == _seen(found):
        return HttpResponse(status=204)
    if all(step.done for step in found):
        return HttpResponseClientRefresh()
    return _render(request, "console/checklist/steps.html", found)


def _render(request: MemberRequest, template: str, found: list[SetupStep]) -> HttpResponse:
    left = [step for step in found if not step.done]
    context = {
        "steps": found,
        "done": len(found) - len(left),
        "next_step": left[0] if left else None,
        "seen": _seen(found),
    }
    return render(request, template, context)


def _seen(found: list[SetupStep]) -> str:
    return f"{crc32(repr(found).encode()):x}"
