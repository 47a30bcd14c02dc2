"""Messages over time as bars: numbers for a template that draws SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from jetbridge.schema.volumes import Point

WIDTH, HEIGHT, FOOT = 720, 150, 22
#: Share of its place that a bar fills.
_FILLED = 0.72
#: Labels under the bars, about so many.
_LABELS = 6
#: Room for the number beside the top line.
_LEFT = 44


@dataclass(frozen=True)
class Bar:
    """One bar: messages, and above them what failed on ingest. `label` is empty for most."""

    x: float
    width: float
    y: float
    height: float
    invalid_y: float
    invalid_height: float
    title: str
    label: str


@dataclass(frozen=True)
class Chart:
    """`top` is what the highest line stands for; `sentence` says it all to those who do not see it."""

    bars: list[Bar]
    top: int
    sentence: str
    left: int = _LEFT
    width: int = WIDTH
    height: int = HEIGHT
    base: int = HEIGHT - FOOT

    @property
    def middle(self) -> float:
        return self.base / 2


def chart_of(points: Sequence[Point], unit: str, format_: str) -> Chart:
    """`unit` is what one bar stands for; `format_` writes its time."""
    top = _round_up(max((each.messages + each.invalid for each in points), default=0))
    total = sum(each.messages for each in points)
    invalid = sum(each.invalid for each in points)
    sentence = f"Messages per {unit}: {total:,} in all, {top:,} at the top line"
    if invalid:
        sentence += f"; {invalid:,} more failed on ingest"
    return Chart(list(_bars(points, top, format_)), top, sentence)


def _bars(points: Sequence[Point], top: int, format_: str) -> list[Bar]:
    place = (WIDTH - _LEFT) / max(len(points), 1)
    base = HEIGHT - FOOT
    every = max(1, len(points) // _LABELS)
    bars = []
    for index, point in enumerate(points):
        height, invalid = (base * value / top for value in (point.messages, point.invalid))
        at = datetime.fromtimestamp(point.minute * 60, UTC).strftime(format_)
        bars.append(
            Bar(
                x=round(_LEFT + index * place + place * (1 - _FILLED) / 2, 1),
                width=round(place * _FILLED, 1),
                y=round(base - height, 1),
                height=round(height, 1),
                invalid_y=round(base - height - invalid, 1),
                invalid_height=round(invalid, 1),
                title=_title(point, at),
                label=at if index % every == 0 else "",
            )
        )
    return bars


def _title(point: Point, at: str) -> str:
    failed = f", {point.invalid:,} failed on ingest" if point.invalid else ""
    return f"{at} UTC: {point.messages:,} messages{failed}"


def _round_up(value: int) -> int:
    """To 1, 2 or 5 with zeros: a number that a person can halve."""
    size = 1
    while True:
        for step in (1, 2, 5):
            if step * size >= value:
                return max(step * size, 2)
        size *= 10
