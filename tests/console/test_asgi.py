"""The console as the server sees it: static files with their headers, and no fault that nobody hears of."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from jetbridge.console import asgi
from jetbridge.console.templatetags.console import asset


def ask(path: str, query: str = "", host: str = "") -> tuple[int, dict[str, str]]:
    """Status and headers of a GET."""
    sent: list[Any] = []
    scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "root_path": ""}
    headers = [(b"host", host.encode())] if host else []
    scope |= {"query_string": query.encode(), "headers": headers, "scheme": "http", "server": ("test", 80)}

    asked = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> Any:
        return next(asked, None) or await asyncio.Event().wait()  # the reader stays

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(asgi.application()(scope, receive, send))  # type: ignore[arg-type]
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}


@pytest.mark.parametrize("name", ["console/console.css", "console/live.js", "django_htmx/htmx-2.min.js"])
def test_a_static_file_may_be_kept_for_ever_under_its_own_address(name: str) -> None:
    path, _, query = asset(name).partition("?")
    status, headers = ask(path, query)
    assert (status, headers["cache-control"]) == (200, "public, max-age=31536000, immutable")
    assert "cache-control" not in ask(path)[1]


@pytest.mark.parametrize(
    "path", ["/static/console/../../urls.py", "/static/console/%2e%2e/urls.py", "/static/console/x"]
)
def test_nothing_else_is_a_static_file(path: str) -> None:
    assert ask(path)[0] == 404


def test_what_breaks_outside_of_django_is_logged(monkeypatch: Any, caplog: Any) -> None:
    async def broken(*_: object) -> None:
        raise ImportError("a module that does not load")

    monkeypatch.setattr(asgi, "ASGIHandler", lambda: broken)
    with caplog.at_level(logging.ERROR), pytest.raises(ImportError):
        ask("/login")
    assert "The console failed at /login" in caplog.text


def test_a_refused_request_leaves_no_trace_in_the_log(home: Path, monkeypatch: Any, caplog: Any) -> None:
    monkeypatch.setattr(settings, "ALLOWED_HOSTS", ["jetbridge.example.com"])
    assert ask("/login", host="elsewhere.example.com")[0] == 400
    assert caplog.records == []
