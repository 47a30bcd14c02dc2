"""Uploads: larger bodies for more time, on their own paths, and only for somebody who proves to be one first."""

import asyncio
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from starlette.types import Receive, Scope, Send

from jetbridge.console.body_limits import BodyLimits, Upload
from jetbridge.control.people import ApiToken, Role
from jetbridge.control.secret_field import digest
from jetbridge.eventlog.sqlite import SqliteEventLog

from ..ingest.conftest import ENDPOINTS, Served, serving  # noqa: TID252 - tests are no package


def zeros(size: int) -> Iterator[bytes]:
    for start in range(0, size, 2**20):
        yield bytes(min(2**20, size - start))


UPLOAD = Upload(re.compile(r"(/api)?/upload/\d+"), max_bytes=8 * 2**20, seconds=1.5)


async def count(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads as Django does: what is cut off gets no answer."""
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message["body"])
        more = message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})


@pytest.fixture
def uploads(home: Path, free_port: Callable[[], int]) -> Iterator[Served]:
    limits = BodyLimits(count, uploads=(UPLOAD,), seconds=0.5)
    with (
        closing(SqliteEventLog(home / "eventlog.db")) as log,
        serving(log, free_port(), ENDPOINTS, console=limits) as server,
    ):
        yield server


@pytest.fixture
def somebody(people: Any, client_of: Any) -> dict[str, dict[str, str]]:
    """Headers of a member and of a token, by path."""
    session = client_of("viewer").cookies[settings.SESSION_COOKIE_NAME].value
    ApiToken.objects.create(
        workspace=people.workspace, user=people.owner, name="t", role=Role.VIEWER, digest=digest("secret")
    )
    return {
        "/upload/1": {"Cookie": f"{settings.SESSION_COOKIE_NAME}={session}"},
        "/api/upload/1": {"Authorization": "Bearer secret"},
    }


MINE = ["/upload/1", "/api/upload/1"]


@pytest.mark.parametrize("path", MINE)
def test_who_is_somebody_may_upload_more(somebody: Any, uploads: Served, path: str) -> None:
    size = UPLOAD.max_bytes
    answer = uploads.http.request("POST", path, body=bytes(size), headers=somebody[path])
    assert (answer.status, answer.data) == (200, str(size).encode())
    answer = uploads.http.request("POST", path, body=zeros(size), headers=somebody[path])  # chunked
    assert (answer.status, answer.data) == (200, str(size).encode())


@pytest.mark.parametrize("path", MINE)
@pytest.mark.parametrize("body", [bytes(UPLOAD.max_bytes + 1), None])
def test_and_not_more_than_that(somebody: Any, uploads: Served, path: str, body: bytes | None) -> None:
    size = UPLOAD.max_bytes + 1
    answer = uploads.http.request("POST", path, body=body or zeros(size), headers=somebody[path])
    assert answer.status == 413
    assert b"8 MB" in answer.data


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/upload/1", {}),
        ("/upload/1", {"Cookie": f"{settings.SESSION_COOKIE_NAME}=nope"}),
        ("/upload/1", {"Authorization": "Bearer secret"}),
        ("/api/upload/1", {}),
        ("/api/upload/1", {"Authorization": "Bearer nope"}),
        ("/api/upload/1", {"Authorization": "Basic secret"}),
    ],
)
def test_a_stranger_may_not(somebody: Any, uploads: Served, path: str, headers: dict[str, str]) -> None:
    answer = uploads.http.request(
        "POST", path, body=bytes(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1), headers=headers
    )
    assert (answer.status, b"3 MB" in answer.data) == (413, True)


@pytest.mark.parametrize(("method", "path"), [("PUT", "/upload/1"), ("POST", "/upload/1/x"), ("POST", "/x")])
def test_nor_may_a_member_elsewhere(somebody: Any, uploads: Served, method: str, path: str) -> None:
    headers = somebody["/upload/1"]
    assert (
        uploads.http.request(
            method, path, body=bytes(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1), headers=headers
        ).status
        == 413
    )


def test_an_upload_has_its_own_time(somebody: Any, uploads: Served) -> None:
    def trickle(seconds: float) -> Iterator[bytes]:
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            yield b"x"
            time.sleep(0.1)

    headers = somebody["/upload/1"]
    assert uploads.http.request("POST", "/upload/1", body=trickle(0.8), headers=headers).status == 200
    assert uploads.http.request("POST", "/upload/1", body=trickle(2.5), headers=headers).status == 408


def test_only_some_uploads_go_on_at_once(somebody: Any, uploads: Served) -> None:
    (cookie,) = somebody["/upload/1"].items()
    head = (
        f"POST /upload/1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n{': '.join(cookie)}\r\n\r\n"
    )
    waiting = [socket.create_connection(("127.0.0.1", uploads.port), timeout=20) for _ in range(4)]
    for connection in waiting:
        connection.sendall(head.encode() + b"x")
    time.sleep(0.5)
    answer = uploads.http.request("POST", "/upload/1", body=b"x", headers=somebody["/upload/1"])
    assert (answer.status, answer.headers["retry-after"]) == (503, "2")
    for connection in waiting:
        connection.close()


def test_too_much_at_once_is_put_off(home: Path, free_port: Callable[[], int]) -> None:
    limits = BodyLimits(count, budget_bytes=1_000)
    with (
        closing(SqliteEventLog(home / "eventlog.db")) as log,
        serving(log, free_port(), ENDPOINTS, console=limits) as server,
    ):
        assert server.http.request("POST", "/x", body=bytes(1_001)).status == 503
        assert server.http.request("POST", "/x", body=bytes(1_000)).data == b"1000"


def test_a_body_counts_until_it_is_answered() -> None:
    async def story() -> list[int]:
        answered = asyncio.Event()
        statuses: list[int] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            await answered.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})

        async def ask() -> None:
            messages = iter([{"type": "http.request", "body": bytes(800), "more_body": False}])

            async def receive() -> Any:
                return next(messages)

            async def send(message: Any) -> None:
                if message["type"] == "http.response.start":
                    statuses.append(message["status"])

            scope = {"method": "POST", "path": "/x", "headers": [(b"content-length", b"800")]}
            await limits(scope, receive, send)

        limits = BodyLimits(app, budget_bytes=1_000)
        first = asyncio.create_task(ask())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await ask()
        answered.set()
        await first
        await ask()
        return statuses

    assert asyncio.run(story()) == [503, 200, 200]
