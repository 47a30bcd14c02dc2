"""`jetbridge status`: what came, and what became of it, per destination."""

import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click
from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from jetbridge.cli.destinations.deliveries import sync_as_object
from jetbridge.integrations.command_parts import JSON, examples, start
from jetbridge.terminal import Terminal
from jetbridge.text import duration, echo

if TYPE_CHECKING:
    from jetbridge.cli.account import Account

WATCH_SECONDS = 1.0
_OUTCOMES = ("received", "delivered", "filtered", "failed", "pending")


@click.command(epilog=examples("jetbridge status --watch", "jetbridge status --json"))
@JSON
@click.option("--watch", is_flag=True, help="Keep showing it until Ctrl-C.")
def status(*, as_json: bool, watch: bool) -> None:
    """Show sources and destinations with their figures."""
    start()
    from jetbridge.cli import account

    if as_json:
        echo(json.dumps(as_object(account.read())))
    elif watch:
        with Live(page(account.read()), console=Terminal(), screen=True) as live, suppress(KeyboardInterrupt):
            while True:
                time.sleep(WATCH_SECONDS)
                live.update(page(account.read()))
    else:
        Terminal().print_page(page(account.read()))


def as_object(account: "Account") -> dict[str, Any]:
    """The JSON of `--json`; its keys are a promise to scripts."""
    health = account.health
    destinations = []
    for row in account.destinations:
        backlog = health.backlog(row.id)
        fields = {
            "id": row.id,
            "name": row.name,
            "kind": row.kind,
            "state": health.shown(row.id, row.state),
            "health": health.state_of(row.id),
            "lag": backlog.lag,
            "oldest_pending_seconds": round(backlog.oldest_seconds(health.at), 1),
            "open_jobs": backlog.jobs,
            "oldest_job_seconds": round(backlog.job_seconds(health.at), 1),
            "pause": {"code": row.pause_code, "reason": row.pause_reason} if row.pause_code else None,
            "last_error": row.last_error or None,
            **{name: getattr(row, name) for name in _OUTCOMES},
            "unread": row.unread,
            "in_flight": row.in_flight,
            "awaiting_retry": row.awaiting_retry,
            "replayed": row.replayed,
            "reasons": row.reasons,
            "balanced": row.balanced,
            "sync": sync_as_object(health.syncs[row.id]) if row.id in health.syncs else None,
            "remarks": account.warnings.get(row.id, []),
        }
        destinations.append(fields)
    return {
        "destinations": destinations,
        "sources": [
            {
                "id": row.id,
                "name": row.name,
                "kind": row.kind,
                "messages": row.messages,
                "incomplete": row.incomplete,
                "failed_on_ingest": row.invalid,
                "email_events": row.email_events,
                "repeated_email_events": row.repeated,
                "failed_email_events": row.failed_events,
            }
            for row in account.sources
        ],
        "balanced": account.balanced,
        "worker_runs": account.worker_runs,
        "health": account.health.state,
        "lights": [
            {
                "code": light.code,
                "state": light.state,
                "thing": light.thing,
                "message": light.message,
                "fix": light.fix,
                "since": light.since.isoformat() if light.since else None,
            }
            for light in account.health.lights
        ],
        "threads": [
            {
                "thread": row.name,
                "position": row.position,
                "silent_seconds": round(row.silent_seconds, 1),
                "deaths": row.deaths,
                "error": row.error or None,
            }
            for row in account.health.threads
        ],
    }


def page(account: "Account") -> Group:
    """The same for a person."""
    from jetbridge.services import schedules

    sources = _table("Sources")
    sources.add_column("Kind", no_wrap=True)
    for heading in ("Messages", "Incomplete", "Failed on ingest", "Email events", "Repeated"):
        sources.add_column(heading, justify="right", no_wrap=True)
    for source in account.sources:
        counts = (source.messages, source.incomplete, source.invalid, source.email_events, source.repeated)
        sources.add_row(escape(source.name), source.kind, *(f"{count:,}" for count in counts))
    destinations = _table("Destinations")
    destinations.add_column("State", no_wrap=True)
    for heading in (*(name.capitalize() for name in _OUTCOMES), "Oldest", "Jobs"):
        destinations.add_column(heading, justify="right", no_wrap=True)
    for row in account.destinations:
        health, backlog = account.health, account.health.backlog(row.id)
        state = health.shown(row.id, row.state)
        style = {"running": "yellow" if health.state_of(row.id) == "warn" else "green", "disabled": "dim"}
        numbers = (f"{getattr(row, name):,}" for name in _OUTCOMES)
        oldest = duration(backlog.oldest_seconds(health.at)) if backlog.oldest_at else "-"
        destinations.add_row(
            escape(row.name), f"[{style.get(state, 'red')}]{state}[/]", *numbers, oldest, str(backlog.jobs or "-")
        )  # fmt: skip
    lines = [light.text for light in account.health.lights]
    if not account.destinations:
        lines.append("Nothing is set up yet: see `jetbridge setup --help`.")
    for row in account.destinations:
        if sync := account.health.syncs.get(row.id):
            lines.append(f"{row.name} syncs {sync.schedule}. {schedules.in_words(sync, account.health.at)}.")
        for outcome, reasons in row.reasons.items():
            lines += [f"{row.name}: {total:,} {outcome}, {reason}" for reason, total in reasons.items()]
        lines += [f"{row.name}: {warning}" for warning in account.warnings.get(row.id, [])]
    return Group(sources, destinations, *map(Text, lines))


def _table(title: str) -> Table:
    """Fits into 80 columns with numbers of seven digits: names are folded, and nothing is cut off."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=0, pad_edge=False)
    table.add_column("Name", overflow="fold", min_width=10)
    return table
