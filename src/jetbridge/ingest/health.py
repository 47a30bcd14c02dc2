"""Pages for those who watch over Jetbridge: is it up, is it able, what has it done."""

import asyncio
import hmac
import time
from collections.abc import Callable
from concurrent.futures import Executor

from django.conf import settings

from jetbridge.control import storage
from jetbridge.ingest.ingestion import Ingestion
from jetbridge.ingest.request import Endpoint, Request
from jetbridge.ingest.responses import HTTPError, IngestResponse, json_response

#: How long one refused append makes us not ready. Only an append can show that there is room again.
UNREADY_SECONDS = 30.0

#: The text format of Prometheus.
_METRICS_TYPE = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")


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
        append_failed_at = ingestion.log.append_failed_at
        if append_failed_at is not None and time.monotonic() - append_failed_at < UNREADY_SECONDS:
            raise _unready("The event log refused the last records.")
        if storage.lack_of_space(settings.CONFIG.home):
            raise _unready("The disk is full.")
        return json_response(
            {"status": "ready", "for": "messages", "deliveries": "see /metrics or `jetbridge status`"}
        )

    return endpoint


def metrics_endpoint(collect: Callable[[], bytes], executor: Executor, token: str) -> Endpoint:
    """`collect` may block; it runs in `executor`. Without a `token` there are no metrics: they name people's sources."""

    async def endpoint(request: Request) -> IngestResponse:
        if not token:
            raise HTTPError(
                404, "metrics_off", "Set JETBRIDGE_METRICS_TOKEN, and send it as Authorization: Bearer TOKEN."
            )
        scheme, _, credentials = request.headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer" or not hmac.compare_digest(credentials.strip(), token.encode()):
            raise HTTPError(
                401,
                "unauthorized",
                "Send the token of JETBRIDGE_METRICS_TOKEN as Authorization: Bearer TOKEN.",
                authenticate='Bearer realm="Jetbridge metrics"',
            )
        text = await asyncio.get_running_loop().run_in_executor(executor, collect)
        return IngestResponse(200, text, [_METRICS_TYPE])

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
