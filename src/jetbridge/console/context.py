"""What every template knows besides its own: the workspace, what the member may do, the layout."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from jetbridge.console.destinations.paused import paused
from jetbridge.control.people import Role
from jetbridge.control.storage import StorageWatch
from jetbridge.integrations import registry

#: Why files cannot be written now, for every page's top bar.
storage_trouble = StorageWatch()

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
        "storage_trouble": SimpleLazyObject(lambda: storage_trouble() or ""),
        "paused_destinations": SimpleLazyObject(lambda: paused(request.workspace)),  # type: ignore[attr-defined]
    }


def layout(request: HttpRequest) -> str:
    """What a page extends: a slide-out when it was asked for as one, else a whole page."""
    return "console/slide_out.html" if is_slide_out(request) else "console/base.html"


def is_slide_out(request: HttpRequest) -> bool:
    """Whether the answer is to land in the slide-out."""
    htmx = getattr(request, "htmx", None)
    return htmx is not None and htmx.target == SLIDE_OUT
