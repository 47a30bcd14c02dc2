"""HTTP at the ingest endpoints: requests read within bounds, responses and errors that every SDK understands.

Plain ASGI instead of Starlette's Request and Response: a bare route serves about twice as many requests.

Every error is JSON that no SDK misreads. Segment's Python library retries an error whose body has no `code`; Java's needs a boolean
`success`; Ruby's shows `error`; Segment itself shows `message` in its debugger. So every error has all four.

Any web page may send to /v1/*, with or without credentials, and to nothing else. Analytics.js from 1.84.0 on sends Authorization
and X-Retry-Count, so every event has a preflight; its response is kept as long as browsers allow. Retry-After must be exposed, or
JavaScript cannot read it. There are no cookies on these paths, so allowing credentials gives nothing away.
"""

import asyncio
import base64
import binascii
import logging
import time
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, MutableMapping
from typing import Any, NamedTuple, TypeVar

import msgspec

from jetbridge.errors import Backpressure, JetbridgeError, MessageRejected
from jetbridge.http.request_body import BUSY_RETRY_SECONDS, BodyBudget, BodyError, Receive, read_body

Scope = MutableMapping[str, Any]
Send = Callable[[Any], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
T = TypeVar("T")

log = logging.getLogger(__name__)

#: Paths that web pages of other origins may use.
CORS_PREFIX = "/v1/"
#: Firefox keeps a preflight's response a day; Chrome takes its own maximum of two hours.
PREFLIGHT_SECONDS = 86_400
#: How long one piece of long work may hold the event loop. All that run at once share one slice per turn of the loop.
SLICE_SECONDS = 0.005
#: A gzip file may have several members. Each costs a copy of the rest, however little it holds.
GZIP_MEMBERS = 16
#: Decompressed in one go; between two goes others may be served.
_CHUNK = 2**19

_JSON = (b"content-type", b"application/json")


class IngestResponse(NamedTuple):
    status: int
    body: bytes
    headers: Headers


def json_response(value: object, status: int = 200) -> IngestResponse:
    return IngestResponse(status, msgspec.json.encode(value), [_JSON])


#: Exactly 200 and exactly this: PHP's library loops for ever on 201 or 204, Java's needs the body.
SUCCESS = IngestResponse(200, b'{"success": true}', [_JSON])


class HTTPError(JetbridgeError):
    """The request gets this status; `code` is stable, `detail` is for a person."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        retry_after_seconds: int | None = None,
        allow: str = "",
        authenticate: str = "",
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.retry_after_seconds = retry_after_seconds
        self.allow = allow
        self.authenticate = authenticate


def error_response(error: HTTPError) -> IngestResponse:
    detail = str(error)
    response = json_response(
        {"success": False, "code": error.code, "message": detail, "error": detail}, error.status
    )
    if error.retry_after_seconds is not None:
        wait = str(error.retry_after_seconds).encode()
        response.headers.extend([(b"retry-after", wait), (b"x-ratelimit-reset", wait)])
    if error.allow:
        response.headers.append((b"allow", error.allow.encode()))
    if error.authenticate:
        response.headers.append((b"www-authenticate", error.authenticate.encode()))
    return response


def cors_headers(origin: bytes) -> Headers:
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-expose-headers", b"Retry-After, X-RateLimit-Reset"),
        (b"vary", b"Origin"),
    ]


class Admission:
    """Admission control of all requests: what their bodies may hold together, their shares of the event loop, rejections.

    Event loop only.
    """

    def __init__(self, *, max_body_bytes: int = 128_000_000, body_seconds: float = 20.0) -> None:
        """`max_body_bytes` is what all bodies that are being read may hold together, `body_seconds` how long
        one of them may take to arrive.
        """
        self._body_seconds = body_seconds
        self._body_budget = BodyBudget(max_body_bytes)
        self._slice_lock = asyncio.Lock()
        #: Rejected requests, by code.
        self.rejected: Counter[str] = Counter()

    def reject(self, error: HTTPError | MessageRejected | Backpressure) -> HTTPError:
        """Count a request that was not taken; the error that it gets."""
        if isinstance(error, MessageRejected):
            error = HTTPError(400, error.code, str(error))
        elif isinstance(error, Backpressure):
            error = HTTPError(
                503, "unavailable", error.public_message, retry_after_seconds=error.retry_after_seconds
            )
        self.rejected[error.code] += 1
        return error

    async def read(self, receive: Receive, headers: dict[bytes, bytes], limit: int) -> bytes:
        """A body, decompressed, at most `limit` bytes. Raises HTTPError: too large, too slow, cut off, not gzip."""
        try:
            body = await read_body(
                receive, headers, max_bytes=limit, seconds=self._body_seconds, budget=self._body_budget
            )
        except BodyError as error:
            raise _http_error(error, limit) from None
        encoding = headers.get(b"content-encoding")
        return body if encoding is None else await self.work(limit, _decompressed(body, encoding, limit))

    async def work(self, size: int, steps: Generator[None, None, T]) -> T:
        """What long work on a body of `size` bytes returns; others are served between its slices.

        What fits into one slice is done at once. Raises what the work raises, and HTTPError: too many bodies are held at once.
        """
        try:
            self._body_budget.take(size)
        except BodyError as error:
            raise _http_error(error, size) from None
        try:
            _run_slice(steps)
            while True:
                async with self._slice_lock:
                    await asyncio.sleep(0)
                    _run_slice(steps)
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            self._body_budget.give_back(size)


def _run_slice(steps: Generator[None, None, object]) -> None:
    """Raises StopIteration at the end."""
    until = time.perf_counter() + SLICE_SECONDS
    while time.perf_counter() < until:
        next(steps)


class Request:
    """Headers by lower-case name; of several with one name, the last."""

    __slots__ = ("_receive", "admission", "headers", "scope")

    def __init__(self, scope: Scope, receive: Receive, admission: Admission) -> None:
        self.scope = scope
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.admission = admission
        self._receive = receive

    async def body(self, limit: int) -> bytes:
        """The body, decompressed, at most `limit` bytes. Raises HTTPError."""
        return await self.admission.read(self._receive, self.headers, limit)

    def param(self, name: str) -> str:
        """A part of the path."""
        return str(self.scope["path_params"][name])

    def client_address(self) -> str | None:
        """The address of the sender, as the trusted proxies report it (`proxies.TrustedProxies`)."""
        client = self.scope["client"]
        return client[0] if client else None

    def basic_user(self) -> str | None:
        """The user name of HTTP Basic, with or without the colon after it; None if there is none to read.

        A Bearer token names no source; its sender puts the write key into the body.
        """
        scheme, _, encoded = self.headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"basic":
            return None
        try:
            text = base64.b64decode(encoded.strip() + b"==").decode()
        except (binascii.Error, UnicodeDecodeError):
            return None
        return text.partition(":")[0] or None


#: Responds to a request. May raise HTTPError, MessageRejected (400) or Backpressure (503).
Endpoint = Callable[[Request], Awaitable[IngestResponse]]


class EndpointApp:
    """The ASGI application of an endpoint: a request gets a response whatever happens."""

    def __init__(self, endpoint: Endpoint, admission: Admission) -> None:
        self._endpoint = endpoint
        self._admission = admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, self._admission)
        try:
            response = await self._endpoint(request)
        except (HTTPError, MessageRejected, Backpressure) as error:
            response = error_response(self._admission.reject(error))
        except Exception:
            log.exception("A request to %s failed unexpectedly.", scope["path"])
            detail = "Jetbridge failed on this request; its log says why."
            response = error_response(HTTPError(500, "internal", detail))
        headers = response.headers
        if b"origin" in request.headers and scope["path"].startswith(CORS_PREFIX):
            headers = headers + cors_headers(request.headers[b"origin"])
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body})


async def preflight_endpoint(request: Request) -> IngestResponse:
    """OPTIONS, besides `cors_headers`, whatever the path: the SDK allows any header."""
    requested = request.headers.get(
        b"access-control-request-headers", b"authorization, content-type, x-retry-count"
    )
    return IngestResponse(
        200,
        b"",
        [
            (b"access-control-allow-methods", b"GET, HEAD, POST, OPTIONS"),
            (b"access-control-allow-headers", requested),
            (b"access-control-max-age", str(PREFLIGHT_SECONDS).encode()),
            (b"allow", b"GET, HEAD, POST, OPTIONS"),
        ],
    )


def _http_error(error: BodyError, limit: int) -> HTTPError:
    match error.reason:
        case "too_large":
            return _too_large(limit)
        case "timeout":
            return HTTPError(408, "timeout", str(error))
        case "cut_off":
            return HTTPError(400, "cut_off", str(error))
        case "busy":
            return HTTPError(503, "busy", str(error), retry_after_seconds=BUSY_RETRY_SECONDS)


def _too_large(limit: int) -> HTTPError:
    # 400 and this wording are Segment's (docs, "HTTP API", errors; Analytics.js FAQ).
    return HTTPError(400, "payload_too_large", f"Exceed payload limit: the body may have {limit} bytes.")


def _decompressed(body: bytes, encoding: bytes, limit: int) -> Generator[None, None, bytes]:
    """Raises HTTPError: too large, or not what its encoding says."""
    name = encoding.strip().lower()
    if name in {b"identity", b""}:
        return body
    if name not in {b"gzip", b"x-gzip"}:
        raise HTTPError(400, "bad_encoding", "The only Content-Encoding taken is gzip.")
    plain = bytearray()
    for _ in range(GZIP_MEMBERS):
        machine = zlib.decompressobj(wbits=31)
        while not machine.eof:
            try:
                chunk = machine.decompress(body, _CHUNK)
            except zlib.error as error:
                detail = f"The body is not gzip as its header says: {error}."
                raise HTTPError(400, "bad_encoding", detail) from None
            plain += chunk
            if len(plain) > limit:
                raise _too_large(limit)
            body = machine.unconsumed_tail
            if not (chunk or body or machine.eof):
                raise HTTPError(400, "bad_encoding", "The gzip body ends too early.")
            yield
        body = machine.unused_data
        if not body:
            return bytes(plain)
    raise HTTPError(400, "bad_encoding", f"The gzip body has more than {GZIP_MEMBERS} members.")
