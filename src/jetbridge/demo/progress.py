"""How far the demo is, and the page that shows it while somebody watches: the steps, the way to Mailjet, the way back."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from rich.layout import Layout
from rich.progress_bar import ProgressBar
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

MARKS = {
    "waiting": Text("·", "dim"),
    "running": Text("▸", "bold cyan"),
    "done": Text("✓", "green"),
    "failed": Text("✗", "bold red"),
}
#: Lines for figures and calls.
FIGURE_LINES = 8
#: What is shown of a track beside the event's name: the first of these properties that it has.
DETAILS = ("link_url", "error", "source", "list_name", "email_subject")


@dataclass
class Step:
    name: str
    what: str
    total: int = 1
    done: int = 0
    state: Literal["waiting", "running", "done", "failed"] = "waiting"
    result: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Figures:
    """One look at both services. Outcomes are those of the Mailjet destination, `filtered` and `failed` by reason."""

    received: int = 0
    delivered: int = 0
    pending: int = 0
    filtered: Mapping[str, int] = field(default_factory=dict)
    failed: Mapping[str, int] = field(default_factory=dict)
    #: Subscribed to the list.
    contacts: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    to_segment: int = 0
    #: Messages that the warehouse has not loaded yet.
    to_load: int = 0


@dataclass
class Progress:
    """Written by the demo's threads, read by the page; every field is replaced, or only grows."""

    steps: list[Step]
    figures: Figures = field(default_factory=Figures)
    tracks: list[dict[str, Any]] = field(default_factory=list)
    caption: str = ""
    started: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started


def page(progress: Progress, height: int) -> Layout:
    """Exactly `height` lines; 80 x 24 is enough."""
    tracks = tuple(progress.tracks)
    lines = max(1, height - len(progress.steps) - FIGURE_LINES - 4)
    steps = Table.grid(padding=(0, 1), expand=True)
    for width in (2, 8, 16):
        steps.add_column(width=width, no_wrap=True)
    steps.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for step in progress.steps:
        style = {"waiting": "dim", "running": "bold"}.get(step.state, "")
        bar = Text() if step.state == "waiting" else ProgressBar(max(1, step.total), step.done, width=16)
        text = (
            f"{step.done:,}/{step.total:,}  {step.what}"
            if step.state == "running"
            else step.result or step.what
        )
        steps.add_row(MARKS[step.state], Text(step.name, style), bar, Text(text, style))
    latest = _table("", "cyan", "dim", expand=True)
    for track in reversed(tracks[-lines:]):
        detail = next(
            (str(track["properties"][name]) for name in DETAILS if track["properties"].get(name)), ""
        )
        latest.add_row(*map(Text, (f" {track['event']}", track.get("userId") or "", detail)))
    layout = Layout()
    layout.split_column(
        Layout(
            Text(f" Jetbridge · a small shop's day, in both directions · {progress.seconds:.0f} s", "bold"),
            size=1,
        ),
        Layout(steps, size=len(progress.steps)),
        Layout(_rule("Segment → Jetbridge → Mailjet"), size=1),
        Layout(
            _side_by_side(_outcomes(progress.figures), _counts("calls to Mailjet", progress.figures.calls)),
            size=FIGURE_LINES,
        ),
        Layout(_rule("Mailjet → Jetbridge → Segment, played by the sandbox"), size=1),
        Layout(
            _side_by_side(latest, _counts("track calls", Counter(track["event"] for track in tracks))),
            size=lines,
        ),
        Layout(Text(f" {progress.caption}", "dim", no_wrap=True, overflow="ellipsis"), size=1),
    )
    return layout


def _outcomes(figures: Figures) -> Table:
    rows = _table("", "", "dim", expand=True)
    rows.add_row(" received", f"{figures.received:,}")
    rows.add_row(" delivered", f"{figures.delivered:,}", style="green" if figures.delivered else "")
    for name, style, reasons in (
        (" filtered", "yellow", figures.filtered),
        (" failed", "red", figures.failed),
    ):
        most_first = sorted(reasons.items(), key=lambda row: -row[1])
        names = ", ".join(f"{reason} {total:,}" for reason, total in most_first)
        rows.add_row(name, f"{sum(reasons.values()):,}", names, style=style if reasons else "")
    rows.add_row(" contacts", f"{figures.contacts:,}", "subscribed to the list")
    return rows


def _counts(title: str, counts: Counter[str]) -> Table:
    rows = _table("", "")
    rows.add_row(title, f"{counts.total():,}", style="bold")
    for name, total in counts.most_common(FIGURE_LINES - 1):
        method, _, endpoint = name.partition(" ")
        rows.add_row(f"{method} {endpoint.rpartition('/')[2]}", f"{total:,}")
    return rows


def _rule(title: str) -> Rule:
    return Rule(Text(title, "bold"), align="left", style="dim")


def _side_by_side(left: Table, right: Table) -> Table:
    sides = Table.grid(padding=(0, 2), expand=True)
    sides.add_column(ratio=1)
    sides.add_column(width=28)
    sides.add_row(left, right)
    return sides


def _table(*styles: str, expand: bool = False) -> Table:
    """`expand`: the last column takes the room that is left, and is cut off there."""
    rows = Table.grid(padding=(0, 1), expand=expand)
    for number, style in enumerate(styles, 1):
        ratio = 1 if expand and number == len(styles) else None
        rows.add_column(no_wrap=True, overflow="ellipsis", ratio=ratio, style=style)
    return rows
