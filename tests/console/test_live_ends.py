"""A live page that is open ends with what let its person in, and shows nothing that came after that.

Every live page: the routes are walked, and one that is none of PAGES fails.
"""

import asyncio
import inspect
import json
import threading
import typing
import urllib.request
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from django.conf import settings
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import AsyncClient, override_settings
from django.urls import path
from django.utils import timezone

from jetbridge.console import errors
from jetbridge.console.live_response import LiveResponse
from jetbridge.control import factories, membership
from jetbridge.control.models import Source, SourceKind
from jetbridge.control.people import Membership, Role, Session, User

from ..processes import free_port  # noqa: TID252 - tests are no package
from .conftest import new_user, session_of
from .test_access import patterns

#: What becomes of a person whose page is open.
ENDS: dict[str, Callable[[User, str], object]] = {
    "removed": lambda user, _: membership.remove(Membership.objects.get(user=user)),
    "another role": lambda user, _: Membership.objects.filter(user=user).update(role=Role.VIEWER),
    "switched off": lambda user, _: User.objects.filter(id=user.id).update(is_active=False),
    "logged out": lambda _, key: Session.objects.filter(session_key=key).delete(),
    "session over": lambda _, key: Session.objects.filter(session_key=key).update(expire_date=timezone.now()),
    "new password": lambda user, _: (user.set_password("another bridge"), user.save()),
}


#: Live pages by the name of their route: the rest of the address, from the workspace and a source of it.
PAGES: dict[str, Callable[[Source], str]] = {
    "source-debugger-live": lambda source: f"/sources/{source.id}/debugger/live?after=0",
}


def may_stream(view: Callable[..., Any]) -> bool:
    """Whether a view may keep its page open: it is async, or what it returns, by its annotation, is a stream."""
    inner = inspect.unwrap(view)
    returned = typing.get_type_hints(inner).get("return")
    is_file = isinstance(returned, type) and issubclass(returned, FileResponse)
    is_stream = isinstance(returned, type) and issubclass(returned, StreamingHttpResponse) and not is_file
    return is_stream or inspect.iscoroutinefunction(view) or inspect.isasyncgenfunction(inner)


def test_every_page_that_stays_open_is_a_live_response() -> None:
    """And is looked at below. Whatever escapes this, the middleware refuses."""
    views = {str(pattern.name): pattern.callback for pattern in patterns() if may_stream(pattern.callback)}
    assert {
        name: typing.get_type_hints(inspect.unwrap(view))["return"] for name, view in views.items()
    } == dict.fromkeys(PAGES, LiveResponse)


async def sse(_: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(_parts(), content_type="text/event-stream")


async def other(_: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(_parts(), content_type="text/html")


def sync(_: HttpRequest) -> HttpResponse:
    return HttpResponse(b"data: x\n\n", content_type="text/event-stream; charset=utf-8")


async def _parts() -> AsyncIterator[str]:
    yield "data: x\n\n"


urlpatterns = [path("sse", sse), path("other", other), path("sync", sync)]
handler500 = errors.server_error


@pytest.mark.parametrize("page", ["sse", "other", "sync"])
def test_no_other_stream_leaves_the_console(people: Any, page: str) -> None:
    assert may_stream(globals()[page]) == (page != "sync")
    with override_settings(ROOT_URLCONF=__name__):
        answer = asyncio.run(AsyncClient(raise_request_exception=False).get(f"/{page}"))
    assert (answer.status_code, b"data: x" in answer.content) == (500, False)


class Stream(threading.Thread):
    """Reads a live page to its end; `text` is what it was sent."""

    def __init__(self, url: str, key: str) -> None:
        super().__init__(daemon=True)
        self.text = ""
        request = urllib.request.Request(
            url, headers={"Cookie": f"{settings.SESSION_COOKIE_NAME}={key}", "Accept": "text/event-stream"}
        )
        self.response = urllib.request.urlopen(request, timeout=60)
        self.start()

    def run(self) -> None:
        for line in self.response:
            self.text += line.decode()


@pytest.mark.parametrize("route", PAGES)
def test_it_ends_when_its_person_may_not_see_it_any_more(
    people: Any, start_jetbridge: Any, eventually: Any, route: str
) -> None:
    source = factories.new_source(people.workspace, SourceKind.HTTP, "Website")
    users = {
        how: new_user(f"user-{number}", (people.workspace, Role.EDITOR)) for number, how in enumerate(ENDS)
    }
    keys = {how: session_of(user) for how, user in users.items()}
    url = f"http://127.0.0.1:{free_port()}"
    env = {"JETBRIDGE_PORT": url.rpartition(":")[2], "JETBRIDGE_PUBLIC_URL": url}
    start_jetbridge("web", env=env, health=f"{url}/readyz")
    page = f"{url}/w/{people.workspace.id}{PAGES[route](source)}"
    streams = {how: Stream(page, key) for how, key in keys.items()}
    control = Stream(page, session_of(people.owner))
    send(url, source, "before")
    eventually(lambda: all("before" in each.text for each in [control, *streams.values()]), "all are live")
    for how, end in ENDS.items():
        end(users[how], keys[how])
    send(url, source, "afterwards")
    eventually(lambda: "afterwards" in control.text, "who may still watch sees it")
    for how, stream in streams.items():
        stream.join(20)
        assert (how, stream.is_alive(), "afterwards" in stream.text) == (how, False, False)
    assert control.is_alive()


def send(url: str, source: Source, user: str) -> None:
    body = json.dumps({"writeKey": source.current_key, "type": "identify", "userId": user}).encode()
    urllib.request.urlopen(f"{url}/v1/identify", body, timeout=20).close()
