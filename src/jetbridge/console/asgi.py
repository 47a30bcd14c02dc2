"""The console as one ASGI application: Django for pages, Starlette for static files."""

import logging
from typing import cast

from django.core.handlers.asgi import ASGIHandler
from starlette.responses import Response
from starlette.routing import Mount, Router
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Scope

from jetbridge.console.assets import FOLDERS

#: Addresses carry a digest of the content (`{% asset %}`), so a browser need not ask again.
_FOR_EVER = "public, max-age=31536000, immutable"


class _Assets(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if scope["query_string"].startswith(b"v="):
            response.headers["cache-control"] = _FOR_EVER
        response.headers["x-content-type-options"] = "nosniff"
        return response


def application() -> ASGIApp:
    """Django must have been started. Pages are loaded at the first request."""
    # An unknown path is answered with a page, and is no news; what breaks is still logged with its trace.
    logging.getLogger("django.request").setLevel(logging.ERROR)
    return Router(
        [
            *(Mount(f"/static/{name}", _Assets(directory=folder / name)) for name, folder in FOLDERS.items()),
            Mount("/", cast("ASGIApp", ASGIHandler())),
        ]
    )
