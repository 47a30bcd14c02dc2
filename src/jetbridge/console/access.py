"""Who may see which page. Every page of a workspace goes through `workspace_view`."""

from collections.abc import AsyncIterator, Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from jetbridge.control.audit import Actor
from jetbridge.control.models import Workspace
from jetbridge.control.people import Membership, Role, User
from jetbridge.control.sessions import SessionStore, note_use
from jetbridge.errors import Backpressure
from jetbridge.eventlog.base import LogUnavailable
from jetbridge.text import for_viewers

#: Methods that change nothing.
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


class MemberRequest(HttpRequest):
    """What views get, after `enter`. For type checkers; a request never has this class."""

    user: User
    htmx: HtmxDetails
    workspace: Workspace
    membership: Membership
    #: Whom the audit log names for changes.
    actor: Actor
    #: All of the user's, for the workspace switcher.
    memberships: list[Membership]


#: As Django's `path` wants views; async ones pass for it, too.
View = Callable[..., HttpResponseBase]
AnyView = Callable[..., Any]


def workspace_view(role: Role = Role.VIEWER, *, change: Role = Role.EDITOR) -> Callable[[AnyView], View]:
    """For a view of `/w/<int:workspace>/...`: only members with `role` see it, only those with `change` POST.

    The view is called without `workspace` and finds it at `request.workspace`. Who is no member gets 404; a member
    with a lesser role gets 403. Works for async views, too.
    """

    def decorate(view: AnyView) -> View:
        @wraps(view)
        def wrapped(request: HttpRequest, workspace: int, **kwargs: Any) -> Any:
            try:
                return enter(request, workspace, role, change) or _mask(request, view(request, **kwargs))
            except Backpressure as error:
                return _busy(request, error)

        @wraps(view)
        async def wrapped_async(request: HttpRequest, workspace: int, **kwargs: Any) -> Any:
            try:
                response = await sync_to_async(enter)(request, workspace, role, change)
                return response or _mask(request, await view(request, **kwargs))
            except Backpressure as error:
                return await sync_to_async(_busy)(request, error)

        if iscoroutinefunction(view):
            return cast("View", wrapped_async)
        return wrapped

    return decorate


def member_view(view: AnyView) -> View:
    """For a page that needs a login and belongs to no workspace."""

    @wraps(view)
    def wrapped(request: HttpRequest, **kwargs: Any) -> Any:
        return _enter_with_login(request) or view(request, **kwargs)

    return wrapped


def enter(request: HttpRequest, workspace: int, role: Role, change: Role) -> HttpResponse | None:
    """Make it a `MemberRequest`, or return the way to the login. Raises Http404 or PermissionDenied. Blocks."""
    if login := _enter_with_login(request):
        return login
    member: MemberRequest = request  # type: ignore[assignment]
    membership = next((row for row in member.memberships if row.workspace_id == workspace), None)
    if membership is None:
        raise Http404
    member.membership, member.workspace = membership, membership.workspace
    # Role lists the greatest role first.
    needed = role if request.method in _SAFE_METHODS else min(role, change, key=list(Role).index)
    if not membership.may(needed):
        owners = Membership.objects.filter(workspace=workspace, role=Role.OWNER).select_related("user")
        emails = ", ".join(sorted(row.user.email for row in owners)[:3])
        raise PermissionDenied(
            f"You are {Role(membership.role).label.lower()} of {membership.workspace}; this needs the role "
            f"{needed.label.lower()}. An owner can give it to you: {emails}."
        )
    member.actor = Actor(member.workspace, member.user)
    return None


def is_still_allowed(request: MemberRequest) -> bool:
    """Whether the session, the user and the membership that let the request in are still what they were. Blocks.

    For responses that last: False after a logout, a new password, a removal or another role.
    """
    now = HttpRequest()
    now.session = SessionStore(request.session.session_key)
    same = Membership.objects.filter(id=request.membership.id, role=request.membership.role)
    return get_user(now) == request.user and same.exists()


def _enter_with_login(request: HttpRequest) -> HttpResponse | None:
    if request.user.is_authenticated:
        note_use(request)
        rows = Membership.objects.filter(user=request.user).select_related("workspace")
        request.memberships = list(rows.order_by("workspace__name"))  # type: ignore[attr-defined]
        return None
    htmx: HtmxDetails = request.htmx  # type: ignore[attr-defined]
    if htmx:  # a login page must not be swapped into a part of the page
        return HttpResponseClientRedirect(f"{reverse('login')}?next={htmx.current_url_abs_path or '/'}")
    return redirect_to_login(request.get_full_path() if request.method in _SAFE_METHODS else "/")


def _mask(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Hide from viewers what a page quotes of other hosts: it is for editors."""
    member: MemberRequest = request  # type: ignore[assignment]
    if member.membership.may(Role.EDITOR):
        return response
    if isinstance(response, StreamingHttpResponse) and response.is_async:
        parts: Any = response.streaming_content

        async def masked() -> AsyncIterator[bytes]:
            async for part in parts:
                yield for_viewers(part.decode()).encode()

        response.streaming_content = masked()
    elif isinstance(response, HttpResponse):
        response.content = for_viewers(response.content.decode()).encode()
    return response


def _busy(request: HttpRequest, error: Backpressure) -> HttpResponse:
    template = f"console/errors/{'files' if isinstance(error, LogUnavailable) else '503'}.html"
    page = render(request, template, {"message": error.public_message}, status=503)
    page.headers["Retry-After"] = str(error.retry_after_seconds)
    return page
