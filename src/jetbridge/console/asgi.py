"""The console as one ASGI application: Django for pages, Starlette for static files."""

import asyncio
import logging
from typing import cast

from django.core.handlers.asgi import ASGIHandler
from django.urls import get_resolver
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Router
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from jetbridge.console.assets import FOLDERS
from jetbridge.delivery import isolation
from jetbridge.http.client import CALL_LIMIT

logger = logging.getLogger(__name__)

#: Each call to Mailjet or Segment holds a thread of the pages. Beyond, pages and API answer 503.
CALLS_AT_ONCE, CALLS_TO_ONE_HOST = 16, 8
#: Addresses carry a digest of the content (`{% asset %}`), so a browser need not ask again.
_FOR_EVER = "public, max-age=31536000, immutable"


class _Assets(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        try:
            response = await super().get_response(path, scope)
        except HTTPException as error:
            return PlainTextResponse(error.detail, error.status_code)
        if scope["query_string"].startswith(b"v="):
            response.headers["cache-control"] = _FOR_EVER
        return response


class _Pages:
    """Django, behind the limits of bodies. Exceptions outside of Django (a module that does not load) are logged here, because
    the server logs nothing.
    """

    def __init__(self) -> None:
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if not self._app:  # half a second of imports, which Django would make the endpoints wait for
                self._app = await asyncio.to_thread(_load)
            await self._app(scope, receive, send)
        except Exception:
            logger.exception("The console failed at %s", scope["path"])
            raise


def _load() -> ASGIApp:
    from jetbridge.console.body_limits import BodyLimits  # noqa: PLC0415 - with the first request

    get_resolver().url_patterns  # noqa: B018 - loads every page
    return BodyLimits(cast("ASGIApp", ASGIHandler()))


def _without_trace(record: logging.LogRecord) -> bool:
    """Log a full disk or a locked database without a stack trace: it is no bug, and every request fails by it."""
    error = record.exc_info[1] if record.exc_info else None
    if error and isolation.is_environmental(error):
        record.exc_info, record.exc_text = None, None
        record.msg, record.args = "A page cannot be shown: %s", (str(isolation.as_transient(error)),)
    return True


def application() -> ASGIApp:
    """Django must have been started. Pages are loaded at the first request."""
    CALL_LIMIT.set(CALLS_AT_ONCE, CALLS_TO_ONE_HOST)
    # Unknown paths are not logged; exceptions are, with their stack trace.
    logging.getLogger("django.request").setLevel(logging.ERROR)
    logging.getLogger("django.request").addFilter(_without_trace)
    # Nor are rejected requests (another Host, a body too large): strangers could fill the log with traces.
    logging.getLogger("django.security").setLevel(logging.CRITICAL)
    assets = [Mount(f"/static/{name}", _Assets(directory=folder / name)) for name, folder in FOLDERS.items()]
    return Router(assets, redirect_slashes=False, default=_Pages())
