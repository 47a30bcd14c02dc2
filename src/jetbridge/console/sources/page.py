"""What all pages of one source share: who may see it, and its name."""

from functools import wraps
from typing import Any

from asgiref.sync import sync_to_async
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404

from jetbridge.console.access import AnyView, MemberRequest, View, workspace_view
from jetbridge.control.models import Source
from jetbridge.control.people import Role


def source_view(view: AnyView) -> View:
    """As `workspace_view`; the view gets the source's row instead of its number."""

    @workspace_view()
    @wraps(view)
    def wrapped(request: MemberRequest, source: int, **kwargs: Any) -> HttpResponseBase:
        answer: HttpResponseBase = view(request, source_of(request, source), **kwargs)
        return answer

    return wrapped


def editors_source_view(view: AnyView) -> View:
    """As `source_view`, for a page that only editors see."""

    @workspace_view(Role.EDITOR)
    @wraps(view)
    def wrapped(request: MemberRequest, source: int, **kwargs: Any) -> HttpResponseBase:
        answer: HttpResponseBase = view(request, source_of(request, source), **kwargs)
        return answer

    return wrapped


def live_source_view(view: AnyView) -> View:
    """As `source_view`, for an async view: a live page."""

    @workspace_view()
    @wraps(view)
    async def wrapped(request: MemberRequest, source: int, **kwargs: Any) -> HttpResponseBase:
        row = await sync_to_async(source_of)(request, source)
        answer: HttpResponseBase = await view(request, row, **kwargs)
        return answer

    return wrapped


def source_of(request: MemberRequest, source: int) -> Source:
    row = get_object_or_404(request.workspace.sources, id=source)
    row.workspace = request.workspace
    return row
