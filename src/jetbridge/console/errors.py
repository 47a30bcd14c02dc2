"""Pages for what went wrong: what happened, and what to do next."""

from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django's signature
    return render(request, "console/errors/404.html", {"path": request.path[:200]}, status=404)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "console/errors/403.html", {"sentence": str(exception)}, status=403)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    context = {"is_too_large": isinstance(exception, RequestDataTooBig | TooManyFieldsSent)}
    return render(request, "console/errors/400.html", context, status=400)


def server_error(request: HttpRequest) -> HttpResponse:
    """Without a request context: whatever broke may break again there."""
    return render(None, "console/errors/500.html", {"path": request.path[:200]}, status=500)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return render(request, "console/errors/csrf.html", {"reason": reason}, status=403)
