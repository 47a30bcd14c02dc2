"""Which path leads to which endpoint."""

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec

from starlette.exceptions import HTTPException
from starlette.requests import Request as StarletteRequest
from starlette.responses import Response
from starlette.routing import Route

from jetbridge.ingest import health, tracking
from jetbridge.ingest.cors import CORS_PREFIX, cors_headers
from jetbridge.ingest.ingestion import Ingestion
from jetbridge.ingest.pixel import pixel_endpoint
from jetbridge.ingest.request import Endpoint, EndpointApp
from jetbridge.ingest.responses import HTTPError, error_response
from jetbridge.ingest.sdk_settings import sdk_settings_endpoint
from jetbridge.ingest.webhook import webhook_endpoint
from jetbridge.integrations import registry

#: Endpoints of integrations, by the first part of their paths: the name of the folder. They are found without loading what it brings.
_OF_INTEGRATIONS = {
    package.rpartition(".")[2]: f"{package}.endpoints"
    for package in registry.INTEGRATIONS
    if find_spec(f"{package}.endpoints")
}
#: First parts of paths that belong to endpoints, whatever follows.
_FIRST_PARTS = {"v1", "segment", "healthz", "readyz", "metrics", *_OF_INTEGRATIONS}

#: What Segment's Webhooks (Actions) destination may be told to use.
_WEBHOOK_METHODS = ["POST", "PUT", "PATCH"]


def is_ingest_path(path: str) -> bool:
    """Whether a path is for an endpoint to answer, if only to say that there is nothing."""
    return path[1:].partition("/")[0] in _FIRST_PARTS


def sdk_endpoints(ingestion: Ingestion) -> dict[str, Endpoint]:
    """The endpoints that SDKs post to."""
    endpoints = {path: tracking.tracking_endpoint(ingestion, kind) for path, kind in tracking.PATHS.items()}
    return endpoints | {"/v1/m": tracking.metrics_endpoint}


def routes(
    ingestion: Ingestion,
    hot: Mapping[str, EndpointApp],
    public_url: str,
    metrics: Endpoint,
) -> list[Route]:
    """All routes. The hot ones again, so that the router can say what else a path takes."""

    def get(path: str, endpoint: Endpoint) -> Route:
        return Route(path, EndpointApp(endpoint, ingestion), methods=["GET"])

    webhook = EndpointApp(webhook_endpoint(ingestion), ingestion)
    return [
        *(Route(path, app, methods=["POST"]) for path, app in hot.items()),
        get("/v1/pixel/{call}", pixel_endpoint(ingestion)),
        get("/v1/projects/{write_key}/settings", sdk_settings_endpoint(ingestion, public_url)),
        Route("/segment", webhook, methods=_WEBHOOK_METHODS),
        Route("/segment/{source_id:int}", webhook, methods=_WEBHOOK_METHODS),
        *(route for module in _OF_INTEGRATIONS.values() for route in import_module(module).routes(ingestion)),
        get("/healthz", health.health_endpoint),
        get("/readyz", health.ready_endpoint(ingestion)),
        get("/metrics", metrics),
        get("/", health.welcome_endpoint),
    ]


async def respond_to_error(request: StarletteRequest, error: Exception) -> Response:
    """Unknown paths and wrong methods, in the words of all other refusals."""
    assert isinstance(error, HTTPException)
    path, allow = request.url.path[:200], (error.headers or {}).get("Allow", "")
    response = error_response(
        HTTPError(405, "method_not_allowed", f"{path} takes {allow}.", allow=allow)
        if error.status_code == 405
        else HTTPError(error.status_code, "not_found", f"There is nothing at {path}.")
    )
    starlette_response = Response(response.body, response.status)
    starlette_response.raw_headers.extend(response.headers)
    origin = request.headers.get("origin")
    if origin and path.startswith(CORS_PREFIX):
        starlette_response.raw_headers.extend(cors_headers(origin.encode("latin-1")))
    return starlette_response
