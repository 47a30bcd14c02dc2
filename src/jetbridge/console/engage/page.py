"""What all pages of Engage share: its space, what stands in its way, and the first screen where it was never on."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import wraps
from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render

from jetbridge.console.access import AnyView, MemberRequest, View, workspace_view
from jetbridge.console.log import event_log
from jetbridge.control.models import Destination
from jetbridge.control.people import Role
from jetbridge.engage import lights, queries
from jetbridge.engage.models import Computation, ComputationClass, Space
from jetbridge.integrations import registry


def engage_view(role: Role = Role.VIEWER) -> Callable[[AnyView], View]:
    """As `workspace_view`; the view gets the space of the workspace. Where Engage was never on, GET shows the first screen."""

    def decorate(view: AnyView) -> View:
        @workspace_view(role)
        @wraps(view)
        def wrapped(request: MemberRequest, **kwargs: Any) -> HttpResponseBase:
            space = queries.space_of(request.workspace)
            if space is None:
                return first_screen(request)
            response: HttpResponseBase = view(request, space, **kwargs)
            return response

        return wrapped

    return decorate


def first_screen(request: MemberRequest) -> HttpResponse:
    return render(request, "console/engage/first.html")


def show(
    request: MemberRequest, template: str, space: Space, context: Mapping[str, Any], status: int = 200
) -> HttpResponse:
    """A page that extends console/engage/page.html."""
    with event_log() as log:
        shown = [row for row in lights.lights(log, datetime.now(UTC)) if row.workspace == space.workspace_id]
    return render(request, template, {"space": space, "lights": shown, **context}, status=status)


def audience_view(role: Role = Role.VIEWER) -> Callable[[AnyView], View]:
    """As `engage_view`; the view gets the row of the audience instead of its number."""

    def decorate(view: AnyView) -> View:
        @engage_view(role)
        @wraps(view)
        def wrapped(request: MemberRequest, space: Space, audience: int, **kwargs: Any) -> HttpResponseBase:
            response: HttpResponseBase = view(request, find_audience(space, audience), **kwargs)
            return response

        return wrapped

    return decorate


def find_audience(space: Space, id_: int) -> Computation:
    """Raises Http404."""
    rows = space.computations.filter(computation_class=ComputationClass.AUDIENCE, deleted_at=None)
    row: Computation = get_object_or_404(rows, id=id_)
    row.space = space
    return row


def show_audience(
    request: MemberRequest, template: str, row: Computation, context: Mapping[str, Any], status: int = 200
) -> HttpResponse:
    """A page that extends console/engage/audience_page.html."""
    return show(request, template, row.space, {"item": queries.computation(row), **context}, status)


def possible_destinations(space: Space) -> list[Destination]:
    """Those that take calls of Engage."""
    kinds = registry.destinations()
    rows = space.workspace.destinations.order_by("name")
    return [row for row in rows if row.kind in kinds and kinds[row.kind].accepts & {"identify", "track"}]
