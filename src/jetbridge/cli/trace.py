"""`jetbridge trace`: what became of a message, or of everything about a person."""

import json

import click
from rich.table import Table

from jetbridge.cli.log_bar import log_bar
from jetbridge.integrations.command_parts import start
from jetbridge.terminal import Terminal
from jetbridge.text import echo


@click.command()
@click.argument("name", metavar="MESSAGE_ID|USER_ID|EMAIL")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1), help="Records at the most.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def trace(name: str, *, limit: int, as_json: bool) -> None:
    """Show, in order, what was received, where it went and what came back."""
    start()
    from jetbridge.cli import trace_page, tracing  # noqa: PLC0415 - models need a started Django

    with log_bar() as bar:
        found = tracing.find(name, limit, bar.watch)
    if as_json:
        echo(json.dumps(trace_page.as_object(found), default=str))
    else:
        console = Terminal(highlight=False)
        for part in trace_page.page(name, found):
            if isinstance(part, Table):
                console.print_page(part)
            else:
                console.print(part, soft_wrap=True)
    if not found.records and not found.people:
        raise SystemExit(1)
