"""`jetbridge messages`: single messages with their delivery status, and what happened to one of them or to a person's."""

import json
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING

import click

from jetbridge.cli.progress import LogBar, log_bar
from jetbridge.errors import ConfigurationError
from jetbridge.integrations.command_parts import JSON, examples, since_option, start, until_option
from jetbridge.terminal import Terminal
from jetbridge.text import echo

if TYPE_CHECKING:
    from jetbridge.cli.message_queries import Detailed
    from jetbridge.eventlog.base import EventLog

LIMIT = click.option(
    "--limit", default=100, show_default=True, type=click.IntRange(1), help="How many, at the most."
)
JSON_LINES = click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")


@click.group()
def messages() -> None:
    """What happened to messages: list them by their outcome, trace one, or all of a person."""


@messages.command(
    "list",
    epilog=examples(
        "jetbridge messages list --outcome failed --since 1d",
        "jetbridge messages list --outcome filtered --person ada@example.com --json",
        "jetbridge messages list 12 --full",
    ),
)
@click.argument("ids", nargs=-1, type=int)
@click.option(
    "--outcome",
    "outcomes",
    multiple=True,
    type=click.Choice(["filtered", "failed", "pending"]),
    help="Only these; several times for several. [default: all]",
)
@click.option("--destination", type=int, help="Only this one, by its id in `jetbridge destinations list`.")
@click.option("--reason", metavar="CODE", help="Only those with this reason.")
@since_option("Only what was received, filtered or failed since then.")
@until_option("Only what was received, filtered or failed before then.")
@click.option("--person", help="Only this userId, or the address of a contact.")
@click.option("--full", is_flag=True, help="Of failures, also the message, the request and the response.")
@LIMIT
@JSON_LINES
def list_(
    *,
    ids: tuple[int, ...],
    outcomes: tuple[str, ...],
    destination: int | None,
    reason: str | None,
    since: datetime | None,
    until: datetime | None,
    person: str | None,
    full: bool,
    limit: int,
    as_json: bool,
) -> None:
    """List messages that were filtered, have failed or are pending, with their reasons. IDS are those of failures."""
    if (ids or full) and set(outcomes) - {"failed"}:
        raise click.UsageError(
            "Ids and --full are for failures: leave out --outcome, or say --outcome failed."
        )
    outcomes = ("failed",) if ids or full else outcomes or ("filtered", "failed", "pending")
    start()
    from jetbridge.cli import failures, message_queries
    from jetbridge.control.directory import load_destinations
    from jetbridge.delivery.delivery_records import Choice

    choice = Choice(ids, reason, since, until, person)
    refs = [ref for ref in load_destinations() if destination in {None, ref.id}]
    if destination is not None and not refs:
        raise ConfigurationError(
            f"There is no enabled destination {destination}: `jetbridge destinations list` lists them."
        )
    if "pending" not in outcomes:
        failures.check_reason({ref.id: ref.kind for ref in refs}, outcomes, reason)
    failures.check_ids(ids, [ref.id for ref in refs])

    with log_bar() as bar:
        event_log = bar.watch(open_event_log())
        lines = message_queries.listed(event_log, refs, outcomes, choice, full=full)
        print_lines(bar, islice(lines, limit), as_json=as_json)


@messages.command(
    epilog=examples("jetbridge messages rejected --since 1d", "jetbridge messages rejected --json")
)
@click.option("--reason", metavar="CODE", help="Only those with this reason, such as invalid_json.")
@since_option("Only what was received since then.")
@until_option("Only what was received before then.")
@LIMIT
@JSON_LINES
def rejected(
    *, reason: str | None, since: datetime | None, until: datetime | None, limit: int, as_json: bool
) -> None:
    """List what failed on ingest: items that no endpoint could read as a message."""
    start()
    from jetbridge.cli import message_queries
    from jetbridge.delivery.delivery_records import Choice

    choice = Choice((), reason, since, until, None)
    with log_bar() as bar:
        lines = message_queries.rejected(bar.watch(open_event_log()), choice)
        print_lines(bar, ((line, None) for line in islice(lines, limit)), as_json=as_json)


@messages.command(
    epilog=examples("jetbridge messages trace ajs-42", "jetbridge messages trace ada@example.com --json")
)
@click.argument("name", metavar="MESSAGE_ID|USER_ID|EMAIL")
@LIMIT
@JSON
def trace(name: str, *, limit: int, as_json: bool) -> None:
    """Show, in order, what was received, where it went and what came back; then the person at each destination."""
    start()
    from jetbridge.cli import message_trace

    with log_bar() as bar:
        traces = message_trace.find(name, limit, bar.watch)
    if as_json:
        echo(json.dumps(message_trace.as_object(traces), default=str))
    else:
        Terminal(highlight=False).print_parts(message_trace.page(name, traces))
    if not traces.records and not traces.people:
        raise SystemExit(1)


def open_event_log() -> "EventLog":
    from django.conf import settings

    from jetbridge import eventlog

    return eventlog.open(settings.CONFIG)


def print_lines(bar: LogBar, lines: "Iterator[Detailed]", *, as_json: bool) -> None:
    """One object or text per message, as each is found."""
    from jetbridge.services.queries import record_detail

    for line, detail in lines:
        if as_json:
            bar.echo(json.dumps(line._asdict() | (detail._asdict() if detail else {})))
            continue
        number = f"#{line.id}  " if line.id is not None and line.outcome == "failed" else ""
        who = " ".join(part for part in (line.person, line.message_id) if part)
        many = f" ({line.total} messages)" if line.total > 1 else ""
        bar.echo(f"{number}{line.at}  {line.of}  {line.reason}  {who}{many}  {line.detail}".rstrip())
        for text in record_detail.lines(detail) if detail else []:
            bar.echo(text)
