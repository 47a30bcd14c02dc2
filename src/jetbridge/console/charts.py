"""Charts, drawn on the server as SVG: shapes only, stretched to their place; the words around them are HTML.

A drawing is WIDTH by HEIGHT and is stretched, so that text inside would be, too.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

WIDTH, HEIGHT = 600.0, 160.0
#: Share of a bar's place that stays empty.
GAP = 0.22
#: A part of a bar that is not nothing is at least so high: one failure among a million is to be seen.
LEAST = 2.0
#: A flow's band begins below the columns, no part of it is thinner than this, and it is as wide as high when it
#: turns up, in the shape that it is stretched to.
BAND_TOP, LEAST_BAND, UPRIGHT = 60.0, 5.0, 0.25


class Part(NamedTuple):
    """A piece of a bar; `name` is its CSS class."""

    name: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Bars:
    """Stacked bars. `grid` are heights of the grid's lines, `scale` what they mean, from the top down."""

    parts: list[Part]
    grid: list[float]
    scale: list[str]


@dataclass(frozen=True)
class Lines:
    """`paths` are (CSS class, path data); `dots` are points with no neighbour to draw a line to."""

    paths: list[tuple[str, str]]
    dots: list[tuple[str, float, float]]
    grid: list[float]
    scale: list[str]


class Hover(NamedTuple):
    """The place of one point of a chart, from top to bottom, and what a pointer over it is told."""

    x: float
    width: float
    text: str


class Ribbon(NamedTuple):
    """One part of a whole, flowing from the left to its place."""

    name: str
    path: str


def bars(
    points: Sequence[Mapping[str, int]], order: Sequence[str], format_value: Callable[[float], str] = str
) -> Bars:
    """`order` are the parts of each bar, from the bottom up."""
    top = nice_top(max((sum(point.get(name, 0) for name in order) for point in points), default=0))
    place = WIDTH / max(1, len(points))
    parts: list[Part] = []
    for number, point in enumerate(points):
        y = HEIGHT
        for name in order:
            if not point.get(name):
                continue
            height = max(LEAST, point[name] / top * HEIGHT)
            y -= height
            x = number * place + place * GAP / 2
            parts.append(
                Part(name, _round(x), _round(max(0.0, y)), _round(place * (1 - GAP)), _round(height))
            )
    return Bars(parts, _grid(), [format_value(top), format_value(top / 2), format_value(0)])


def hovers(texts: Sequence[str]) -> list[Hover]:
    """One for each point."""
    place = WIDTH / max(1, len(texts))
    return [Hover(_round(number * place), _round(place), text) for number, text in enumerate(texts)]


def lines(
    series: Mapping[str, Sequence[float | None]],
    format_value: Callable[[float], str] = str,
    unit: Callable[[float], float] = lambda _: 1.0,
) -> Lines:
    """One line per series, by CSS class; None is a gap. The scale is round in the `unit` of its highest value."""
    highest = max((value for values in series.values() for value in values if value), default=0.0)
    top = nice_top(highest / unit(highest)) * unit(highest)
    paths, dots = [], []
    for name, values in series.items():
        runs = _runs(values, top)
        paths.append(
            (name, " ".join("M" + " L".join(f"{x} {y}" for x, y in run) for run in runs if len(run) > 1))
        )
        dots += [(name, *run[0]) for run in runs if len(run) == 1]
    return Lines(
        [(name, path) for name, path in paths if path],
        dots,
        _grid(),
        [format_value(top), format_value(top / 2), format_value(0)],
    )


def spark(values: Sequence[int]) -> list[Part]:
    """Small bars without a scale."""
    return bars([{"spark": value} for value in values], ["spark"]).parts


def flow(amounts: Mapping[str, int]) -> list[Ribbon]:
    """A whole that leaves part by part: each turns up in its own column, the first column is where all come from.

    What is not there has its column all the same.
    """
    whole = sum(amounts.values())
    column = WIDTH / (len(amounts) + 1)
    ribbons: list[Ribbon] = []
    top = BAND_TOP
    for number, (name, amount) in enumerate(amounts.items(), start=1):
        if amount > 0:
            height = max(LEAST_BAND, amount / whole * (HEIGHT - BAND_TOP))
            ribbons.append(Ribbon(name, _turn(column * (number + 0.5), top, height)))
            top += height
    return ribbons


def nice_top(highest: float) -> float:
    """The end of a scale: 1, 2 or 5 with zeros, no less than `highest`; halves of it read well."""
    if highest <= 2:
        return 2.0
    size = 10.0 ** math.floor(math.log10(highest))
    return next(step * size for step in (1, 2, 4, 6, 8, 10) if step * size >= highest)


def _grid() -> list[float]:
    return [0.5, HEIGHT / 2, HEIGHT - 0.5]


def _runs(values: Sequence[float | None], top: float) -> list[list[tuple[float, float]]]:
    """Stretches without a gap, as coordinates."""
    place = WIDTH / max(1, len(values))
    runs: list[list[tuple[float, float]]] = [[]]
    for number, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((_round((number + 0.5) * place), _round(HEIGHT - value / top * HEIGHT)))
    return [run for run in runs if run]


def _turn(x: float, top: float, height: float) -> str:
    """From the left edge along the band, and up to `x`."""
    end, half, bend = top + height, height * UPRIGHT / 2, WIDTH / 20
    outer, inner = _round(x + half), _round(x - half)
    begin, top, end = _round(x - half - bend), _round(top), _round(end)
    return (
        f"M0 {top} L{begin} {top} C{inner} {top} {inner} {top} {inner} 0 L{outer} 0 "
        f"C{outer} {end} {outer} {end} {begin} {end} L0 {end} Z"
    )


def _round(value: float) -> float:
    return round(value, 2)
