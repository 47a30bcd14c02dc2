"""The template context of every page: the workspace, what the member may do, the layout, what the top bar reports."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from jetbridge.control.models import Destination, Workspace
from jetbridge.control.people import Role
from jetbridge.control.storage import StorageWatch
from jetbridge.delivery.models import ConsumerOffset, destination_consumer
from jetbridge.integrations import registry

#: Why files cannot be written at the moment.
storage_problem = StorageWatch()

#: Id of the element that slide-outs are loaded into; see dialog.js.
SLIDE_OUT = "slide-out-body"


def navigation(request: HttpRequest) -> dict[str, Any]:
    membership = getattr(request, "membership", None)
    return {
        "workspace": getattr(request, "workspace", None),
        "memberships": getattr(request, "memberships", []),
        "membership": membership,
        "may_edit": bool(membership and membership.may(Role.EDITOR)),
        "may_own": bool(membership and membership.may(Role.OWNER)),
        "layout": layout(request),
        "sections": registry.sections(),
        "storage_problem": SimpleLazyObject(lambda: storage_problem() or ""),
        "paused_destinations": SimpleLazyObject(lambda: paused_destinations(request.workspace)),  # type: ignore[attr-defined]
    }


def layout(request: HttpRequest) -> str:
    """The template that a page extends: a slide-out if htmx loads it into the slide-out, else a whole page."""
    return "console/slide_out.html" if is_slide_out(request) else "console/base.html"


def is_slide_out(request: HttpRequest) -> bool:
    """Whether htmx loads the response into the slide-out."""
    htmx = getattr(request, "htmx", None)
    return htmx is not None and htmx.target == SLIDE_OUT


def paused_destinations(workspace: Workspace) -> list[Destination]:
    """By name. One query if none is paused."""
    consumers = set(ConsumerOffset.objects.exclude(pause_code="").values_list("consumer", flat=True))
    if not consumers:
        return []
    rows = workspace.destinations.filter(enabled=True).order_by("name")
    return [row for row in rows if destination_consumer(row.id) in consumers]
