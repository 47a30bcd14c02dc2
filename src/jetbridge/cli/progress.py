"""How far a command is, as a bar at a terminal (on stderr, gone at the end): reading a whole event log or a backup takes minutes."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from jetbridge.text import echo

if TYPE_CHECKING:
    from jetbridge.eventlog.base import EventLog, Record, Search

#: Positions that one search goes through between two steps of the bar.
STEP = 20_000


class WatchedLog:
    """An event log that calls `passed` with the position up to which it was read."""

    def __init__(self, event_log: "EventLog", passed: Callable[[int], object]) -> None:
        self._log = event_log
        self._passed = passed

    def read(self, after: int, *, limit: int = 1000, max_bytes: int = 8_000_000) -> "Sequence[Record]":
        records = self._log.read(after, limit=limit, max_bytes=max_bytes)
        if len(records) > 1:  # a single one is a look-up and no progress
            self._passed(records[-1].position)
        return records

    def find(self, search: "Search", *, after: int = 0, upto: int | None = None) -> "Iterator[Record]":
        end = self._log.counts().end if upto is None else upto
        for start in range(after, end, STEP):
            yield from self._log.find(search, after=start, upto=min(start + STEP, end))
            self._passed(min(start + STEP, end))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)


class LogBar:
    """Use inside `log_bar()`."""

    def __init__(self, progress: Any) -> None:
        self._progress = progress
        self._task = progress.add_task("Reading the event log", total=None)

    def watch(self, event_log: "EventLog") -> "EventLog":
        end = event_log.counts().end
        watched = WatchedLog(
            event_log, lambda position: self._progress.update(self._task, completed=position, total=end)
        )
        return cast("EventLog", watched)

    def passed(self, position: int) -> None:
        """Show this position; the end is not known."""
        self._progress.update(self._task, completed=position)

    def echo(self, text: str) -> None:
        """Print a line; at a terminal, where the bar is."""
        if sys.stdout.isatty() and not self._progress.disable:
            self._progress.stop()
            echo(text)
            self._progress.start()
        else:
            echo(text)


@contextmanager
def log_bar() -> Iterator[LogBar]:
    """A bar of the positions in the event log."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    from jetbridge.terminal import Terminal

    console = Terminal(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(
        *columns,
        console=console,
        transient=True,
        disable=not console.is_terminal,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as progress:
        yield LogBar(progress)


@contextmanager
def byte_bar() -> Iterator[Callable[[str, int, int], None]]:
    """`progress(what, done, total)`, in bytes."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from jetbridge.terminal import Terminal

    console = Terminal(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)

        def progress(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total or None)

        yield progress
