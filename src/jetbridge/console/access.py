"""Who may see which page. Every page of a workspace goes through `workspace_view`; there is no other way in."""

from collections.abc import AsyncIterator, Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from jetbridge.console.errors import busy
from jetbridge.control.audit import Actor
from jetbridge.control.models import Workspace
from jetbridge.control.people import Membership, Role, User
from jetbridge.control.sessions import SessionStore, note_use
from jetbridge.errors import Backpressure, for_viewers

#: Methods that change nothing.
_READING = {"GET", "HEAD", "OPTIONS"}


class MemberRequest(HttpRequest):
    """What views get: `access.enter` has filled it in. For type checkers; a request never has this class."""

    user: User
    htmx: HtmxDetails
    workspace: Workspace
    membership: Membership
    #: As whom the user changes something here.
    actor: Actor
    #: All of the user's, for the workspace switcher.
    memberships: list[Membership]


#: As Django's `path` wants views; async ones pass for it, too.
View = Callable[..., HttpResponseBase]
AnyView = Callable[..., Any]


def workspace_view(role: Role = Role.VIEWER, *, change: Role = Role.EDITOR) -> Callable[[AnyView], View]:
    """For a view of `/w/<int:workspace>/...`: only members with `role` see it, only those with `change` POST.

    The view is called without `workspace` and finds it at `request.workspace`. Who is no member is told that
    there is nothing (404); a member with a lesser role, that it takes a greater one (403). Works for async
    views, too.
    """

    def decorate(view: AnyView) -> View:
        wrapped = _asynchronous if iscoroutinefunction(view) else _plain
        return wrapped(view, role, change)

    return decorate


def member_view(view: AnyView) -> View:
    """For a page that needs a login and belongs to no workspace."""

    @wraps(view)
    def wrapped(request: HttpRequest, **kwargs: Any) -> Any:
        return _enter_with_login(request) or view(request, **kwargs)

    return wrapped


def enter(request: HttpRequest, workspace: int, role: Role, change: Role) -> HttpResponse | None:
    """Make a `MemberRequest` of it, or say where to log in. Raises Http404 or PermissionDenied. Blocks."""
    if refusal := _enter_with_login(request):
        return refusal
    member: MemberRequest = request  # type: ignore[assignment]
    found = [row for row in member.memberships if row.workspace_id == workspace]
    if not found:
        raise Http404
    member.membership, member.workspace = found[0], found[0].workspace
    needed = role if request.method in _READING else max(role, change, key=_weight)
    if not member.membership.may(needed):
        raise PermissionDenied(_sentence(member.membership, needed))
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


def _plain(view: AnyView, role: Role, change: Role) -> View:
    @wraps(view)
    def wrapped(request: HttpRequest, workspace: int, **kwargs: Any) -> Any:
        try:
            return enter(request, workspace, role, change) or _seen_by(request, view(request, **kwargs))
        except Backpressure as error:
            return busy(request, error)

    return wrapped


def _asynchronous(view: AnyView, role: Role, change: Role) -> AnyView:
    @wraps(view)
    async def wrapped(request: HttpRequest, workspace: int, **kwargs: Any) -> Any:
        try:
            refusal = await sync_to_async(enter)(request, workspace, role, change)
            return refusal or _seen_by(request, await view(request, **kwargs))
        except Backpressure as error:
            return await sync_to_async(busy)(request, error)

    return wrapped


def _seen_by(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """What a page repeats of other hosts is for editors."""
    member: MemberRequest = request  # type: ignore[assignment]
    if member.membership.may(Role.EDITOR):
        return response
    if isinstance(response, StreamingHttpResponse) and response.is_async:
        response.streaming_content = _each_for_viewers(response.streaming_content)
    elif isinstance(response, HttpResponse):
        response.content = for_viewers(response.content.decode()).encode()
    return response


async def _each_for_viewers(parts: Any) -> AsyncIterator[bytes]:
    async for part in parts:
        yield for_viewers(part.decode()).encode()


def _enter_with_login(request: HttpRequest) -> HttpResponse | None:
    if not request.user.is_authenticated:
        return _log_in_first(request)
    note_use(request)
    rows = (
        Membership.objects.filter(user=request.user).select_related("workspace").order_by("workspace__name")
    )
    request.memberships = list(rows)  # type: ignore[attr-defined]
    return None


def _log_in_first(request: HttpRequest) -> HttpResponse:
    htmx: HtmxDetails = request.htmx  # type: ignore[attr-defined]
    if htmx:  # a login page must not land inside the part that was to be renewed
        return HttpResponseClientRedirect(f"{reverse('login')}?next={htmx.current_url_abs_path or '/'}")
    if request.method in _READING:
        return redirect_to_login(request.get_full_path())
    return redirect_to_login("/")


def _weight(role: Role) -> int:
    return -list(Role).index(role)


def _sentence(membership: Membership, needed: Role) -> str:
    owners = Membership.objects.filter(workspace=membership.workspace, role=Role.OWNER).select_related("user")
    names = ", ".join(sorted(row.user.email for row in owners)[:3])
    return (
        f"You are {Role(membership.role).label.lower()} of {membership.workspace}; this takes the role "
        f"{needed.label.lower()}. An owner can give it to you: {names}."
    )
