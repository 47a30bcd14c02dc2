"""`jetbridge check`: is everything in place? Each line says what was looked at, and what to do about it."""

import sys
from typing import TYPE_CHECKING

import click
from rich.text import Text

from jetbridge.terminal import Terminal

if TYPE_CHECKING:
    from jetbridge.integrations.base import Finding

_MARKS = {"ok": ("ok  ", "green"), "warn": ("warn", "yellow"), "fail": ("FAIL", "bold red")}


@click.command()
def check() -> None:
    """Look at the configuration, the files, Mailjet and the account. Status 1 if anything fails."""
    from jetbridge.control import database  # noqa: PLC0415 - Django must not load for `--help`

    database.start_existing()
    from jetbridge.cli import findings  # noqa: PLC0415 - models need a started Django

    console = Terminal(highlight=False)
    states = [_show(console, finding) for finding in findings.everything()]
    sys.exit(1 if "fail" in states else 0)


def _show(console: Terminal, finding: "Finding") -> str:
    mark, style = _MARKS[finding.state]
    console.print(Text.assemble((mark, style), f"  {finding.what}"), soft_wrap=True)
    if finding.advice:
        console.print(Text(f"      {finding.advice}"), soft_wrap=True)
    return finding.state
