"""Pages for those who watch over Jetbridge: is it up, is it able, what has it done."""

import asyncio
import hmac
import time
from collections.abc import Callable
from concurrent.futures import Executor

from django.conf import settings

from jetbridge.control import storage
from jetbridge.ingest.answer import Answer, Refused, json_answer
from jetbridge.ingest.intake import Intake
from jetbridge.ingest.request import Door, Request

#: How long one refused append makes us not ready. Only an append can show that there is room again.
UNREADY_SECONDS = 30.0

#: The text format of Prometheus.
_METRICS_TYPE = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")


async def health_door(_: Request) -> Answer:
    """The process is up."""
    return json_answer({"status": "ok"})


def ready_door(intake: Intake) -> Door:
    async def door(_: Request) -> Answer:
        """The log takes records and the configuration can be read. It says nothing of deliveries, and says so: a process
        that takes messages must go on to get them while deliveries stand still.
        """
        if intake.callers.trouble:
            raise _unready("The configuration cannot be read; the log of `jetbridge serve` says why.")
        refused_at = intake.log.refused_at
        if refused_at is not None and time.monotonic() - refused_at < UNREADY_SECONDS:
            raise _unready("The event log refused the last records.")
        if storage.lack_of_space(settings.CONFIG.home):
            raise _unready("The disk is full.")
        return json_answer(
            {"status": "ready", "for": "messages", "deliveries": "see /metrics or `jetbridge status`"}
        )

    return door


def metrics_door(collect: Callable[[], bytes], executor: Executor, token: str) -> Door:
    """`collect` may block; it runs in `executor`. Without a `token` there are no metrics: they name people's sources."""

    async def door(request: Request) -> Answer:
        if not token:
            raise Refused(
                404, "metrics_off", "Set JETBRIDGE_METRICS_TOKEN, and send it as Authorization: Bearer TOKEN."
            )
        scheme, _, credentials = request.headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer" or not hmac.compare_digest(credentials.strip(), token.encode()):
            raise Refused(
                401,
                "unauthorized",
                "Send the token of JETBRIDGE_METRICS_TOKEN as Authorization: Bearer TOKEN.",
                authenticate='Bearer realm="Jetbridge metrics"',
            )
        text = await asyncio.get_running_loop().run_in_executor(executor, collect)
        return Answer(200, text, [_METRICS_TYPE])

    return door


async def welcome_door(_: Request) -> Answer:
    return json_answer(
        {
            "name": "Jetbridge",
            "what": "Segment and Mailjet, joined in both directions.",
            "doors": {
                "Segment's Tracking API": "/v1/",
                "Segment workspaces": "/segment",
                "Mailjet's events": "/mailjet/events/",
            },
            "watch": ["/healthz", "/readyz", "/metrics"],
            "next": "Run `jetbridge status` for what was delivered, `jetbridge check` for what is in the way.",
        }
    )


def _unready(sentence: str) -> Refused:
    return Refused(503, "not_ready", sentence, retry_after_seconds=5)
