"""The endpoint /metrics: the same account that `jetbridge status` shows, counted nowhere else.

Everything but rejected requests comes from the event log and the ledger, so it survives restarts.
"""

import asyncio
import hmac
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from operator import itemgetter

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from jetbridge.delivery.base import FAILED, FILTERED
from jetbridge.delivery.report import DestinationReport, SourceReport, report, sources
from jetbridge.eventlog.base import EventLog
from jetbridge.ingest.request import Endpoint, HTTPError, IngestResponse, Request
from jetbridge.services.queries import health
from jetbridge.services.queries.health import Health

#: The text format of Prometheus.
_METRICS_TYPE = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")


def metrics_endpoint(
    event_log: EventLog, rejected_requests: Mapping[str, int], executor: Executor, token: str
) -> Endpoint:
    """The figures are read in `executor`. Without a `token` there are no metrics: they name people's sources."""

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
        text = await asyncio.get_running_loop().run_in_executor(
            executor, metrics, event_log, rejected_requests
        )
        return IngestResponse(200, text, [_METRICS_TYPE])

    return endpoint


def metrics(event_log: EventLog, rejected_requests: Mapping[str, int]) -> bytes:
    """The page. It reads both databases."""
    registry = CollectorRegistry()
    registry.register(_Account(event_log, rejected_requests))
    return generate_latest(registry)


class _Account(Collector):
    def __init__(self, event_log: EventLog, rejected_requests: Mapping[str, int]) -> None:
        self._event_log = event_log
        self._rejected_requests = rejected_requests

    def describe(self) -> list[Metric]:
        """Nothing in advance: registering must not read the databases."""
        return []

    def collect(self) -> Iterator[Metric]:
        counts = self._event_log.counts()
        position = GaugeMetricFamily("jetbridge_eventlog_position", "Position of the newest record.")
        position.add_metric([], counts.end)
        rejected = CounterMetricFamily(
            "jetbridge_rejected_requests", "Requests not taken since the process began.", labels=["code"]
        )
        for code, total in self._rejected_requests.items():
            rejected.add_metric([code], total)
        destinations = report(self._event_log.counts)
        yield from (position, rejected)
        yield from _source_metrics(sources(counts))
        yield from _destination_metrics(destinations)
        yield from _health_metrics(destinations, health.read(self._event_log, destinations))


def _source_metrics(rows: list[SourceReport]) -> Iterator[Metric]:
    labels = ["source", "name"]
    records = CounterMetricFamily(
        "jetbridge_source_records",
        "Records of a source: calls taken, items that failed on ingest, email events of Mailjet.",
        labels=[*labels, "kind"],
    )
    incomplete = CounterMetricFamily(
        "jetbridge_source_incomplete_messages",
        "Messages of a source that were accepted without values that could not be read.",
        labels=labels,
    )
    repeated = CounterMetricFamily(
        "jetbridge_source_repeated_email_events",
        "Email events of a source that became no call, because Mailjet had sent them before.",
        labels=labels,
    )
    failed = GaugeMetricFamily(
        "jetbridge_source_failed_email_events",
        "Email events of a source that failed, but for those that a retry has made a call.",
        labels=labels,
    )
    for row in rows:
        source = [str(row.id), row.name]
        records.add_metric([*source, "message"], row.messages)
        records.add_metric([*source, "invalid"], row.invalid)
        records.add_metric([*source, "email_event"], row.email_events + row.retried)
        incomplete.add_metric(source, row.incomplete)
        repeated.add_metric(source, row.repeated)
        failed.add_metric(source, row.failed_events)
    yield from (records, incomplete, repeated, failed)


def _destination_metrics(rows: list[DestinationReport]) -> Iterator[Metric]:
    labels = ["destination", "name", "kind"]
    received = CounterMetricFamily(
        "jetbridge_destination_received", "Messages for a destination.", labels=labels
    )
    outcomes = CounterMetricFamily(
        "jetbridge_destination_outcomes",
        "Those that were delivered or filtered.",
        labels=[*labels, "outcome", "reason"],
    )
    failed = GaugeMetricFamily(
        "jetbridge_destination_failed",
        "Those that failed, but for what is retried.",
        labels=[*labels, "reason"],
    )
    pending = GaugeMetricFamily("jetbridge_destination_pending", "Not completed yet.", labels=labels)
    paused = GaugeMetricFamily("jetbridge_destination_paused", "1 if it stands still.", labels=labels)
    for row in rows:
        who = [str(row.id), row.name, row.kind]
        received.add_metric(who, row.received)
        outcomes.add_metric([*who, "delivered", ""], row.delivered)
        for reason, total in row.reasons[FILTERED].items():
            outcomes.add_metric([*who, FILTERED, reason], total)
        for reason, total in row.reasons[FAILED].items():
            failed.add_metric([*who, reason], total)
        pending.add_metric(who, row.pending)
        paused.add_metric(who, row.state == "paused")
    yield from (received, outcomes, failed, pending, paused)


def _health_metrics(rows: list[DestinationReport], now: Health) -> Iterator[Metric]:
    labels = ["destination", "name", "kind"]
    healthy = GaugeMetricFamily(
        "jetbridge_destination_healthy", "1 if nothing stops it; see jetbridge_light.", labels=labels
    )
    lag = GaugeMetricFamily(
        "jetbridge_destination_lag", "Messages in the event log that it has not read.", labels=labels
    )
    oldest = GaugeMetricFamily(
        "jetbridge_destination_oldest_pending_seconds", "Age of the oldest pending message.", labels=labels
    )
    jobs = GaugeMetricFamily("jetbridge_destination_open_jobs", "Jobs open at the other side.", labels=labels)
    job_age = GaugeMetricFamily(
        "jetbridge_destination_oldest_job_seconds", "Age of the oldest of these jobs.", labels=labels
    )
    next_sync = GaugeMetricFamily(
        "jetbridge_destination_next_sync_timestamp_seconds",
        "When it syncs next, if it has a schedule.",
        labels=labels,
    )
    last_sync = GaugeMetricFamily(
        "jetbridge_destination_last_sync_timestamp_seconds", "When its latest sync ended.", labels=labels
    )
    for row in rows:
        if sync := now.syncs.get(row.id):
            next_sync.add_metric([str(row.id), row.name, row.kind], sync.next_at.timestamp())
            if sync.ended_at:
                last_sync.add_metric([str(row.id), row.name, row.kind], sync.ended_at.timestamp())
        who, backlog = [str(row.id), row.name, row.kind], now.backlog(row.id)
        healthy.add_metric(who, now.state_of(row.id) != "fail")
        lag.add_metric(who, backlog.lag)
        oldest.add_metric(who, backlog.oldest_seconds(now.at))
        jobs.add_metric(who, backlog.jobs)
        job_age.add_metric(who, backlog.job_seconds(now.at))
    silent = GaugeMetricFamily(
        "jetbridge_thread_silent_seconds", "How long a thread of the worker has not moved.", labels=["thread"]
    )
    deaths = GaugeMetricFamily("jetbridge_thread_deaths", "How often it died in a row.", labels=["thread"])
    for thread in now.threads:
        silent.add_metric([thread.name], thread.silent_seconds)
        deaths.add_metric([thread.name], thread.deaths)
    lights = GaugeMetricFamily(
        "jetbridge_light",
        "1 for each thing that stops or delays deliveries now; docs/operating.md explains the codes.",
        labels=["code", "state", "thing"],
    )
    since = GaugeMetricFamily(
        "jetbridge_light_since_timestamp_seconds",
        "Since when, where that is known.",
        labels=["code", "state", "thing"],
    )
    since_of = {(light.code, light.state, light.thing): light.since for light in now.lights}
    for key, at in sorted(since_of.items(), key=itemgetter(0)):
        lights.add_metric(key, 1)
        if at:
            since.add_metric(key, at.timestamp())
    all_healthy = GaugeMetricFamily("jetbridge_healthy", "1 if nothing stops deliveries.")
    all_healthy.add_metric([], now.state != "fail")
    yield from (
        healthy,
        lag,
        oldest,
        jobs,
        job_age,
        next_sync,
        last_sync,
        silent,
        deaths,
        lights,
        since,
        all_healthy,
    )
