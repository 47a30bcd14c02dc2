"""How much the body of a request for a page or the API may hold, counted before Django sees it.

Django would spool any body of anybody to disk, on any path, as slowly as it comes. A body of the usual size is
read here first, within bounds; Django gets it whole or not at all. Uploads have bounds of their own, and are
passed on as they come: only for who proves to be somebody before a byte is read.
"""

import asyncio
import re
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user
from django.core.handlers.asgi import ASGIRequest
from django.db import close_old_connections
from django.template.loader import render_to_string
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jetbridge.console.middleware import HEADERS
from jetbridge.control.api_tokens import InvalidToken, authenticate
from jetbridge.control.sessions import SessionStore
from jetbridge.http.problem import API_PREFIX, PROBLEM_JSON, PROBLEM_TYPES, problem_json
from jetbridge.http.request_body import (
    BUSY_RETRY_SECONDS,
    BodyBudget,
    BodyError,
    has_body,
    next_chunk,
    read_body,
    reject_declared,
    timed_out,
    too_large,
)

SECONDS = 20.0
#: What all usual bodies may hold together until they are answered.
BUDGET_BYTES = 64 * 2**20
UPLOADS_AT_ONCE = 4

#: What is wrong with a body -> the code of its problem, whose status pages have, too.
_CODES = {
    "too_large": "BODY_TOO_LARGE",
    "timeout": "REQUEST_TIMEOUT",
    "cut_off": "BAD_REQUEST",
    "busy": "UNAVAILABLE",
}


@dataclass(frozen=True)
class Upload:
    """`path` is matched whole. A POST of a member, or of a token below /api/, may hold so much for so long."""

    path: re.Pattern[str]
    max_bytes: int
    seconds: float


#: Paths whose bodies may be larger than those of others. The view has to check role and workspace, as ever.
UPLOADS = (
    # Files of people. One of 100 MB has about a million rows.
    Upload(re.compile(r"/w/\d+/sources/\d+/import|/api/v1/sources/\d+/imports"), 100 * 2**20, 600.0),
)


class BodyLimits:
    """An ASGI application in front of Django. Event loop only."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        uploads: tuple[Upload, ...] = UPLOADS,
        seconds: float = SECONDS,
        budget_bytes: int = BUDGET_BYTES,
    ) -> None:
        self._app = app
        self._uploads = uploads
        self._seconds = seconds
        self._budget = BodyBudget(budget_bytes)
        self._uploading = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not has_body(scope["headers"]):
            await self._app(scope, receive, send)
            return
        try:
            upload = await self._upload_of(scope)
            if upload:
                await self._stream(upload, scope, receive, send)
            else:
                await self._whole(scope, receive, send)
        except BodyError as error:
            await _respond(error, scope, send)

    async def _upload_of(self, scope: Scope) -> Upload | None:
        if scope["method"] != "POST":
            return None
        for upload in self._uploads:
            if upload.path.fullmatch(scope["path"]) and await sync_to_async(_is_somebody)(scope):
                return upload
        return None

    async def _whole(self, scope: Scope, receive: Receive, send: Send) -> None:
        body: bytes | None = await read_body(
            receive,
            dict(scope["headers"]),
            max_bytes=settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
            seconds=self._seconds,
            budget=self._budget,
        )
        size = len(body or b"")

        async def receive_whole() -> Message:
            nonlocal body
            if body is None:
                return await receive()  # that the client has left
            message = {"type": "http.request", "body": body, "more_body": False}
            body = None
            return message

        self._budget.take(size)
        try:
            await self._app(scope, receive_whole, send)
        finally:
            self._budget.give_back(size)

    async def _stream(self, upload: Upload, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises BodyError if Django has not had the whole body, and therefore has not answered."""
        reject_declared(dict(scope["headers"]), upload.max_bytes)
        if self._uploading >= UPLOADS_AT_ONCE:
            raise BodyError("busy", "Too many files are being uploaded. Send this again.")
        ends_at = asyncio.get_running_loop().time() + upload.seconds
        left, more = upload.max_bytes, True
        error: BodyError | None = None

        async def receive_bounded() -> Message:
            nonlocal left, more, error
            if not more:
                return await receive()
            try:
                async with asyncio.timeout_at(ends_at):
                    chunk, more = await next_chunk(receive)
                left -= len(chunk)
                if left < 0:
                    error = too_large(upload.max_bytes)
            except TimeoutError:
                error = timed_out(upload.seconds)
            except BodyError as refused:
                error = refused
            if error:
                return {"type": "http.disconnect"}  # Django drops what it has, and says nothing
            return {"type": "http.request", "body": chunk, "more_body": more}

        self._uploading += 1
        try:
            await self._app(scope, receive_bounded, send)
        finally:
            self._uploading -= 1
        if error:
            raise error


def _is_somebody(scope: Scope) -> bool:
    """Whether it comes with a session that is logged in, or below /api/ with a token. Reads the database."""
    request: Any = ASGIRequest(scope, BytesIO())
    try:
        if scope["path"].startswith(API_PREFIX):
            return bool(authenticate(request.headers.get("authorization", "")))
        request.session = SessionStore(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
        return bool(get_user(request).is_authenticated)
    except InvalidToken:
        return False
    finally:
        close_old_connections()  # as Django does after a request: this is none yet


async def _respond(error: BodyError, scope: Scope, send: Send) -> None:
    code = _CODES[error.reason]
    if scope["path"].startswith(API_PREFIX):
        body, content_type = problem_json(code, str(error)), PROBLEM_JSON
    else:
        body, content_type = _page(error.reason, str(error)), "text/html; charset=utf-8"
    headers = HEADERS | {"Content-Type": content_type}
    if error.reason == "busy":
        headers |= {"Retry-After": str(BUSY_RETRY_SECONDS)}
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": PROBLEM_TYPES[code].status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


@cache
def _page(reason: str, message: str) -> bytes:
    """One for each bound: strangers cannot make it render again and again."""
    return render_to_string("console/errors/body.html", {"reason": reason, "message": message}).encode()
