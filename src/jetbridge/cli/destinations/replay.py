"""`jetbridge destinations replay`: let one destination read a span of the log once more."""

import json
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from jetbridge.errors import ConfigurationError
from jetbridge.integrations.command_parts import JSON, confirmed, examples, since_option, start, until_option
from jetbridge.text import echo, pluralize

if TYPE_CHECKING:
    from jetbridge.delivery.models import Replay
    from jetbridge.services.replays import Plan, Question

LOOK_SECONDS = 0.2


@click.command(
    epilog=examples(
        "jetbridge destinations replay Warehouse --since 7d --wait",
        "jetbridge destinations replay 2 --source 1 --dry-run --json",
        "jetbridge destinations replay --list",
    )
)
@click.argument("destination", metavar="[ID|NAME]", required=False)
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
@JSON
def replay(
    *,
    destination: str | None,
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
    """Replay messages to one destination: all that the log retains, or a span of it."""
    if [destination is not None, listed, cancel is not None].count(True) != 1:
        raise click.UsageError("Name one destination by its id or name, or --list, or --cancel ID.")
    if (since and until and since >= until) or (upto is not None and after >= upto):
        raise click.UsageError("The span ends before it begins: nothing lies in it.")
    start()
    if destination is not None:
        from jetbridge.services import lookup
        from jetbridge.services.replays import Question

        question = Question(lookup.destination(destination).id, since, until, after, upto, source)
        _ask(question, dry_run=dry_run, yes=yes or as_json, wait=wait, as_json=as_json)
    elif cancel is not None:
        _cancel(cancel, as_json=as_json)
    else:
        _list(as_json=as_json)


def _ask(question: "Question", *, dry_run: bool, yes: bool, wait: bool, as_json: bool) -> None:
    from jetbridge.control import processes
    from jetbridge.services import replays

    plan = replays.plan(question)
    if not as_json:
        for line in plan.messages():
            echo(line)
    count = plan.count.messages
    row: Replay | None = None
    if count and not dry_run and confirmed(f"Replay {pluralize(count, 'message')} to {plan.name}?", yes=yes):
        row = _begin(plan)
        if not as_json:
            echo(f"Replay {row.id} is requested. `jetbridge destinations replay --list` shows how far it is.")
        if processes.worker_runs():
            if wait:
                _wait(row, quiet=as_json)
        elif not as_json:
            echo("No worker is running: nothing is delivered. Start `jetbridge serve`.")
    if as_json:
        counted = {
            "messages": count,
            "let_through": plan.count.let_through,
            "by_type": dict(plan.count.by_type),
            "after": plan.span.after,
            "upto": plan.span.upto,
        }
        echo(json.dumps({"count": counted, "replay": _as_object(row) if row else None}))


def _begin(plan: "Plan") -> "Replay":
    from jetbridge.services import deliveries, lookup

    of = lookup.destination(str(plan.destination))
    actor = lookup.actor(of.workspace, "destinations replay")
    return deliveries.replay_span(actor, of, plan.span, plan.source, plan.count.messages)


def _wait(row: "Replay", *, quiet: bool) -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, disable=quiet) as bar:
        task = bar.add_task(f"Replay {row.id}", total=row.messages)
        while row.ended_at is None:
            time.sleep(LOOK_SECONDS)
            row.refresh_from_db()
            bar.update(task, completed=row.done)
    if not quiet:
        echo(f"Replay {row.id} has ended: {row.done:,} of {pluralize(row.messages, 'message')} replayed.")


def _cancel(id_: int, *, as_json: bool) -> None:
    from jetbridge.control.models import Destination
    from jetbridge.delivery.models import Replay
    from jetbridge.services import deliveries, lookup

    row = Replay.objects.filter(id=id_).first()
    of = (
        Destination.objects.select_related("workspace").filter(id=row.destination_id).first() if row else None
    )
    if (
        row is None
        or of is None
        or not deliveries.cancel_replay(lookup.actor(of.workspace, "destinations replay"), of, row)
    ):
        raise ConfigurationError(
            f"There is no open replay {id_}: see `jetbridge destinations replay --list`."
        )
    if as_json:
        row.refresh_from_db()
        echo(json.dumps({"replay": _as_object(row)}))
    else:
        echo(f"Replay {id_} reads no further. What it has read stays delivered.")


def _list(*, as_json: bool) -> None:
    from jetbridge.services import replays

    found = list(replays.all_replays())
    if as_json:
        echo(json.dumps({"replays": [line._asdict() for line in found]}))
    else:
        echo("\n".join(line.text() for line in found) or "There was no replay yet.")


def _as_object(row: "Replay") -> dict[str, Any]:
    from jetbridge.services import replays

    return next(line._asdict() for line in replays.all_replays() if line.id == row.id)
