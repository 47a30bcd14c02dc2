"""`jetbridge status`: what came, and what became of it, per destination."""

import json
import time
from typing import TYPE_CHECKING, Any

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable

    from jetbridge.cli.account import Account
    from jetbridge.delivery.report import DestinationReport

WATCH_SECONDS = 1.0
_OUTCOMES = ("received", "delivered", "filtered", "failed", "pending")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--watch", is_flag=True, help="Keep showing it until Ctrl-C.")
def status(*, as_json: bool, watch: bool) -> None:
    """Show sources and destinations with their figures."""
    from jetbridge.control import database  # noqa: PLC0415 - Django must not load for `--help`

    database.start()
    database.migrate()
    from jetbridge.cli import account  # noqa: PLC0415 - models need a started Django

    if as_json:
        click.echo(json.dumps(as_object(account.read())))
    elif watch:
        _watch(account.read)
    else:
        Console().print(page(account.read()))


def as_object(account: "Account") -> dict[str, Any]:
    """The JSON of `--json`; its keys are a promise to scripts."""
    return {
        "destinations": [
            {**_destination(row), "remarks": account.remarks.get(row.id, [])} for row in account.destinations
        ],
        "sources": [
            {
                "id": row.id,
                "name": row.name,
                "kind": row.kind,
                "messages": row.messages,
                "failed_on_ingest": row.invalid,
                "email_events": row.email_events,
            }
            for row in account.sources
        ],
        "balanced": account.balanced,
        "worker_runs": account.worker_runs,
    }


def page(account: "Account") -> Group:
    """The same for a person."""
    return Group(_sources(account), _destinations(account), *_remarks(account))


def _destination(row: "DestinationReport") -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "kind": row.kind,
        "state": row.state,
        "hold": {"code": row.hold_code, "reason": row.hold_reason} if row.hold_code else None,
        "trouble": row.trouble or None,
        **{name: getattr(row, name) for name in _OUTCOMES},
        "unread": row.unread,
        "held": row.held,
        "again": row.again,
        "replayed": row.replayed,
        "reasons": row.reasons,
        "balanced": row.balanced,
    }


def _sources(account: "Account") -> Table:
    table = Table(title="Sources", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("Name")
    table.add_column("Kind")
    for heading in ("Messages", "Failed on ingest", "Email events"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in account.sources:
        numbers = (row.messages, row.invalid, row.email_events)
        table.add_row(escape(row.name), row.kind, *(f"{number:,}" for number in numbers))
    return table


def _destinations(account: "Account") -> Table:
    table = Table(title="Destinations", title_justify="left", box=SIMPLE_HEAD)
    for heading in ("Name", "State"):
        table.add_column(heading)
    for name in _OUTCOMES:
        table.add_column(name.capitalize(), justify="right", no_wrap=True)
    for row in account.destinations:
        style = {"running": "green", "held": "red"}.get(row.state, "dim")
        numbers = (f"{getattr(row, name):,}" for name in _OUTCOMES)
        table.add_row(escape(row.name), f"[{style}]{row.state}[/]", *numbers)
    return table


def _remarks(account: "Account") -> list[Text]:
    lines: list[str] = []
    if not account.worker_runs:
        lines.append("No worker is running: nothing is delivered. Start `jetbridge serve`.")
    if not account.destinations:
        lines.append("Nothing is set up yet: see `jetbridge setup --help`.")
    for row in account.destinations:
        if row.hold_code:
            lines.append(f"{row.name} is held ({row.hold_code}): {row.hold_reason}")
        elif row.trouble:
            lines.append(f"{row.name} waits and tries again: {row.trouble}")
        for outcome, reasons in row.reasons.items():
            lines += [f"{row.name}: {total:,} {outcome}, {reason}" for reason, total in reasons.items()]
        lines += [f"{row.name}: {remark}" for remark in account.remarks.get(row.id, [])]
        if not row.balanced:
            lines.append(f"{row.name}: the two sides of the account differ. Please report this as a bug.")
    return [Text(line) for line in lines]


def _watch(read: "Callable[[], Account]") -> None:
    with Live(page(read()), console=Console(), screen=True) as live:
        try:
            while True:
                time.sleep(WATCH_SECONDS)
                live.update(page(read()))
        except KeyboardInterrupt:
            return
