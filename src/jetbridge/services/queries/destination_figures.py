"""The figures of a destination over a period, and since the beginning.

Over a period: what was received in it, and what came to an end in it. Pending is always of now. The two need not
add up, because a message may be received in one period and delivered in the next; since the beginning they do.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from jetbridge.delivery import ledger, log_reader, metrics, report
from jetbridge.delivery.base import RECEIVED
from jetbridge.delivery.metrics import Point
from jetbridge.delivery.models import destination_consumer
from jetbridge.delivery.report import DestinationReport
from jetbridge.eventlog.base import EventLog


class Period(NamedTuple):
    """`minutes` long, in points of `step` minutes each (60 or a multiple of it beyond a day)."""

    name: str
    label: str
    minutes: int
    step: int

    @property
    def phrase(self) -> str:
        """As in "the last hour"."""
        return f"the last {self.label.removeprefix('1 ')}"

    @property
    def since(self) -> int:
        """The minute that the first point begins at; the last point is still under way."""
        return metrics.now() // self.step * self.step - self.minutes + self.step


PERIODS = (
    Period("10m", "10 minutes", 10, 1),
    Period("1h", "1 hour", 60, 2),
    Period("1d", "1 day", 24 * 60, 60),
    Period("1w", "1 week", 7 * 24 * 60, 240),
    Period("2w", "2 weeks", 14 * 24 * 60, 480),
)
DEFAULT = "1h"


def period_named(name: str) -> Period:
    """The default for what is no name of one."""
    return next((period for period in PERIODS if period.name == name), PERIODS[1])


@dataclass(frozen=True)
class Figures:
    """`about`: the received ones are an estimate, because not all that came were read yet."""

    period: Period
    points: list[Point]
    received: int
    about: bool
    totals: DestinationReport

    @property
    def outcomes(self) -> Counter[str]:
        return sum((point.outcomes for point in self.points), Counter())

    @property
    def p50(self) -> float | None:
        return metrics.quantile(self._latencies, 0.5)

    @property
    def p95(self) -> float | None:
        return metrics.quantile(self._latencies, 0.95)

    @property
    def _latencies(self) -> Counter[int]:
        return sum((point.latencies for point in self.points), Counter())


def figures(destination: int, period: Period, event_log: EventLog) -> Figures | None:
    """None for one that is gone. A fixed number of queries, and some twenty records of the log."""
    rows = report.report(event_log.counts)
    totals = next((row for row in rows if row.id == destination), None)
    if totals is None:
        return None
    points = metrics.course(destination, period.since, period.step)
    # Of the messages that were not read yet, those that came in the period: an estimate, where the period began after the position.
    unread, is_estimate = max(0, totals.unread), False
    if unread:
        position = ledger.positions().get(destination_consumer(destination), 0)
        start = log_reader.position_before(event_log, period.since * 60_000)
        if start > position:
            end = event_log.counts().end
            unread, is_estimate = round(unread * (end - start) / (end - position)), True
    read = sum(point.outcomes[RECEIVED] for point in points)
    return Figures(period, points, read + unread, is_estimate, totals)


def time_of(minute: int) -> datetime:
    return datetime.fromtimestamp(minute * 60, UTC)


#: Of latencies.
_UNITS = ((3_600_000, "h"), (60_000, "min"), (1_000, "s"))


def unit_of(ms: float) -> float:
    """The largest unit that fits a latency, in ms."""
    return float(next((size for size, _ in _UNITS if ms >= size), 1))


def format_latency(ms: float | None) -> str:
    """A latency for people: 12 ms, 1.5 s, 3 min; nothing for None."""
    if ms is None:
        return ""
    for size, unit in _UNITS:
        if ms >= size:
            return f"{ms / size:.3g} {unit}"
    return f"{ms:.0f} ms"
