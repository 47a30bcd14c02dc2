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

logger = logging.getLogger(__name__)

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
        response.headers["x-content-type-options"] = "nosniff"
        return response


class _Pages:
    """Django. What breaks outside of its own care (a module that does not load) is logged: the server is silent."""

    def __init__(self) -> None:
        self._django = cast("ASGIApp", ASGIHandler())
        self._loaded = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if not self._loaded:  # half a second of imports, which Django would make the doors wait for
                await asyncio.to_thread(lambda: get_resolver().url_patterns)
                self._loaded = True
            await self._django(scope, receive, send)
        except Exception:
            logger.exception("The console broke at %s", scope["path"])
            raise


def application() -> ASGIApp:
    """Django must have been started. Pages are loaded at the first request."""
    # An unknown path is answered with a page, and is no news; what breaks is still logged with its trace.
    logging.getLogger("django.request").setLevel(logging.ERROR)
    # Nor is a refused one (a Host that is not ours, a body too large): strangers could fill the log with traces.
    logging.getLogger("django.security").setLevel(logging.CRITICAL)
    assets = [Mount(f"/static/{name}", _Assets(directory=folder / name)) for name, folder in FOLDERS.items()]
    return Router(assets, redirect_slashes=False, default=_Pages())
