"""The body of a request at an ingest endpoint: read within bounds, decompressed, refused in Segment's words."""

import zlib
from collections.abc import Generator

from jetbridge.http.request_body import BUSY_RETRY_SECONDS, BodyBudget, BodyError, Receive, read_body
from jetbridge.ingest.responses import HTTPError


async def read_sent_body(
    receive: Receive, headers: dict[bytes, bytes], *, limit: int, seconds: float, budget: BodyBudget
) -> bytes:
    """The body as it was sent. Raises HTTPError: too large, too slow, cut off."""
    try:
        return await read_body(receive, headers, max_bytes=limit, seconds=seconds, budget=budget)
    except BodyError as error:
        raise http_error(error, limit) from None


def http_error(error: BodyError, limit: int) -> HTTPError:
    match error.reason:
        case "too_large":
            return too_large(limit)
        case "timeout":
            return HTTPError(408, "timeout", str(error))
        case "cut_off":
            return HTTPError(400, "cut_off", str(error))
        case "busy":
            return HTTPError(503, "busy", str(error), retry_after_seconds=BUSY_RETRY_SECONDS)


def too_large(limit: int) -> HTTPError:
    # 400 and this wording are Segment's (docs, "HTTP API", errors; Analytics.js FAQ).
    return HTTPError(400, "payload_too_large", f"Exceed payload limit: the body may have {limit} bytes.")


#: A gzip file may have several members. Each costs a copy of the rest, however little it holds.
GZIP_MEMBERS = 16
#: Decompressed in one go; between two goes others may be served.
_CHUNK = 2**19


def decompressed(body: bytes, encoding: bytes, limit: int) -> Generator[None, None, bytes]:
    """Raises HTTPError: too large, or not what its encoding says."""
    name = encoding.strip().lower()
    if name in {b"identity", b""}:
        return body
    if name not in {b"gzip", b"x-gzip"}:
        raise HTTPError(400, "bad_encoding", "The only Content-Encoding taken is gzip.")
    try:
        return (yield from _gunzip(body, limit))
    except zlib.error as error:
        raise HTTPError(400, "bad_encoding", f"The body is not gzip as its header says: {error}.") from None


def _gunzip(body: bytes, limit: int) -> Generator[None, None, bytes]:
    plain = bytearray()
    for _ in range(GZIP_MEMBERS):
        machine = zlib.decompressobj(wbits=31)
        while not machine.eof:
            chunk = machine.decompress(body, _CHUNK)
            plain += chunk
            if len(plain) > limit:
                raise too_large(limit)
            body = machine.unconsumed_tail
            if not (chunk or body or machine.eof):
                raise HTTPError(400, "bad_encoding", "The gzip body ends too early.")
            yield
        body = machine.unused_data
        if not body:
            return bytes(plain)
    raise HTTPError(400, "bad_encoding", f"The gzip body has more than {GZIP_MEMBERS} members.")
