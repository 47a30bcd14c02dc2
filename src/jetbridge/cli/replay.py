"""`jetbridge replay`: let one destination read a span of the log once more."""

import json
import time
from datetime import datetime
from typing import TYPE_CHECKING

import click

from jetbridge.cli.confirm import confirmed
from jetbridge.cli.moment_option import since_option, until_option
from jetbridge.errors import ConfigurationError

if TYPE_CHECKING:
    from jetbridge.delivery.models import Replay
    from jetbridge.destinations.replaying import Question

LOOK_SECONDS = 0.2


@click.command()
@click.argument("destination", type=int, required=False, metavar="[DESTINATION_ID]")
@since_option("Only what was received since then.")
@until_option("Only what was received before then.")
@click.option("--after", default=0, type=click.IntRange(0), help="Only what lies after this position.")
@click.option("--upto", type=click.IntRange(0), help="Only what lies up to this position.")
@click.option("--source", type=int, help="Only messages of this source, by its id.")
@click.option("--dry-run", is_flag=True, help="Only count.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--wait", is_flag=True, help="Show how far it is, until its end. Ctrl-C leaves it at work.")
@click.option("--list", "listed", is_flag=True, help="Show all replays.")
@click.option("--cancel", type=int, metavar="ID", help="Read no further.")
@click.option("--json", "as_json", is_flag=True, help="With --list: print one JSON object per line.")
def replay(
    *,
    destination: int | None,
    since: datetime | None,
    until: datetime | None,
    after: int,
    upto: int | None,
    source: int | None,
    dry_run: bool,
    yes: bool,
    wait: bool,
    listed: bool,
    cancel: int | None,
    as_json: bool,
) -> None:
    """Let one destination read messages again: all that the log retains, or a span of it."""
    if [destination is not None, listed, cancel is not None].count(True) != 1:
        raise click.UsageError(
            "Name one destination by its id (see `jetbridge status --json`), or --list, or --cancel ID."
        )
    from jetbridge.control import database  # noqa: PLC0415 - Django must not load for `--help`

    database.start()
    database.migrate()
    if destination is not None:
        from jetbridge.destinations.replaying import Question  # noqa: PLC0415 - models need a started Django

        question = Question(destination, since, until, after, upto, source)
        _ask(question, dry_run=dry_run, yes=yes, wait=wait)
    elif cancel is not None:
        _cancel(cancel)
    else:
        _list(as_json=as_json)


def _ask(question: "Question", *, dry_run: bool, yes: bool, wait: bool) -> None:
    from jetbridge.destinations import replaying  # noqa: PLC0415 - models need a started Django

    plan = replaying.plan(question)
    for line in plan.sentences():
        click.echo(line)
    if dry_run or not plan.count.messages:
        return
    if confirmed(f"Let {plan.name} read {plan.count.messages:,} messages again?", yes=yes):
        row = plan.ask()
        click.echo(f"Replay {row.id} is asked for. `jetbridge replay --list` shows how far it is.")
        if not replaying.worker_runs():
            click.echo("No worker is running: nothing is delivered. Start `jetbridge serve`.")
        elif wait:
            _wait(row)


def _wait(row: "Replay") -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415 - slow to load

    with Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()) as bar:
        task = bar.add_task(f"Replay {row.id}", total=row.messages)
        while row.ended_at is None:
            time.sleep(LOOK_SECONDS)
            row.refresh_from_db()
            bar.update(task, completed=row.done)
    click.echo(f"Replay {row.id} has ended: {row.done:,} of {row.messages:,} messages were read again.")


def _cancel(id_: int) -> None:
    from jetbridge.delivery import replay  # noqa: PLC0415 - models need a started Django

    if not replay.cancel(id_):
        raise ConfigurationError(f"There is no open replay {id_}: see `jetbridge replay --list`.")
    click.echo(f"Replay {id_} reads no further. What it has read stays delivered.")


def _list(*, as_json: bool) -> None:
    from jetbridge.destinations import replaying  # noqa: PLC0415 - models need a started Django

    for line in replaying.all_replays():
        click.echo(json.dumps(line._asdict()) if as_json else line.text())
