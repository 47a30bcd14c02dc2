"""The console behind the endpoints: which requests it gets, and that its live pages end with the process."""

import asyncio
from typing import Any

import pytest
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.types import Receive, Scope, Send

from jetbridge.ingest.app import Streams

SCOPE: Scope = {"type": "http", "method": "GET", "path": "/live", "headers": []}


def live_page(kind: str) -> Any:
    """It goes on until its reader has left."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"Content-Type", kind.encode())]}
        )
        assert (await receive())["type"] == "http.request"
        assert (await receive())["type"] == "http.disconnect"

    return app


class Reader:
    """A browser that asks and stays."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self._asked = False

    async def receive(self) -> Any:
        if self._asked:
            await asyncio.Event().wait()
        self._asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(self, message: Any) -> None:
        self.started.set()


async def read(streams: Streams) -> "asyncio.Task[None]":
    reader = Reader()
    task = asyncio.create_task(streams(SCOPE, reader.receive, reader.send))
    await reader.started.wait()
    await asyncio.sleep(0.01)
    return task


def test_a_live_page_ends_when_the_process_stops() -> None:
    async def story() -> None:
        streams = Streams(live_page("text/event-stream; charset=utf-8"))
        tasks = [await read(streams), await read(streams)]
        assert [task.done() for task in tasks] == [False, False]
        streams.end()
        tasks.append(await read(streams))  # one that begins only now
        await asyncio.wait_for(asyncio.gather(*tasks), 5)

    asyncio.run(story())


def test_another_page_is_left_to_end_by_itself() -> None:
    async def story() -> None:
        streams = Streams(live_page("text/html"))
        task = await read(streams)
        streams.end()
        await asyncio.sleep(0.05)
        assert not task.done()
        task.cancel()

    asyncio.run(story())


@pytest.mark.parametrize(
    ("method", "path", "whose"),
    [
        ("GET", "/", "console"),
        ("POST", "/login", "console"),
        ("GET", "/w/1/sources/", "console"),
        ("GET", "/v2", "console"),
        ("GET", "/v1/identify", "endpoints"),
        ("GET", "/v1/nothing", "endpoints"),
        ("OPTIONS", "/v1/batch", "endpoints"),
        ("GET", "/segment", "endpoints"),
        ("POST", "/segment/3", "endpoints"),
        ("POST", "/mailjet/events/x", "endpoints"),
        ("GET", "/healthz", "endpoints"),
        ("DELETE", "/metrics", "endpoints"),
    ],
)
def test_the_doors_keep_their_paths(serve: Any, method: str, path: str, whose: str) -> None:
    console = PlainTextResponse("console")
    response = serve(console=console).http.request(method, path)
    assert (response.data == b"console") == (whose == "console")


def test_a_stream_arrives_piece_by_piece(serve: Any) -> None:
    async def pieces() -> Any:
        for number in range(3):
            yield f"data: {number}\n\n"

    async def console(scope: Scope, receive: Receive, send: Send) -> None:
        await StreamingResponse(pieces(), media_type="text/event-stream")(scope, receive, send)

    assert serve(console=console).get("/live").data == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"
