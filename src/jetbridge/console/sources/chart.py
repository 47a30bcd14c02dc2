"""Messages over time, as bars."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from jetbridge.console import charts
from jetbridge.console.charts import Bars
from jetbridge.console.templatetags.console import short
from jetbridge.source_schema import volumes
from jetbridge.source_schema.volumes import Point
from jetbridge.text import pluralize


@dataclass(frozen=True)
class VolumeChart:
    """`unit` is what one bar stands for; `summary` describes the chart to those who do not see it."""

    unit: str
    bars: Bars
    times: list[str]
    summary: str
    has_invalid: bool


def of_a_day(source: int) -> VolumeChart:
    """The last 24 hours."""
    return _chart(
        volumes.time_series(source, volumes.now() - 23 * volumes.HOUR, volumes.HOUR), "hour", "%H:%M UTC"
    )


def of_two_weeks(source: int) -> VolumeChart:
    return _chart(volumes.time_series(source, volumes.now() - 13 * volumes.DAY, volumes.DAY), "day", "%d %b")


def _chart(points: Sequence[Point], unit: str, form: str) -> VolumeChart:
    total, invalid = sum(point.messages for point in points), sum(point.invalid for point in points)
    most = max((point.messages for point in points), default=0)
    summary = f"Bars, one per {unit}: {pluralize(total, 'message')} in all, {most:,} in the busiest {unit}"
    ended = [datetime.fromtimestamp(point.minute * 60, UTC) for point in points]
    return VolumeChart(
        unit=unit,
        bars=charts.bars(
            [{"series": point.messages, "failed": point.invalid} for point in points],
            ["series", "failed"],
            short,
        ),
        times=[f"{at:{form}}" for at in (ended[0], ended[len(ended) // 2])] + ["now"],
        summary=summary + (f"; {invalid:,} more failed on ingest" if invalid else ""),
        has_invalid=bool(invalid),
    )
