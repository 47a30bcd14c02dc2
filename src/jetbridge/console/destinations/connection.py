"""The check of a connection on pages: each step appears as soon as it is done."""

from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from jetbridge.console.access import MemberRequest, workspace_view
from jetbridge.console.destinations.page import destination_view
from jetbridge.console.destinations.settings_form import SettingsForm
from jetbridge.control.models import Destination
from jetbridge.control.people import Role
from jetbridge.errors import Backpressure
from jetbridge.integrations import base, registry
from jetbridge.services import connection_tests, destination_settings
from jetbridge.services.connection_tests import Step
from jetbridge.spec.untrusted import whole_number


@sensitive_post_parameters()
@workspace_view(Role.EDITOR)
@require_POST
def check_new(request: MemberRequest, kind: str) -> HttpResponse:
    """Of a new destination, with what is typed. `step` is the one up to which it is checked; empty: say what will be."""
    integration = registry.destinations().get(kind)
    if integration is None or not integration.checks_connection:
        raise Http404
    return _answer(request, integration, SettingsForm(request.workspace, integration, data=request.POST))


@sensitive_post_parameters()
@destination_view(Role.EDITOR)
@require_POST
def check(request: MemberRequest, row: Destination) -> HttpResponse:
    """The same of one that is there; a secret that is not typed is the one that is stored."""
    integration = destination_settings.integration_of(row)
    if not integration.checks_connection:
        raise Http404
    return _answer(
        request, integration, SettingsForm(request.workspace, integration, row, request.POST), row.id
    )


def _answer(
    request: MemberRequest, integration: base.Destination, form: SettingsForm, destination: int = 0
) -> HttpResponse:
    upto = request.POST.get("step", "")
    context: dict[str, Any] = {"check": request.path}
    try:
        steps = steps_of(request, integration, form, destination, upto)
    except Backpressure as error:
        context["busy"] = str(error)
    else:
        context["connection"] = steps
        context["running"] = next((step for step in steps if step.state == "running"), None)
    return render(request, "console/destinations/_connection.html", context)


def steps_of(
    request: MemberRequest,
    integration: base.Destination,
    form: SettingsForm,
    destination: int = 0,
    upto: str | None = None,
) -> list[Step]:
    """Check what is typed: all, or up to a step. Raises Backpressure."""
    sources = [whole_number(text) or 0 for text in request.POST.getlist("sources")]
    draft = connection_tests.draft(integration, request.workspace.id, form.values(), destination, sources)
    return connection_tests.run(integration, draft, upto)
