"""`jetbridge outcomes`: which messages were filtered, failed or wait, and why."""

import json
from collections.abc import Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from jetbridge.cli.listing import Line


@click.command()
@click.argument("outcome", type=click.Choice(["filtered", "failed", "pending", "invalid"]))
@click.option(
    "--destination", "wanted", type=int, help="Only this one, by its id in `jetbridge status --json`."
)
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1), help="Lines at the most.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def outcomes(outcome: str, *, wanted: int | None, limit: int, as_json: bool) -> None:
    """List single messages with their reasons; `invalid` are those that failed on ingest."""
    from jetbridge.control import database  # noqa: PLC0415 - Django must not load for `--help`

    database.start()
    database.migrate()
    for line in islice(_lines(outcome, wanted), limit):
        click.echo(json.dumps(line._asdict()) if as_json else _text(line))


def _lines(outcome: str, wanted: int | None) -> "Iterator[Line]":
    from django.conf import settings  # noqa: PLC0415 - models need a started Django

    from jetbridge.cli import listing  # noqa: PLC0415
    from jetbridge.control.directory import load_destinations  # noqa: PLC0415
    from jetbridge.destinations.registry import DEFINITIONS  # noqa: PLC0415
    from jetbridge.eventlog.sqlite import SqliteEventLog  # noqa: PLC0415

    event_log = SqliteEventLog(settings.CONFIG.log_path)
    if outcome == "invalid":
        return listing.failed_on_ingest(event_log)
    refs = [ref for ref in load_destinations() if wanted in {None, ref.id}]
    if outcome == "pending":
        return chain.from_iterable(listing.pending(ref, event_log) for ref in refs)
    lines = chain.from_iterable(listing.settled(ref, outcome) for ref in refs)
    if outcome == "failed":
        return lines
    return chain(lines, *(listing.routed(ref, DEFINITIONS[ref.kind], event_log) for ref in refs))


def _text(line: "Line") -> str:
    who = " ".join(part for part in (line.person, line.message_id) if part)
    many = f" ({line.total} messages)" if line.total > 1 else ""
    return f"{line.at}  {line.of}  {line.reason}  {who}{many}  {line.sentence}".rstrip()
