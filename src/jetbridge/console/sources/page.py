"""What all pages of one source share: who may see it, and its name."""

from functools import wraps
from inspect import iscoroutinefunction
from typing import Any

from asgiref.sync import sync_to_async
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404

from jetbridge.console.access import AnyView, MemberRequest, View, workspace_view
from jetbridge.control.models import Source
from jetbridge.control.people import Role


def source_view(view: AnyView, role: Role = Role.VIEWER) -> View:
    """As `workspace_view`; the view gets the source's row instead of its number. Works for async views, too."""

    @wraps(view)
    def wrapped(request: MemberRequest, source: int, **kwargs: Any) -> HttpResponseBase:
        response: HttpResponseBase = view(request, _source(request, source), **kwargs)
        return response

    @wraps(view)
    async def wrapped_async(request: MemberRequest, source: int, **kwargs: Any) -> HttpResponseBase:
        row = await sync_to_async(_source)(request, source)
        response: HttpResponseBase = await view(request, row, **kwargs)
        return response

    return workspace_view(role)(wrapped_async if iscoroutinefunction(view) else wrapped)


def editors_source_view(view: AnyView) -> View:
    """As `source_view`, for a page that only editors see."""
    return source_view(view, Role.EDITOR)


def _source(request: MemberRequest, source: int) -> Source:
    row = get_object_or_404(request.workspace.sources, id=source)
    row.workspace = request.workspace
    return row
