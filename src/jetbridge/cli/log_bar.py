"""How far a command has read the event log, shown at a terminal: reading all of it takes its time."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from jetbridge.text import echo

if TYPE_CHECKING:
    from jetbridge.eventlog.base import EventLog, Record
    from jetbridge.eventlog.search import Search

#: Positions that one search goes through before it is told how far it is.
STEP = 20_000


class WatchedLog:
    """An event log that tells `passed` up to which position it was read."""

    def __init__(self, event_log: "EventLog", passed: Callable[[int], object]) -> None:
        self._log = event_log
        self._passed = passed

    def read(self, after: int, *, limit: int = 1000, max_bytes: int = 8_000_000) -> "Sequence[Record]":
        records = self._log.read(after, limit=limit, max_bytes=max_bytes)
        if len(records) > 1:  # one alone is looked up, and tells nothing of how far it is
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
        """What is read is at this position; how far it goes is not known."""
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
    """A bar on stderr if that is a terminal; gone at the end."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    from jetbridge.terminal import Terminal  # noqa: PLC0415 - slow to load

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
