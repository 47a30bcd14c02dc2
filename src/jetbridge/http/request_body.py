"""Reading the body of an ASGI request within bounds: of size, of time, and of memory over all requests.

Ingest and the pages share it; each says in its own words why a body was not taken.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Literal

from jetbridge.errors import JetbridgeError

Receive = Callable[[], Awaitable[Any]]

#: How much is read on of a body that was not taken, and for how long.
DRAIN_BYTES = 64 * 2**20
DRAIN_SECONDS = 10.0

BUSY_RETRY_SECONDS = 2


class BodyError(JetbridgeError):
    """The body is not taken. After `cut_off` hardly anybody is there to read the response."""

    def __init__(self, reason: Literal["too_large", "timeout", "cut_off", "busy"], message: str) -> None:
        super().__init__(message)
        self.reason = reason


class BodyBudget:
    """How many bytes of bodies may be held at once, by all requests together. Event loop only."""

    def __init__(self, max_bytes: int) -> None:
        self._left = max_bytes

    def take(self, size: int) -> None:
        """Raises BodyError."""
        if size > self._left:
            raise BodyError("busy", "Too many requests are being read. Send this again.")
        self._left -= size

    def give_back(self, size: int) -> None:
        self._left += size


async def read_body(
    receive: Receive, headers: Mapping[bytes, bytes], *, max_bytes: int, seconds: float, budget: BodyBudget
) -> bytes:
    """The whole body, as it was sent. Raises BodyError; a declared length that is too large before it reads.

    The bytes count against `budget` while they are being read.
    """
    reject_declared(headers, max_bytes)
    size = 0
    chunks: list[bytes] = []
    more = True
    try:
        async with asyncio.timeout(seconds):
            while more:
                chunk, more = await next_chunk(receive)
                budget.take(len(chunk))
                size += len(chunk)
                if size > max_bytes:
                    raise too_large(max_bytes)
                chunks.append(chunk)
    except TimeoutError:
        raise timed_out(seconds) from None
    finally:
        budget.give_back(size)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def next_chunk(receive: Receive) -> tuple[bytes, bool]:
    """The next piece of a body, and whether there is more. Raises BodyError."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise BodyError("cut_off", "The connection ended before the body did.")
    return message.get("body", b""), message.get("more_body", False)


def reject_declared(headers: Mapping[bytes, bytes], max_bytes: int) -> None:
    """Raises BodyError."""
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared[:20]) > max_bytes:
        raise too_large(max_bytes)


def timed_out(seconds: float) -> BodyError:
    return BodyError("timeout", f"The body did not arrive within {seconds:g} seconds.")


def too_large(max_bytes: int) -> BodyError:
    size = f"{max_bytes / 2**20:g} MB" if max_bytes % 2**20 == 0 else f"{max_bytes} bytes"
    return BodyError("too_large", f"The body is too large: at most {size} are taken here.")


def has_body(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether an HTTP/1.1 request has a body, by RFC 9112, 6.3."""
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in headers
    )


class BodyWatch:
    """`receive` that knows how much of the body was read, so that what is left can be read on.

    A server that closes a connection while bytes arrive resets it, and the sender may never see the response.
    """

    __slots__ = ("_ended", "_read", "_receive")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._read = 0
        self._ended = False

    async def receive(self) -> Any:
        message = await self._receive()
        self._read += len(message.get("body", b""))
        if not message.get("more_body", False):
            self._ended = True
        return message

    def has_rest(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether the sender may still be sending. Who sent `Expect: 100-continue` and was answered at once is not."""
        if self._ended or not has_body(headers):
            return False
        return bool(self._read) or all(name != b"expect" for name, _ in headers)

    async def drain(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Read on after the response, within bounds.

        A body of declared length ends where that is reached: granian does not always report it once the response is out.
        """
        declared = dict(headers).get(b"content-length", b"")
        end = self._read + DRAIN_BYTES
        if declared.isdigit():
            end = min(end, int(declared[:20]))
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while not self._ended and self._read < end:
                    await self.receive()
