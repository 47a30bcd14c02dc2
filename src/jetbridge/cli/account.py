"""The figures of this home, read once: for `status`, `check` and `outcomes`."""

from dataclasses import dataclass

from django.conf import settings

from jetbridge.control import home_lock
from jetbridge.control.directory import load_destinations
from jetbridge.delivery import report
from jetbridge.delivery.report import DestinationReport, SourceReport
from jetbridge.destinations.registry import DEFINITIONS
from jetbridge.eventlog.sqlite import SqliteEventLog


@dataclass(frozen=True)
class Account:
    sources: list[SourceReport]
    destinations: list[DestinationReport]
    worker_runs: bool
    #: What destinations have to say about what arrived only in part, by destination id.
    remarks: dict[int, list[str]]

    @property
    def balanced(self) -> bool:
        return all(row.balanced for row in self.destinations)


def read() -> Account:
    """Safe while Jetbridge runs. Raises LogUnavailable if the event log cannot be opened."""
    event_log = SqliteEventLog(settings.CONFIG.log_path)
    try:
        destinations = report.report(event_log.counts)
        worker_runs = home_lock.is_taken(settings.CONFIG.home, "worker")
        return Account(report.sources(event_log.counts()), destinations, worker_runs, _remarks())
    finally:
        event_log.close()


def _remarks() -> dict[int, list[str]]:
    refs = [ref for ref in load_destinations() if ref.kind in DEFINITIONS]
    return {ref.id: list(DEFINITIONS[ref.kind].remarks(ref)) for ref in refs}
