"""How far a long piece of work is, shown at a terminal: a bar on stderr, gone at the end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def work_bar() -> Iterator[Callable[[str, int, int], None]]:
    """`progress(what, done, total)`, in bytes."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    from jetbridge.terminal import Terminal  # noqa: PLC0415 - slow to load

    console = Terminal(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)

        def progress(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total or None)

        yield progress
