"""`jetbridge doctor`: is everything in place? Each line says what was looked at, and what to do about it."""

import json
import sys

import click
from rich.text import Text

from jetbridge.integrations.command_parts import JSON, examples
from jetbridge.terminal import Terminal
from jetbridge.text import echo

_MARKS = {"ok": ("ok  ", "green"), "warn": ("warn", "yellow"), "fail": ("FAIL", "bold red")}


@click.command(epilog=examples("jetbridge doctor", "jetbridge doctor --json"))
@JSON
def doctor(*, as_json: bool) -> None:
    """Check the configuration, the files, Mailjet and the callbacks. Status 1 if anything fails."""
    from jetbridge.control import database

    database.start_existing()
    from jetbridge.cli import diagnostics

    console = Terminal(highlight=False)
    findings = []
    for finding in diagnostics.everything():
        findings.append(finding)
        if not as_json:
            mark, style = _MARKS[finding.state]
            console.print(Text.assemble((mark, style), f"  {finding.what}"), soft_wrap=True)
            if finding.advice:
                console.print(Text(f"      {finding.advice}"), soft_wrap=True)
    has_failed = any(finding.state == "fail" for finding in findings)
    if as_json:
        echo(json.dumps({"ok": not has_failed, "findings": [finding._asdict() for finding in findings]}))
    sys.exit(1 if has_failed else 0)
