"""Endpoints for a load balancer or monitor: is the process up, does it take messages."""

import time

from django.conf import settings

from jetbridge.control import storage
from jetbridge.ingest.ingestion import Ingestion
from jetbridge.ingest.request import Endpoint, HTTPError, IngestResponse, Request, json_response

#: How long one failed append makes us not ready. Only an append can show that there is room again.
UNREADY_SECONDS = 30.0


async def health_endpoint(_: Request) -> IngestResponse:
    """The process is up."""
    return json_response({"status": "ok"})


def ready_endpoint(ingestion: Ingestion) -> Endpoint:
    async def endpoint(_: Request) -> IngestResponse:
        """The log takes records and the configuration can be read. It says nothing of deliveries, and says so: a process
        that takes messages must go on to get them while deliveries stand still.
        """
        if ingestion.source_auth.error:
            raise _unready("The configuration cannot be read; the log of `jetbridge serve` says why.")
        append_failed_at = ingestion.event_log.append_failed_at
        if append_failed_at is not None and time.monotonic() - append_failed_at < UNREADY_SECONDS:
            raise _unready("The event log rejected the last records.")
        if storage.lack_of_space(settings.CONFIG.home):
            raise _unready("The disk is full.")
        return json_response(
            {"status": "ready", "for": "messages", "deliveries": "see /metrics or `jetbridge status`"}
        )

    return endpoint


async def welcome_endpoint(_: Request) -> IngestResponse:
    return json_response(
        {
            "name": "Jetbridge",
            "what": "Segment and Mailjet, joined in both directions.",
            "endpoints": {
                "Segment's Tracking API": "/v1/",
                "Segment workspaces": "/segment",
                "Mailjet's events": "/mailjet/events/",
            },
            "watch": ["/healthz", "/readyz", "/metrics"],
            "next": "Run `jetbridge status` for what was delivered, `jetbridge doctor` for what is in the way.",
        }
    )


def _unready(detail: str) -> HTTPError:
    return HTTPError(503, "not_ready", detail, retry_after_seconds=5)
