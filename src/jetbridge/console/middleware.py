"""What every response of the console has: headers that let browsers load from this host only and run nothing inline.

It also makes the redirect of a form in a slide-out one of the whole page, lets only live pages stream, and removes a slash too
many from an address (Django adds one that is missing).
"""

from collections.abc import Callable
from http import HTTPStatus
from inspect import iscoroutinefunction
from typing import Any
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponsePermanentRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import is_valid_path
from django.utils.decorators import sync_and_async_middleware
from django_htmx.middleware import HtmxDetails

from jetbridge.console.context import is_slide_out
from jetbridge.console.live_response import CONTENT_TYPE, LiveResponse

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'; "
        "img-src 'self' data:"
    ),
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    # Pages show people's data: no copy stays in a cache of the browser or on the way.
    "Cache-Control": "no-store",
}


@sync_and_async_middleware
def security_headers(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    if iscoroutinefunction(get_response):

        async def async_middleware(request: HttpRequest) -> HttpResponseBase:
            return _finished(request, await get_response(request))

        return async_middleware

    def middleware(request: HttpRequest) -> HttpResponseBase:
        return _finished(request, get_response(request))

    return middleware


def _finished(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    # A stream that does not ask again whether its person may see it would go on after a removal.
    is_stream = response.headers.get("Content-Type", "").startswith(CONTENT_TYPE) or (
        isinstance(response, StreamingHttpResponse) and response.is_async
    )
    if is_stream and not isinstance(response, LiveResponse):
        raise TypeError(f"{request.path} streams, and is no LiveResponse")
    # Of a page whose address has no slash at the end, the address with one leads there.
    path = request.path.removesuffix("/")
    is_reading = request.method in {"GET", "HEAD"}
    if (
        response.status_code == HTTPStatus.NOT_FOUND
        and is_reading
        and path != request.path
        and is_valid_path(path)
    ):
        query = request.META.get("QUERY_STRING", "")
        response = HttpResponsePermanentRedirect(f"{path}?{query}" if query else path)
    if request.method == "POST" and "Location" in response.headers and is_slide_out(request):
        _redirect_full_page(request, response)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _redirect_full_page(request: HttpRequest, redirect: HttpResponseBase) -> None:
    """A form in a slide-out was accepted: htmx makes the whole page follow the redirect, not the slide-out."""
    htmx: HtmxDetails = request.htmx  # type: ignore[attr-defined]
    to = redirect.headers["Location"]
    del redirect.headers["Location"]
    redirect.status_code = 200
    redirect.headers["HX-Redirect"] = to
    if urlsplit(to).path == urlsplit(htmx.current_url_abs_path or "").path:
        redirect.headers["HX-Refresh"] = "true"  # to a place on the same page a browser only scrolls
