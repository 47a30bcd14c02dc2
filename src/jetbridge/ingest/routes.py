"""Which path leads to which door."""

from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request as StarletteRequest
from starlette.responses import Response
from starlette.routing import Route

from jetbridge.ingest import tracking, watch
from jetbridge.ingest.answer import Refused, refusal
from jetbridge.ingest.cors import CORS_PREFIX, cors_headers
from jetbridge.ingest.intake import Intake
from jetbridge.ingest.mailjet_events import mailjet_events_door
from jetbridge.ingest.pixel import pixel_door
from jetbridge.ingest.request import Door, DoorApp
from jetbridge.ingest.sdk_settings import sdk_settings_door
from jetbridge.ingest.webhook import webhook_door

#: First parts of paths that belong to doors, whatever follows.
_DOORS = {"v1", "segment", "mailjet", "healthz", "readyz", "metrics"}

#: What Segment's Webhooks (Actions) destination may be told to use.
_WEBHOOK_METHODS = ["POST", "PUT", "PATCH"]


def is_doors(path: str) -> bool:
    """Whether a path is for a door to answer, if only to say that there is nothing."""
    return path[1:].partition("/")[0] in _DOORS


def hot_doors(intake: Intake) -> dict[str, Door]:
    """The doors that SDKs post to."""
    doors = {path: tracking.tracking_door(intake, kind) for path, kind in tracking.PATHS.items()}
    return doors | {"/v1/m": tracking.metrics_door}


def routes(
    intake: Intake,
    hot: Mapping[str, DoorApp],
    public_url: str,
    metrics: Door,
) -> list[Route]:
    """All routes. The hot ones again, so that the router can say what else a path takes."""

    def get(path: str, door: Door) -> Route:
        return Route(path, DoorApp(door, intake), methods=["GET"])

    webhook = DoorApp(webhook_door(intake), intake)
    return [
        *(Route(path, app, methods=["POST"]) for path, app in hot.items()),
        get("/v1/pixel/{call}", pixel_door(intake)),
        get("/v1/projects/{write_key}/settings", sdk_settings_door(intake, public_url)),
        Route("/segment", webhook, methods=_WEBHOOK_METHODS),
        Route("/segment/{source_id:int}", webhook, methods=_WEBHOOK_METHODS),
        Route("/mailjet/events/{token}", DoorApp(mailjet_events_door(intake), intake), methods=["POST"]),
        get("/healthz", watch.health_door),
        get("/readyz", watch.ready_door(intake)),
        get("/metrics", metrics),
        get("/", watch.welcome_door),
    ]


async def refuse(request: StarletteRequest, error: Exception) -> Response:
    """Unknown paths and wrong methods, in the words of all other refusals."""
    assert isinstance(error, HTTPException)
    path, allow = request.url.path[:200], (error.headers or {}).get("Allow", "")
    refused = (
        Refused(405, "method_not_allowed", f"{path} takes {allow}.", allow=allow)
        if error.status_code == 405
        else Refused(error.status_code, "not_found", f"There is nothing at {path}.")
    )
    answer = refusal(refused)
    response = Response(answer.body, answer.status)
    response.raw_headers.extend(answer.headers)
    origin = request.headers.get("origin")
    if origin and path.startswith(CORS_PREFIX):
        response.raw_headers.extend(cors_headers(origin.encode("latin-1")))
    return response
