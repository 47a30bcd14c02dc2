"""Reading a request's body within bounds: of size, of time, and of memory over all requests."""

import asyncio
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

from jetbridge.ingest.answer import Refused

Receive = Callable[[], Awaitable[Any]]


class Allowance:
    """How many bytes of bodies may be held at once, by all requests together. Event loop only."""

    def __init__(self, max_bytes: int) -> None:
        self._left = max_bytes

    def take(self, size: int) -> None:
        if size > self._left:
            raise Refused(
                503, "busy", "Too many requests are being read. Send this again.", retry_after_seconds=2
            )
        self._left -= size

    def give_back(self, size: int) -> None:
        self._left += size


async def read_body(
    receive: Receive, headers: dict[bytes, bytes], *, limit: int, seconds: float, allowance: Allowance
) -> bytes:
    """The body, decompressed. Raises Refused: too large, too slow, cut off, not what its encoding says.

    The bytes count against `allowance` while they are being read.
    """
    _refuse_declared(headers, limit)
    reader = _Reader(receive, limit, allowance)
    try:
        async with asyncio.timeout(seconds):
            body = await reader.read()
    except TimeoutError:
        raise Refused(408, "timeout", f"The body did not arrive within {seconds:g} seconds.") from None
    finally:
        reader.give_back()
    encoding = headers.get(b"content-encoding")
    return body if encoding is None else _decompressed(body, encoding, limit)


class _Reader:
    def __init__(self, receive: Receive, limit: int, allowance: Allowance) -> None:
        self._receive = receive
        self._limit = limit
        self._allowance = allowance
        self._held = 0

    async def read(self) -> bytes:
        chunk, more = await self._chunk()
        if not more:
            return chunk
        chunks = [chunk]
        while more:
            chunk, more = await self._chunk()
            chunks.append(chunk)
        return b"".join(chunks)

    def give_back(self) -> None:
        self._allowance.give_back(self._held)

    async def _chunk(self) -> tuple[bytes, bool]:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise Refused(400, "cut_off", "The connection ended before the body did.")
        chunk: bytes = message.get("body", b"")
        self._allowance.take(len(chunk))
        self._held += len(chunk)
        if self._held > self._limit:
            raise too_large(self._limit)
        return chunk, message.get("more_body", False)


def too_large(limit: int) -> Refused:
    # 400 and this wording are Segment's (docs, "HTTP API", errors; Analytics.js FAQ).
    return Refused(400, "payload_too_large", f"Exceed payload limit: the body may have {limit} bytes.")


def _refuse_declared(headers: dict[bytes, bytes], limit: int) -> None:
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared[:20]) > limit:
        raise too_large(limit)


def _decompressed(body: bytes, encoding: bytes, limit: int) -> bytes:
    name = encoding.strip().lower()
    if name in {b"identity", b""}:
        return body
    if name not in {b"gzip", b"x-gzip"}:
        raise Refused(400, "bad_encoding", "The only Content-Encoding taken is gzip.")
    try:
        return _gunzip(body, limit)
    except zlib.error as error:
        raise Refused(400, "bad_encoding", f"The body is not gzip as its header says: {error}.") from None


#: A gzip file may have several members. Each costs a copy of the rest, however little it holds.
GZIP_MEMBERS = 16


def _gunzip(body: bytes, limit: int) -> bytes:
    plain = bytearray()
    for _ in range(GZIP_MEMBERS):
        machine = zlib.decompressobj(wbits=31)
        plain += machine.decompress(body, limit + 1 - len(plain))
        if len(plain) > limit:
            raise too_large(limit)
        if not machine.eof:
            raise Refused(400, "bad_encoding", "The gzip body ends too early.")
        body = machine.unused_data
        if not body:
            return bytes(plain)
    raise Refused(400, "bad_encoding", f"The gzip body has more than {GZIP_MEMBERS} members.")
