"""The page that is watched while the demo plays: acts, the way to Mailjet, the way back. 80 x 24 is enough."""

from collections import Counter
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.align import Align
from rich.console import RenderableType
from rich.layout import Layout
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from jetbridge.demo.stage import Act, Figures, Stage, State
from jetbridge.terminal import Terminal

_MARKS = {
    State.WAITING: Text("·", "dim"),
    State.RUNNING: Text("▸", "bold cyan"),
    State.DONE: Text("✓", "green"),
    State.FAILED: Text("✗", "bold red"),
}
#: From this width on the page has room for addresses beside userIds.
_WIDE = 110
_FLOW_LINES = 8
#: What is told of a track beside the event's name: the first of these properties that it has.
_DETAILS = ("link_url", "error", "source", "list_name", "email_subject")


class Page:
    """A context manager: takes the terminal over, and gives it back as it was."""

    def __init__(self, console: Terminal, stage: Stage) -> None:
        self._console = console
        self._stage = stage
        self._live = Live(console=console, get_renderable=self._render, screen=True, refresh_per_second=8)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def _render(self) -> RenderableType:
        return page(self._stage, self._console.width, self._console.height)


def page(stage: Stage, width: int, height: int) -> Layout:
    """Exactly `height` lines."""
    acts = len(stage.acts)
    back_lines = max(1, height - acts - _FLOW_LINES - 4)
    layout = Layout()
    layout.split_column(
        Layout(_header(stage), size=1),
        Layout(_acts(stage.acts), size=acts),
        Layout(_rule("Segment → Jetbridge → Mailjet"), size=1),
        Layout(_flow(stage.figures), size=_FLOW_LINES),
        Layout(_rule("Mailjet → Jetbridge → Segment, which is in the sandbox, too"), size=1),
        Layout(_back(tuple(stage.tracks), width, back_lines), size=back_lines),
        Layout(Text(f" {stage.caption}", "dim", no_wrap=True, overflow="ellipsis"), size=1),
    )
    return layout


def _header(stage: Stage) -> Table:
    row = Table.grid(expand=True)
    row.add_column(no_wrap=True)
    row.add_column(no_wrap=True, justify="right")
    row.add_row(
        Text(" Jetbridge · a small shop's day, in both directions", "bold"),
        Text(f"{stage.seconds:.0f} s ", "dim"),
    )
    return row


def _acts(acts: list[Act]) -> Table:
    rows = Table.grid(padding=(0, 1), expand=True)
    for width in (2, 8, 16):
        rows.add_column(width=width, no_wrap=True)
    rows.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for act in acts:
        rows.add_row(Align.right(_MARKS[act.state]), _name(act), _bar(act), _said(act))
    return rows


def _name(act: Act) -> Text:
    return Text(act.name, {State.WAITING: "dim", State.RUNNING: "bold"}.get(act.state, ""))


def _bar(act: Act) -> RenderableType:
    if act.state is State.WAITING:
        return Text("")
    return ProgressBar(total=max(1, act.total), completed=act.done, width=16)


def _said(act: Act) -> Text:
    if act.state is State.RUNNING:
        return Text(f"{act.done:,}/{act.total:,}  {act.what}")
    return Text(act.result or act.what, "dim" if act.state is State.WAITING else "")


def _rule(title: str) -> Rule:
    return Rule(Text(title, "bold"), align="left", style="dim")


def _flow(figures: Figures) -> Table:
    sides = Table.grid(padding=(0, 2), expand=True)
    sides.add_column(ratio=1)
    sides.add_column(width=28)
    sides.add_row(_outcomes(figures), _calls(figures.calls))
    return sides


def _outcomes(figures: Figures) -> Table:
    rows = _numbers()
    rows.add_column(no_wrap=True, overflow="ellipsis", style="dim")
    rows.add_row(" received", f"{figures.received:,}", "")
    rows.add_row(" delivered", f"{figures.delivered:,}", "", style="green" if figures.delivered else "")
    _with_reasons(rows, " filtered", figures.filtered, "yellow")
    _with_reasons(rows, " failed", figures.failed, "red")
    rows.add_row(" pending", f"{figures.pending:,}", "")
    rows.add_row(" contacts", f"{figures.contacts:,}", "subscribed to the list")
    return rows


def _with_reasons(rows: Table, name: str, reasons: Mapping[str, int], style: str) -> None:
    most_first = sorted(reasons.items(), key=lambda row: -row[1])
    lines = [f"{reason} {total:,}" for reason, total in most_first] or [""]
    shown = style if reasons else ""
    rows.add_row(name, f"{sum(reasons.values()):,}", lines[0], style=shown)
    for line in lines[1:]:
        rows.add_row("", "", line, style=shown)


def _calls(calls: Counter[str]) -> Table:
    rows = _numbers()
    rows.add_row("calls to Mailjet", f"{calls.total():,}", style="bold")
    most = calls.most_common()
    room = _FLOW_LINES - 1
    shown = most if len(most) <= room else most[: room - 1]
    for call, total in shown:
        method, _, endpoint = call.partition(" ")
        rows.add_row(f"{method} {endpoint.rpartition('/')[2]}", f"{total:,}")
    if len(most) > len(shown):
        rows.add_row("others", f"{sum(total for _, total in most[len(shown) :]):,}")
    return rows


def _numbers() -> Table:
    rows = Table.grid(padding=(0, 1))
    rows.add_column(no_wrap=True, min_width=10)
    rows.add_column(no_wrap=True, justify="right", min_width=4)
    return rows


def _back(tracks: tuple[dict[str, Any], ...], width: int, lines: int) -> Table:
    sides = Table.grid(padding=(0, 2), expand=True)
    sides.add_column(width=28)
    sides.add_column(ratio=1)
    sides.add_row(_events(tracks), _latest(tracks[-lines:], wide=width >= _WIDE))
    return sides


def _events(tracks: tuple[dict[str, Any], ...]) -> Table:
    rows = _numbers()
    for event, total in Counter(track["event"] for track in tracks).most_common():
        rows.add_row(f" {event}", f"{total:,}")
    if not tracks:
        rows.add_row(Text(" no email events yet", "dim"), "")
    return rows


def _latest(tracks: tuple[dict[str, Any], ...], *, wide: bool) -> Table:
    rows = Table.grid(padding=(0, 1), expand=True)
    rows.add_column(width=20, no_wrap=True)
    rows.add_column(width=9, no_wrap=True, style="cyan")
    if wide:
        rows.add_column(width=26, no_wrap=True, overflow="ellipsis")
    rows.add_column(ratio=1, no_wrap=True, overflow="ellipsis", style="dim")
    for track in reversed(tracks):
        email = [track["context"]["traits"]["email"]] if wide else []
        rows.add_row(
            *map(Text, (track["event"], track.get("userId") or "", *email, _detail(track["properties"])))
        )
    return rows


def _detail(properties: dict[str, Any]) -> str:
    return next((str(properties[name]) for name in _DETAILS if properties.get(name)), "")
