"""Pages for what went wrong: what happened, and what to do next."""

import sys

from django.core.exceptions import DisallowedHost, RequestDataTooBig, TooManyFieldsSent
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from jetbridge.delivery import isolation
from jetbridge.http.problem import API_PREFIX, PROBLEM_JSON, problem_json

WRONG_HOST = (
    "Jetbridge has another address: the one in JETBRIDGE_PUBLIC_URL. Use that one, or correct the setting."
)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django's signature
    return render(request, "console/errors/404.html", {"path": request.path[:200]}, status=404)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "console/errors/403.html", {"message": str(exception)}, status=403)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    is_other_host = isinstance(exception, DisallowedHost)
    if request.path.startswith(API_PREFIX):
        code = "WRONG_HOST" if is_other_host else "BAD_REQUEST"
        detail = WRONG_HOST if is_other_host else "This request is not valid HTTP for this address."
        return HttpResponse(problem_json(code, detail), status=400, content_type=PROBLEM_JSON)
    context = {
        "is_too_large": isinstance(exception, RequestDataTooBig | TooManyFieldsSent),
        "is_other_host": is_other_host,
    }
    return render(request, "console/errors/400.html", context, status=400)


def server_error(request: HttpRequest) -> HttpResponse:
    """Rendered without a request context, because whatever failed may fail there again."""
    error = sys.exc_info()[1]  # Django calls this while it handles the exception
    if error and isolation.is_environmental(error):
        context = {"message": str(isolation.as_transient(error))}
        response = render(None, "console/errors/files.html", context, status=503)
        response.headers["Retry-After"] = "5"
        return response
    return render(None, "console/errors/500.html", {"path": request.path[:200]}, status=500)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return render(request, "console/errors/csrf.html", {"reason": reason}, status=403)
