"""rich's console for what strangers wrote: rich removes some control characters, and leaves the one that begins
every command to a terminal.
"""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType  # noqa: TID251
from rich.segment import Segment

from jetbridge.text import printable


class Terminal(Console):
    """A console on which texts control nothing; styles, bars and tables are rich's own, and do."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            text, style, control = segment
            yield segment if control else Segment(printable(text, keep="\n\t"), style)
