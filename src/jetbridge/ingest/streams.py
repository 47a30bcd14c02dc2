"""Live pages: answers that go on until their reader leaves. At a stop we leave for them.

The server waits for every answer to end, and would wait for these for ever.
"""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_STREAM = b"text/event-stream"


class Streams:
    """An application around an application. Event loop only."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._streams: set[asyncio.Event] = set()
        self._ended = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ended = asyncio.Event()

        async def receive_or_end() -> Message:
            return await _first(receive, ended)

        async def watched_send(message: Message) -> None:
            if _begins_stream(message):
                self._streams.add(ended)
                if self._ended:
                    ended.set()
            await send(message)

        try:
            await self._app(scope, receive_or_end, watched_send)
        finally:
            self._streams.discard(ended)

    def end(self) -> None:
        """Tell all streams, and those that begin from now on, that their reader has left."""
        self._ended = True
        for stream in self._streams:
            stream.set()


def _begins_stream(message: Message) -> bool:
    return message["type"] == "http.response.start" and any(
        name.lower() == b"content-type" and value.startswith(_STREAM) for name, value in message["headers"]
    )


async def _first(receive: Receive, ended: asyncio.Event) -> Message:
    """The next message, or that the reader has left once `ended` is set."""
    message, end = asyncio.ensure_future(receive()), asyncio.ensure_future(ended.wait())
    try:
        await asyncio.wait({message, end}, return_when=asyncio.FIRST_COMPLETED)
        return message.result() if message.done() else {"type": "http.disconnect"}
    finally:
        message.cancel()
        end.cancel()
