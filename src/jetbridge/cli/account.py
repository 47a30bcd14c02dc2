"""The figures of this home, read once: for `status`, `doctor` and `contacts diff`."""

from dataclasses import dataclass

from django.conf import settings

from jetbridge import eventlog
from jetbridge.control import processes
from jetbridge.control.directory import load_destinations
from jetbridge.delivery import report
from jetbridge.delivery.report import DestinationReport, SourceReport
from jetbridge.integrations import registry
from jetbridge.services.queries.health import Health
from jetbridge.services.queries.health import read as read_health


@dataclass(frozen=True)
class Account:
    sources: list[SourceReport]
    destinations: list[DestinationReport]
    health: Health
    worker_runs: bool
    #: What destinations have to say about what arrived only in part, by destination id.
    warnings: dict[int, list[str]]

    @property
    def balanced(self) -> bool:
        return all(row.balanced for row in self.destinations)


def read() -> Account:
    """Safe while Jetbridge runs. Raises LogUnavailable if the event log cannot be opened."""
    with eventlog.open(settings.CONFIG) as event_log:
        destinations = report.report(event_log.counts)
        worker_runs = processes.worker_runs()
        health = read_health(event_log, destinations)
        refs = [ref for ref in load_destinations() if ref.kind in registry.destinations()]
        warnings = {ref.id: list(registry.destination(ref.kind).warnings(ref)) for ref in refs}
        return Account(report.sources(event_log.counts()), destinations, health, worker_runs, warnings)
