"""The figures of /metrics: the same account that `jetbridge status` shows, counted nowhere else.

Everything but refused requests comes from the event log and the ledger, so it survives restarts.
"""

from collections.abc import Callable, Iterator, Mapping
from operator import itemgetter

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from jetbridge.delivery.ledger import FAILED, FILTERED
from jetbridge.delivery.report import DestinationReport, SourceReport, report, sources
from jetbridge.eventlog.base import EventLog
from jetbridge.services.queries import health
from jetbridge.services.queries.health import Health


def collector(event_log: EventLog, rejected_requests: Mapping[str, int]) -> Callable[[], bytes]:
    """A function that gives the page. It reads both databases."""
    registry = CollectorRegistry()
    registry.register(_Account(event_log, rejected_requests))
    return lambda: generate_latest(registry)


class _Account(Collector):
    def __init__(self, event_log: EventLog, rejected_requests: Mapping[str, int]) -> None:
        self._event_log = event_log
        self._rejected_requests = rejected_requests

    def describe(self) -> list[Metric]:
        """Nothing in advance: registering must not read the databases."""
        return []

    def collect(self) -> Iterator[Metric]:
        counts = self._event_log.counts()
        yield _gauge("eventlog_position", "Position of the newest record.", counts.end)
        reports = sources(counts)
        yield _received(reports)
        yield from _of_sources(reports)
        yield self._rejected()
        destinations = report(self._event_log.counts)
        yield from _delivered(destinations)
        yield from _healthy(destinations, health.read(self._event_log, destinations))

    def _rejected(self) -> Metric:
        metric = CounterMetricFamily(
            "jetbridge_refused_requests", "Requests not taken since the process began.", labels=["code"]
        )
        for code, total in self._rejected_requests.items():
            metric.add_metric([code], total)
        return metric


def _gauge(name: str, help_: str, value: float) -> Metric:
    return GaugeMetricFamily(f"jetbridge_{name}", help_, value=value)


def _of_sources(rows: list[SourceReport]) -> Iterator[Metric]:
    """What has one number per source."""
    labels = ["source", "name"]
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
        incomplete.add_metric(source, row.incomplete)
        repeated.add_metric(source, row.repeated)
        failed.add_metric(source, row.failed_events)
    yield from (incomplete, repeated, failed)


def _received(rows: list[SourceReport]) -> Metric:
    metric = CounterMetricFamily(
        "jetbridge_source_records",
        "Records of a source: calls taken, items that failed on ingest, email events of Mailjet.",
        labels=["source", "name", "kind"],
    )
    for row in rows:
        for kind, total in (
            ("message", row.messages),
            ("invalid", row.invalid),
            ("email_event", row.email_events + row.retried),
        ):
            metric.add_metric([str(row.id), row.name, kind], total)
    return metric


def _delivered(rows: list[DestinationReport]) -> Iterator[Metric]:
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
    pending = GaugeMetricFamily("jetbridge_destination_pending", "Not settled yet.", labels=labels)
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


def _healthy(rows: list[DestinationReport], now: Health) -> Iterator[Metric]:
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
    light = GaugeMetricFamily(
        "jetbridge_light",
        "1 for each thing that stops or delays deliveries now; docs/operating.md explains the codes.",
        labels=["code", "state", "thing"],
    )
    since = GaugeMetricFamily(
        "jetbridge_light_since_timestamp_seconds",
        "Since when, where that is known.",
        labels=["code", "state", "thing"],
    )
    lights = {(each.code, each.state, each.thing): each.since for each in now.lights}
    for key, at in sorted(lights.items(), key=itemgetter(0)):
        light.add_metric(key, 1)
        if at:
            since.add_metric(key, at.timestamp())
    yield from (healthy, lag, oldest, jobs, job_age, next_sync, last_sync, silent, deaths, light, since)
    yield _gauge("healthy", "1 if nothing stops deliveries.", now.state != "fail")
