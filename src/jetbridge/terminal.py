"""rich's console for what strangers wrote: rich removes some control characters, and leaves the one that begins
every command to a terminal.
"""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType  # noqa: TID251
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Table

from jetbridge.text import printable

#: Columns of what goes into a pipe or a file.
_WIDEST = 100_000


class Terminal(Console):
    """A console on which texts control nothing; styles, bars and tables are rich's own, and do."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            text, style, control = segment
            yield segment if control else Segment(printable(text, keep="\n\t"), style)

    def print_page(self, page: RenderableType) -> None:
        """Print tables and lines: at a terminal folded into its width, into a pipe or a file as wide as they are, so that
        no name is broken for those who search it.
        """
        if not self.is_terminal:
            needed = Measurement.get(self, self.options.update(max_width=_WIDEST), page).maximum
            self.width = max(self.width, needed)
        self.print(page)

    def print_parts(self, parts: Iterable[RenderableType]) -> None:
        """Print tables as `print_page` does, and lines without breaks: what is copied from them stays in one piece."""
        for part in parts:
            if isinstance(part, Table):
                self.print_page(part)
            else:
                self.print(part, soft_wrap=True)
