"""What all pages of Engage share: its space, what stands in its way, and the first screen where it was never on."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import wraps
from typing import Any, Final

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.http import urlencode

from jetbridge.console.access import AnyView, MemberRequest, View, workspace_view
from jetbridge.control.models import Destination
from jetbridge.control.people import Role
from jetbridge.engage import lights, queries
from jetbridge.engage.models import Computation, ComputationClass, Space
from jetbridge.engage.queries import ComputationItem
from jetbridge.integrations import registry
from jetbridge.integrations.base import ValueType
from jetbridge.services import computations
from jetbridge.services.log import event_log


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


#: What URL names of pages of one begin with.
PREFIXES: Final[Mapping[str, str]] = {
    ComputationClass.AUDIENCE: "audience",
    ComputationClass.TRAIT: "computed-trait",
}
#: As Mailjet calls them.
_VALUE_TYPES: Final[Mapping[ValueType | None, str]] = {
    ValueType.BOOLEAN: "bool",
    ValueType.INTEGER: "int",
    ValueType.NUMBER: "float",
    ValueType.STRING: "str",
    ValueType.ARRAY: "str",
    ValueType.DATE_TIME: "datetime",
}


def address(row: Computation, page: str = "", *args: object) -> str:
    """Of a page of an audience or of a computed trait: "sync", "settings", …; "" is its overview."""
    name = PREFIXES[row.computation_class]
    return reverse(f"{name}-{page}" if page else name, args=[row.space.workspace_id, row.id, *args])


def address_of_all(of: str, workspace: int) -> str:
    """Of the list."""
    return reverse(f"{PREFIXES[of]}s", args=[workspace])


def computation_view(role: Role = Role.VIEWER) -> Callable[[AnyView], View]:
    """As `engage_view`; the view gets the row of the audience or the computed trait instead of its number."""

    def decorate(view: AnyView) -> View:
        @engage_view(role)
        @wraps(view)
        def wrapped(
            request: MemberRequest, space: Space, audience: int = 0, trait: int = 0, **kwargs: Any
        ) -> HttpResponseBase:
            of = ComputationClass.TRAIT if trait else ComputationClass.AUDIENCE
            response: HttpResponseBase = view(
                request, find_computation(space, of, audience or trait), **kwargs
            )
            return response

        return wrapped

    return decorate


def find_computation(space: Space, of: ComputationClass, id_: int) -> Computation:
    """Raises Http404."""
    rows = space.computations.filter(computation_class=of, deleted_at=None)
    row: Computation = get_object_or_404(rows, id=id_)
    row.space = space
    return row


def show_computation(
    request: MemberRequest,
    template: str,
    row: Computation,
    context: Mapping[str, Any],
    status: int = 200,
    *,
    item: ComputationItem | None = None,
) -> HttpResponse:
    """A page that extends console/engage/computation_page.html. `item`: how it stood before the rest was read."""
    of = ComputationClass(row.computation_class)
    value_type = computations.value_type_of(of, row.definition, retention_days=row.space.retention_days)
    shared = {
        "item": item or queries.computation(row),
        "is_trait": of == ComputationClass.TRAIT,
        "value_type": _VALUE_TYPES.get(value_type, "as its values are"),
        "all_of_them": address_of_all(of, row.space.workspace_id),
    }
    return show(request, template, row.space, {**shared, **context}, status)


def possible_destinations(space: Space) -> list[Destination]:
    """Those that take calls of Engage."""
    kinds = registry.destinations()
    rows = space.workspace.destinations.order_by("name")
    return [row for row in rows if row.kind in kinds and kinds[row.kind].accepts & {"identify", "track"}]


def next_page(row: Computation, chosen: list[str]) -> str:
    """Where to activate it next; where it is sent, if there is nothing to activate."""
    known = {str(other.id) for other in possible_destinations(row.space)}
    rest = [id_ for id_ in chosen if id_ in known]
    if not rest:
        return address(row, "sync")
    query = f"?{urlencode([('next', id_) for id_ in rest[1:]])}" if rest[1:] else ""
    return f"{address(row, 'activate', int(rest[0]))}{query}"
