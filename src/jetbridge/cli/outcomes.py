"""`jetbridge outcomes`: which messages were filtered, failed or wait, and why."""

import json
from collections.abc import Iterator
from datetime import datetime
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import click

from jetbridge.cli.log_bar import log_bar
from jetbridge.cli.moment_option import since_option, until_option
from jetbridge.errors import ConfigurationError
from jetbridge.integrations.command_parts import start

if TYPE_CHECKING:
    from jetbridge.cli.listing import Line
    from jetbridge.control.directory import DestinationRef
    from jetbridge.delivery.delivery_records import Choice
    from jetbridge.eventlog.base import EventLog
    from jetbridge.services.queries.record_detail import RecordDetail

    Found = tuple[Line, RecordDetail | None]


@click.command()
@click.argument("outcome", type=click.Choice(["filtered", "failed", "pending", "invalid"]))
@click.argument("ids", nargs=-1, type=int)
@click.option(
    "--destination", "wanted", type=int, help="Only this one, by its id in `jetbridge status --json`."
)
@click.option("--reason", metavar="CODE", help="Only those with this reason.")
@since_option("Only what was received or settled since then.")
@until_option("Only what was received or settled before then.")
@click.option("--person", help="Only this userId, or the address of a contact.")
@click.option("--full", is_flag=True, help="Of failures, also the message, what was sent and what came back.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1), help="Lines at the most.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def outcomes(
    *,
    outcome: str,
    ids: tuple[int, ...],
    wanted: int | None,
    reason: str | None,
    since: datetime | None,
    until: datetime | None,
    person: str | None,
    full: bool,
    limit: int,
    as_json: bool,
) -> None:
    """List single messages with their reasons; `invalid` are those that failed on ingest. IDS are of failures."""
    if (ids or full) and outcome != "failed":
        raise click.UsageError("Ids and --full are for failures: jetbridge outcomes failed ...")
    start()
    from jetbridge.delivery.delivery_records import Choice  # noqa: PLC0415 - models need a started Django

    choice = Choice(ids, reason, since, until, person)
    with log_bar() as bar:
        event_log = bar.watch(_event_log())
        for line, detail in islice(_found(event_log, outcome, wanted, choice, full=full), limit):
            for text in _json(line, detail) if as_json else _text(line, detail):
                bar.echo(text)


def _event_log() -> "EventLog":
    from django.conf import settings  # noqa: PLC0415 - models need a started Django

    from jetbridge import eventlog  # noqa: PLC0415

    return eventlog.open(settings.CONFIG)


def _found(
    event_log: "EventLog", outcome: str, wanted: int | None, choice: "Choice", *, full: bool
) -> "Iterator[Found]":
    from jetbridge.cli import listing, lookup  # noqa: PLC0415 - models need a started Django
    from jetbridge.control.directory import load_destinations  # noqa: PLC0415
    from jetbridge.delivery import delivery_records  # noqa: PLC0415

    if outcome == "invalid":
        return _bare(listing.failed_on_ingest(event_log, choice))
    refs = [ref for ref in load_destinations() if wanted in {None, ref.id}]
    if wanted is not None and not refs:
        raise ConfigurationError(
            f"There is no enabled destination {wanted}: `jetbridge destinations list` lists them."
        )
    if choice.reason and outcome != "pending":
        lookup.check_reason({ref.id: ref.kind for ref in refs}, outcome, choice.reason)
    if lost := delivery_records.missing(choice.ids, [ref.id for ref in refs], outcome):
        raise ConfigurationError(f"There is no failure {', '.join(map(str, lost[:20]))}.")
    if outcome == "failed":
        return chain.from_iterable(_failed(ref, event_log, choice, full=full) for ref in refs)
    return _bare(chain.from_iterable(_lines(outcome, ref, event_log, choice) for ref in refs))


def _failed(
    ref: "DestinationRef", event_log: "EventLog", choice: "Choice", *, full: bool
) -> "Iterator[Found]":
    from jetbridge.cli import listing  # noqa: PLC0415 - models need a started Django
    from jetbridge.services.queries import record_detail  # noqa: PLC0415

    for line, row in listing.settled(ref, "failed", choice):
        yield line, record_detail.of(row, event_log) if full else None


def _lines(outcome: str, ref: "DestinationRef", event_log: "EventLog", choice: "Choice") -> "Iterator[Line]":
    from jetbridge.cli import listing  # noqa: PLC0415 - models need a started Django
    from jetbridge.integrations import registry  # noqa: PLC0415

    integration = registry.destination(ref.kind)
    if outcome == "pending":
        return listing.pending(ref, integration, event_log, choice)
    settled = (line for line, _ in listing.settled(ref, outcome, choice))
    return chain(settled, listing.routed(ref, integration, event_log, choice))


def _bare(lines: "Iterator[Line]") -> "Iterator[Found]":
    return ((line, None) for line in lines)


def _json(line: "Line", detail: "RecordDetail | None") -> list[str]:
    full: dict[str, Any] = detail._asdict() if detail else {}
    return [json.dumps(line._asdict() | full)]


def _text(line: "Line", detail: "RecordDetail | None") -> list[str]:
    from jetbridge.services.queries.record_detail import lines  # noqa: PLC0415 - models need a started Django

    number = f"#{line.id}" if line.id is not None and line.outcome == "failed" else ""
    who = " ".join(part for part in (line.person, line.message_id) if part)
    many = f" ({line.total} messages)" if line.total > 1 else ""
    head = f"{number}  " if number else ""
    text = f"{head}{line.at}  {line.of}  {line.reason}  {who}{many}  {line.sentence}".rstrip()
    return [text, *(lines(detail) if detail else [])]
