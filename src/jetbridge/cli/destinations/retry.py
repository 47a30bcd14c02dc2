"""`jetbridge destinations retry`: try failures again, after their cause was fixed."""

import json
from collections.abc import Sequence
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

import click

from jetbridge.errors import ConfigurationError
from jetbridge.integrations.command_parts import JSON, confirmed, examples, since_option, start, until_option
from jetbridge.text import echo, pluralize

if TYPE_CHECKING:
    from jetbridge.control.models import Destination
    from jetbridge.delivery.delivery_records import Choice


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
@click.option("--yes", is_flag=True, help="Do not ask.")
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
    from jetbridge.cli import reasons
    from jetbridge.control.models import Destination
    from jetbridge.delivery import retry_queue
    from jetbridge.delivery.base import FAILED
    from jetbridge.delivery.delivery_records import Choice
    from jetbridge.services import lookup

    choice = Choice(ids, reason, since, until)
    enabled = Destination.objects.filter(enabled=True).select_related("workspace").order_by("id")
    rows = [lookup.destination(destination)] if destination else list(enabled)
    if reason:
        reasons.check_reason({row.id: row.kind for row in rows}, [FAILED], reason)
    _check_ids(ids, [row.id for row in rows])
    counted = {row.id: retry_queue.failures(row.id, choice) for row in rows}
    total = sum(found.messages for failures in counted.values() for found in failures)
    if not as_json:
        for row in rows:
            _say(row, counted[row.id], choice)
    is_done = (
        bool(total) and not dry_run and confirmed(f"Retry {pluralize(total, 'message')}?", yes=yes or as_json)
    )
    retried = {row.id: _retry(row, choice, quiet=as_json) for row in rows} if is_done else {}
    if as_json:
        found = [
            {
                "id": row.id,
                "name": row.name,
                "failed": {failures.reason: failures.messages for failures in counted[row.id]},
                **retried.get(row.id, {"retried": 0, "lost": 0}),
            }
            for row in rows
        ]
        echo(json.dumps({"destinations": found}))
    elif not total:
        echo("There is nothing to retry.")
    elif is_done:
        _say_whether_a_worker_runs()


def _check_ids(ids: Sequence[int], destinations: Sequence[int]) -> None:
    """Raises ConfigurationError if one is no failure of these destinations."""
    from jetbridge.delivery import delivery_records
    from jetbridge.delivery.base import FAILED

    if missing := delivery_records.missing(ids, destinations, FAILED):
        raise ConfigurationError(
            f"There is no failure {', '.join(map(str, missing[:20]))} of an enabled destination, or of the one named: "
            "`jetbridge messages list --outcome failed` lists them. Nothing was retried."
        )


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
        sources = [each for each in registry.integrations() if isinstance(each, Source)]
        for account, name, total in chain.from_iterable(
            each.retry_failed_events(event_log) for each in sources
        ):
            accounts.append({"id": account, "name": name, "retried": total})
            if not as_json:
                bar.echo(f"{name}: {pluralize(total, 'email event is', 'email events are')} replayed.")
        if as_json:
            bar.echo(json.dumps({"accounts": accounts}))


def _say(row: "Destination", failures: "list[Any]", choice: "Choice") -> None:
    from jetbridge.delivery import delivery_records
    from jetbridge.delivery.base import FAILED

    for found in failures:
        echo(f"{row.name}: {found.messages:,} failed, {found.reason}")
    gone = 0 if choice.ids else delivery_records.no_longer_kept(row.id, FAILED, choice.reason)
    if gone:
        echo(
            f"{row.name}: {pluralize(gone, 'older failure is', 'older failures are')} counted but no longer kept one by one, "
            f"and cannot be retried. `jetbridge destinations replay {row.id}` reads their messages again."
        )


def _retry(row: "Destination", choice: "Choice", *, quiet: bool) -> dict[str, int]:
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


def _say_whether_a_worker_runs() -> None:
    from jetbridge.control import processes

    if not processes.worker_runs():
        echo("No worker is running: nothing is delivered. Start `jetbridge serve`.")
