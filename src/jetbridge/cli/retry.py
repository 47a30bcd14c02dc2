"""`jetbridge retry`: try failures again, after their cause was mended."""

from datetime import datetime
from typing import TYPE_CHECKING

import click

from jetbridge.cli.confirm import confirmed
from jetbridge.cli.moment_option import since_option, until_option

if TYPE_CHECKING:
    from jetbridge.control.directory import DestinationRef
    from jetbridge.delivery.exhibits import Choice


@click.command()
@click.argument("ids", nargs=-1, type=int)
@click.option("--all", "everything", is_flag=True, help="All failures.")
@click.option("--reason", metavar="CODE", help="Only those with this reason.")
@since_option("Only those that failed since then.")
@until_option("Only those that failed before then.")
@click.option("--destination", "wanted", type=int, help="Only this one, by its id.")
@click.option("--dry-run", is_flag=True, help="Only count.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def retry(
    *,
    ids: tuple[int, ...],
    everything: bool,
    reason: str | None,
    since: datetime | None,
    until: datetime | None,
    wanted: int | None,
    dry_run: bool,
    yes: bool,
) -> None:
    """Try failures again: those with these IDS (see `jetbridge outcomes failed`), or all that fit the options."""
    if not (ids or everything or reason or since or until):
        raise click.UsageError("Say which failures: ids, --reason, --since, --until, or --all.")
    from jetbridge.control import database  # noqa: PLC0415 - Django must not load for `--help`

    database.start()
    database.migrate()
    from jetbridge.control.directory import load_destinations  # noqa: PLC0415 - models need a started Django
    from jetbridge.delivery.exhibits import Choice  # noqa: PLC0415

    choice = Choice(ids, reason, since, until)
    refs = [ref for ref in load_destinations() if wanted in {None, ref.id}]
    total = sum(_count(ref, choice) for ref in refs)
    if not total:
        click.echo("There is nothing to retry.")
    elif not dry_run and confirmed(f"Retry {total:,} messages?", yes=yes):
        _retry(refs, choice)


def _count(ref: "DestinationRef", choice: "Choice") -> int:
    """Print what fits; return how many messages."""
    from jetbridge.delivery import again, exhibits, ledger  # noqa: PLC0415 - models need a started Django

    found = again.failures(ref.id, choice)
    for row in found:
        click.echo(f"{ref.name}: {row.messages:,} failed, {row.reason}")
    gone = 0 if choice.ids else exhibits.no_longer_kept(ref.id, ledger.FAILED, choice.reason)
    if gone:
        click.echo(
            f"{ref.name}: {gone:,} older failures are counted but no longer kept one by one, so they cannot be "
            f"retried. `jetbridge replay {ref.id}` reads their messages again."
        )
    return sum(row.messages for row in found)


def _retry(refs: "list[DestinationRef]", choice: "Choice") -> None:
    from django.conf import settings  # noqa: PLC0415 - models need a started Django

    from jetbridge.control import home_lock  # noqa: PLC0415
    from jetbridge.delivery import again  # noqa: PLC0415
    from jetbridge.eventlog.sqlite import SqliteEventLog  # noqa: PLC0415

    event_log = SqliteEventLog(settings.CONFIG.log_path)
    for ref in refs:
        done = again.retry(ref.id, choice, event_log)
        if done.messages:
            click.echo(f"{ref.name}: {done.messages:,} messages are pending again.")
        if done.lost:
            click.echo(
                f"{ref.name}: {done.lost:,} messages stay failed, because the event log has given them up "
                "(JETBRIDGE_RETENTION_DAYS)."
            )
    event_log.close()
    if not home_lock.is_taken(settings.CONFIG.home, "worker"):
        click.echo("No worker is running: nothing is delivered. Start `jetbridge serve`.")
