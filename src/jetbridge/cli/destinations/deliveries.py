"""`jetbridge destinations resume`, `retry`, `replay` and `sync`: what a destination is to deliver again, or now."""

import json
import time
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

import click

from jetbridge.errors import ConfigurationError
from jetbridge.integrations.command_parts import (
    JSON,
    WAIT,
    YES,
    confirmed,
    examples,
    since_option,
    start,
    until_option,
)
from jetbridge.text import echo, pluralize

if TYPE_CHECKING:
    from jetbridge.control.models import Destination
    from jetbridge.delivery.delivery_records import Choice
    from jetbridge.delivery.models import Replay
    from jetbridge.delivery.syncs import SyncState
    from jetbridge.services.replays import Question

#: Pause between two looks at what the worker does (s).
LOOK_SECONDS = 0.2


@click.command(
    epilog=examples("jetbridge destinations resume Webhook", "jetbridge destinations resume --all --json")
)
@click.argument("destination", metavar="[ID|NAME]", required=False)
@click.option("--all", "everything", is_flag=True, help="Every destination that is paused.")
@JSON
def resume(destination: str | None, *, everything: bool, as_json: bool) -> None:
    """Let a paused destination try again at once, and fail what is rejected until something succeeds."""
    if (destination is None) != everything:
        raise click.UsageError("Name one destination by its id or name, or say --all.")
    start()
    from jetbridge.cli import account
    from jetbridge.control.models import Destination
    from jetbridge.services import destinations as destination_services
    from jetbridge.services import lookup

    every = Destination.objects.select_related("workspace")
    chosen = [lookup.destination(destination)] if destination else list(every)
    figures = account.read()
    paused = {row.id: row for row in figures.destinations if row.pause_code}
    resumed = [
        paused[row.id]
        for row in chosen
        if row.id in paused
        and destination_services.resume(lookup.actor(row.workspace, "destinations resume"), row)
    ]
    if as_json:
        fields = ("id", "name", "pause_code", "pause_reason")
        rows = [{name.removeprefix("pause_"): getattr(row, name) for name in fields} for row in resumed]
        echo(json.dumps({"resumed": rows}))
        return
    for row in resumed:
        echo(f"{row.name} is resumed. It was paused ({row.pause_code}): {row.pause_reason}")
    if not resumed:
        echo("Nothing is paused." if everything else f"{chosen[0].name} is not paused.")
    elif not figures.worker_runs:
        echo("No worker is running: it goes on with the next `jetbridge serve`.")


@click.command(
    epilog=examples(
        "jetbridge destinations retry --reason LIST_NOT_FOUND --dry-run",
        "jetbridge destinations retry 12 13",
        "jetbridge destinations retry --all --destination Webhook --json",
    )
)
@click.argument("ids", nargs=-1, type=int)
@click.option("--all", "everything", is_flag=True, help="All failures.")
@click.option("--reason", metavar="CODE", help="Only those with this reason.")
@since_option("Only those that failed since then.")
@until_option("Only those that failed before then.")
@click.option("--destination", metavar="ID|NAME", help="Only those of this destination.")
@click.option("--email-events", is_flag=True, help="Email events that failed on ingest as internal_error.")
@click.option("--dry-run", is_flag=True, help="Only count.")
@YES
@JSON
def retry(
    *,
    ids: tuple[int, ...],
    everything: bool,
    reason: str | None,
    since: datetime | None,
    until: datetime | None,
    destination: str | None,
    email_events: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Try failures again: those with these IDS (see `jetbridge messages list --outcome failed`), or all that fit the options."""
    if not (ids or everything or reason or since or until or email_events):
        raise click.UsageError(
            "Say which failures: ids, --reason, --since, --until, --email-events, or --all."
        )
    if email_events and (ids or everything or reason or since or until or destination or dry_run):
        raise click.UsageError("--email-events stands alone: it reads all of them again.")
    start()
    if email_events:
        _retry_email_events(as_json=as_json)
        return
    from jetbridge.cli import failures
    from jetbridge.control.models import Destination
    from jetbridge.delivery import delivery_records, retry_queue
    from jetbridge.delivery.base import FAILED
    from jetbridge.delivery.delivery_records import Choice
    from jetbridge.services import lookup

    choice = Choice(ids, reason, since, until)
    enabled = Destination.objects.filter(enabled=True).select_related("workspace").order_by("id")
    rows = [lookup.destination(destination)] if destination else list(enabled)
    failures.check_reason({row.id: row.kind for row in rows}, [FAILED], reason)
    failures.check_ids(ids, [row.id for row in rows])
    counted = {row.id: retry_queue.failures(row.id, choice) for row in rows}
    total = sum(kind.messages for by_reason in counted.values() for kind in by_reason)
    for row in () if as_json else rows:
        for kind in counted[row.id]:
            echo(f"{row.name}: {kind.messages:,} failed, {kind.reason}")
        lost = 0 if ids else delivery_records.no_longer_kept(row.id, FAILED, reason)
        if lost:
            echo(
                f"{row.name}: {pluralize(lost, 'older failure is', 'older failures are')} counted but no longer kept one by one, "
                f"and cannot be retried. `jetbridge destinations replay {row.id}` reads their messages again."
            )
    is_done = bool(total) and not dry_run
    is_done = is_done and confirmed(f"Retry {pluralize(total, 'message')}?", yes=yes or as_json)
    retried = {row.id: _retry_failures(row, choice, quiet=as_json) for row in rows} if is_done else {}
    if as_json:
        by_destination = [
            {
                "id": row.id,
                "name": row.name,
                "failed": {kind.reason: kind.messages for kind in counted[row.id]},
                **retried.get(row.id, {"retried": 0, "lost": 0}),
            }
            for row in rows
        ]
        echo(json.dumps({"destinations": by_destination}))
    elif not total:
        echo("There is nothing to retry.")
    elif is_done:
        warn_without_worker()


def _retry_failures(row: "Destination", choice: "Choice", *, quiet: bool) -> dict[str, int]:
    from jetbridge.services import deliveries, lookup

    done = deliveries.retry(lookup.actor(row.workspace, "destinations retry"), row, choice)
    if done.messages and not quiet:
        echo(f"{row.name}: {pluralize(done.messages, 'message is', 'messages are')} pending again.")
    if done.lost and not quiet:
        echo(
            f"{row.name}: {pluralize(done.lost, 'message stays', 'messages stay')} failed: the event log does not retain "
            "what is that old (JETBRIDGE_RETENTION_DAYS)."
        )
    return {"retried": done.messages, "lost": done.lost}


def _retry_email_events(*, as_json: bool) -> None:
    """Of every account. The same event has the same messageId, so reading it twice does no harm."""
    from django.conf import settings

    from jetbridge import eventlog
    from jetbridge.cli.progress import log_bar
    from jetbridge.integrations import registry
    from jetbridge.integrations.base import Source

    with log_bar() as bar:
        event_log = bar.watch(eventlog.open(settings.CONFIG))
        accounts = []
        sources = [integration for integration in registry.integrations() if isinstance(integration, Source)]
        for account, name, total in chain.from_iterable(
            source.retry_failed_events(event_log) for source in sources
        ):
            accounts.append({"id": account, "name": name, "retried": total})
            if not as_json:
                bar.echo(f"{name}: {pluralize(total, 'email event is', 'email events are')} replayed.")
        if as_json:
            bar.echo(json.dumps({"accounts": accounts}))


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
@YES
@WAIT
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
    from jetbridge.services import lookup, replays
    from jetbridge.services.replays import Question

    if destination is not None:
        question = Question(lookup.destination(destination).id, since, until, after, upto, source)
        _request_replay(question, dry_run=dry_run, yes=yes or as_json, wait=wait, as_json=as_json)
    elif cancel is not None:
        _cancel_replay(cancel, as_json=as_json)
    else:
        rows = list(replays.all_replays())
        text = "\n".join(row.text() for row in rows) or "There was no replay yet."
        echo(json.dumps({"replays": [row._asdict() for row in rows]}) if as_json else text)


def _request_replay(question: "Question", *, dry_run: bool, yes: bool, wait: bool, as_json: bool) -> None:
    """Count, ask, and have the worker replay."""
    from jetbridge.services import deliveries, lookup, replays

    plan = replays.plan(question)
    for line in () if as_json else plan.messages():
        echo(line)
    count = plan.count.messages
    row: Replay | None = None
    if count and not dry_run and confirmed(f"Replay {pluralize(count, 'message')} to {plan.name}?", yes=yes):
        destination = lookup.destination(str(plan.destination))
        actor = lookup.actor(destination.workspace, "destinations replay")
        row = deliveries.replay_span(actor, destination, plan.span, plan.source, count)
        if not as_json:
            echo(f"Replay {row.id} is requested. `jetbridge destinations replay --list` shows how far it is.")
        if not as_json:
            warn_without_worker()
        if wait and worker_runs():
            _wait_for_replay(row, quiet=as_json)
    if as_json:
        counted = {
            "messages": count,
            "let_through": plan.count.let_through,
            "by_type": dict(plan.count.by_type),
            "after": plan.span.after,
            "upto": plan.span.upto,
        }
        echo(json.dumps({"count": counted, "replay": replay_as_object(row) if row else None}))


def _wait_for_replay(row: "Replay", *, quiet: bool) -> None:
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


def _cancel_replay(id_: int, *, as_json: bool) -> None:
    from jetbridge.control.models import Destination
    from jetbridge.delivery.models import Replay
    from jetbridge.services import deliveries, lookup

    row = Replay.objects.filter(id=id_).first()
    rows = Destination.objects.select_related("workspace")
    destination = rows.filter(id=row.destination_id).first() if row else None
    if (
        row is None
        or destination is None
        or not deliveries.cancel_replay(
            lookup.actor(destination.workspace, "destinations replay"), destination, row
        )
    ):
        raise ConfigurationError(
            f"There is no open replay {id_}: see `jetbridge destinations replay --list`."
        )
    if as_json:
        row.refresh_from_db()
        echo(json.dumps({"replay": replay_as_object(row)}))
    else:
        echo(f"Replay {id_} reads no further. What it has read stays delivered.")


def replay_as_object(row: "Replay") -> dict[str, Any]:
    from jetbridge.services import replays

    return next(line._asdict() for line in replays.all_replays() if line.id == row.id)


@click.command(
    epilog=examples(
        "jetbridge destinations sync Warehouse --wait", "jetbridge destinations sync 3 --show --json"
    )
)
@click.argument("destination", metavar="ID|NAME")
@click.option("--show", is_flag=True, help="Only show when it syncs next, and how the latest sync went.")
@click.option("--wait", is_flag=True, help="Wait until that sync has ended. Ctrl-C leaves it at work.")
@JSON
def sync(destination: str, *, show: bool, wait: bool, as_json: bool) -> None:
    """Let a destination that has a schedule sync now, or after the sync that is under way."""
    start()
    from jetbridge.services import deliveries, lookup, schedules

    row = lookup.destination(destination)
    if not show:
        deliveries.sync(lookup.actor(row.workspace, "destinations sync"), row)
        while wait and row.enabled and worker_runs():  # until the requested sync has ended
            state = schedules.state_of(row.id)
            if not (state and (state.is_requested or state.is_running)):
                break
            time.sleep(LOOK_SECONDS)
    state = schedules.state_of(row.id)
    if state is None:
        raise ConfigurationError(f"{row} delivers continuously: it has no syncs.")
    if as_json:
        echo(json.dumps(sync_as_object(state)))
        return
    echo(f"{row} ({state.schedule}): {schedules.in_words(state, datetime.now(UTC))}.")
    if state.ended_at:
        echo(f"The latest sync ended at {state.schedule.local(state.ended_at):%Y-%m-%d %H:%M:%S %Z}.")
    if not row.enabled:
        echo(f"{row} is disabled: it syncs once it is enabled.")
    elif not worker_runs():
        echo("No worker is running: it syncs with the next `jetbridge serve`.")


def sync_as_object(state: "SyncState") -> dict[str, Any]:
    """The JSON of `--json`, and a part of `jetbridge status --json`; its keys are a promise to scripts."""
    return {
        "schedule": str(state.schedule),
        "next_at": state.next_at.isoformat(),
        "requested": state.is_requested,
        "running": state.is_running,
        "began_at": state.began_at.isoformat() if state.began_at else None,
        "ended_at": state.ended_at.isoformat() if state.ended_at else None,
        "progress": state.share,
    }


def warn_without_worker() -> None:
    if not worker_runs():
        echo("No worker is running: nothing is delivered. Start `jetbridge serve`.")


def worker_runs() -> bool:
    from jetbridge.control import processes

    return processes.worker_runs()
