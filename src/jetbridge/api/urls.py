"""Addresses of the API, below /api/v1/."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, re_path
from django.views.decorators.csrf import csrf_exempt

from jetbridge.api import docs
from jetbridge.api.app import api
from jetbridge.api.errors import MAX_NAME, HTTPError, error_response
from jetbridge.control.people import Role
from jetbridge.http.problem import DOCS_PATH
from jetbridge.text import for_viewers

View = Callable[..., HttpResponseBase]


@csrf_exempt
def no_such_path(request: HttpRequest, rest: str) -> HttpResponse:
    return error_response(
        HTTPError(
            "NOT_FOUND",
            f"There is no call {DOCS_PATH}{rest[:MAX_NAME]}.",
            fix=f"All calls are at {request.build_absolute_uri(DOCS_PATH)}.",
        )
    )


def respond(view: View) -> View:
    """A response as django-ninja makes it, but for two things: a method that the path does not have is a problem like any
    other, and words of other hosts are for editors.
    """

    @csrf_exempt
    @wraps(view)
    def wrapped(request: HttpRequest, **ids: Any) -> HttpResponseBase:
        response = view(request, **ids)
        if response.status_code == 405:
            allowed = ", ".join(sorted(response.headers["Allow"].split(", ")))
            detail = f"{request.method} is not a method of this path; it has {allowed}."
            return error_response(HTTPError("METHOD_NOT_ALLOWED", detail, headers={"Allow": allowed}))
        caller = getattr(request, "auth", None)
        if isinstance(response, HttpResponse) and not (caller and caller.role.allows(Role.EDITOR)):
            response.content = for_viewers(response.content.decode()).encode()
        return response

    return wrapped


#: django-ninja's, without its root page, and each path once.
patterns: dict[str, URLPattern] = {}
for pattern in api.urls[0]:
    if isinstance(pattern, URLPattern) and str(pattern.pattern) not in {"", *patterns}:
        pattern.callback = respond(pattern.callback)
        pattern.name = f"api-{pattern.name}".replace("_", "-")
        patterns[str(pattern.pattern)] = pattern

urlpatterns = [
    path("", docs.page, {"api": api}, name="api-docs"),
    path("openapi.json", docs.openapi, {"api": api}, name="api-openapi"),
    *patterns.values(),
    # `path` would not match a line break.
    re_path(r"(?P<rest>(?s:.+))\Z", no_such_path, name="api-no-such-path"),
]
