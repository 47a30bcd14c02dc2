"""What every page says to the browser: load from here only, run nothing inline, tell nobody where you were.

And where the answer to a slide-out's form leads. And that what streams is a live page. And that an address is the same with a
slash at its end and without one: Django adds one that is missing, and one too many is taken away here.
"""

from collections.abc import Awaitable, Callable
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
def every_answer(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    if iscoroutinefunction(get_response):
        return _asynchronous(get_response)

    def middleware(request: HttpRequest) -> HttpResponseBase:
        return _finished(request, get_response(request))

    return middleware


def _asynchronous(
    get_response: Callable[[HttpRequest], Awaitable[HttpResponseBase]],
) -> Callable[[HttpRequest], Awaitable[HttpResponseBase]]:
    async def middleware(request: HttpRequest) -> HttpResponseBase:
        return _finished(request, await get_response(request))

    return middleware


def _finished(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    _refuse_other_streams(request, response)
    if response.status_code == HTTPStatus.NOT_FOUND and (redirect := _without_slash(request)):
        response = redirect
    if request.method == "POST" and "Location" in response.headers and is_slide_out(request):
        _lead_the_whole_page(request, response)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _without_slash(request: HttpRequest) -> HttpResponseBase | None:
    """The redirect to a page whose address has no slash at the end; None if there is no such page."""
    path = request.path.removesuffix("/")
    if request.method not in {"GET", "HEAD"} or path == request.path or not is_valid_path(path):
        return None
    query = request.META.get("QUERY_STRING", "")
    return HttpResponsePermanentRedirect(f"{path}?{query}" if query else path)


def _refuse_other_streams(request: HttpRequest, response: HttpResponseBase) -> None:
    """A stream that nobody asks whether its person may still watch would go on after a removal."""
    kind = response.headers.get("Content-Type", "")
    is_live = kind.startswith(CONTENT_TYPE) or (
        isinstance(response, StreamingHttpResponse) and response.is_async
    )
    if is_live and not isinstance(response, LiveResponse):
        raise TypeError(f"{request.path} streams, and is no LiveResponse")


def _lead_the_whole_page(request: HttpRequest, redirect: HttpResponseBase) -> None:
    """A form in a slide-out was taken: the page goes where a browser would have gone by itself."""
    htmx: HtmxDetails = request.htmx  # type: ignore[attr-defined]
    to = redirect.headers["Location"]
    del redirect.headers["Location"]
    redirect.status_code = 200
    redirect.headers["HX-Redirect"] = to
    if urlsplit(to).path == urlsplit(htmx.current_url_abs_path or "").path:
        redirect.headers["HX-Refresh"] = "true"  # to a place on the same page a browser only scrolls
