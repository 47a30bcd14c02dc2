"""The figures of /metrics: the same account that `jetbridge status` shows, counted nowhere else.

Everything but refused requests comes from the event log and the ledger, so it survives restarts.
"""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from jetbridge.delivery.ledger import FAILED, FILTERED
from jetbridge.delivery.report import DestinationReport, SourceReport, report, sources
from jetbridge.eventlog.base import EventLog


def collector(event_log: EventLog, refusals: Mapping[str, int]) -> Callable[[], bytes]:
    """A function that gives the page. It reads both databases."""
    registry = CollectorRegistry()
    registry.register(_Account(event_log, refusals))
    return lambda: generate_latest(registry)


class _Account(Collector):
    def __init__(self, event_log: EventLog, refusals: Mapping[str, int]) -> None:
        self._event_log = event_log
        self._refusals = refusals

    def describe(self) -> list[Metric]:
        """Nothing in advance: registering must not read the databases."""
        return []

    def collect(self) -> Iterator[Metric]:
        counts = self._event_log.counts()
        yield _gauge("eventlog_position", "Position of the newest record.", counts.end)
        yield _received(sources(counts))
        yield self._refused()
        yield from _delivered(report(self._event_log.counts))

    def _refused(self) -> Metric:
        metric = CounterMetricFamily(
            "jetbridge_refused_requests", "Requests not taken since the process began.", labels=["code"]
        )
        for code, total in self._refusals.items():
            metric.add_metric([code], total)
        return metric


def _gauge(name: str, help_: str, value: float) -> Metric:
    return GaugeMetricFamily(f"jetbridge_{name}", help_, value=value)


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
            ("email_event", row.email_events),
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
    held = GaugeMetricFamily("jetbridge_destination_held", "1 if it stands still.", labels=labels)
    for row in rows:
        who = [str(row.id), row.name, row.kind]
        received.add_metric(who, row.received)
        outcomes.add_metric([*who, "delivered", ""], row.delivered)
        for reason, total in row.reasons[FILTERED].items():
            outcomes.add_metric([*who, FILTERED, reason], total)
        for reason, total in row.reasons[FAILED].items():
            failed.add_metric([*who, reason], total)
        pending.add_metric(who, row.pending)
        held.add_metric(who, row.state == "held")
    yield from (received, outcomes, failed, pending, held)
