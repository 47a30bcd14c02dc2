"""`jetbridge admin recover-log`: save what can be read of a damaged event log, and count what cannot."""

import sqlite3
import time
from contextlib import ExitStack, closing
from pathlib import Path

import click

from jetbridge import config
from jetbridge.cli.confirm import confirmed
from jetbridge.cli.log_bar import log_bar
from jetbridge.control import home_lock
from jetbridge.errors import ConfigurationError
from jetbridge.text import echo, pluralize

#: What the audit log names instead of a person.
WHO = "jetbridge admin recover-log"


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
def recover_log(*, yes: bool) -> None:
    """Save all that can be read of a damaged event log, and count what is lost as failed.

    Jetbridge must not run. The damaged file stays beside the new one, which needs about as much room. For example:

        jetbridge admin recover-log --yes
    """
    config.existing_home()
    settings = config.load()
    with ExitStack() as stack:
        for command in home_lock.PROCESSES:
            stack.enter_context(closing(home_lock.take(settings.home, command)))
        size = settings.log_path.stat().st_size if settings.log_path.exists() else 0
        if not size:
            raise ConfigurationError(f"There is no event log at {settings.log_path}.")
        if not confirmed(f"Copy {size / 1e6:,.0f} MB of {settings.log_path} to a new file?", yes=yes):
            raise SystemExit(1)
        _recover(settings.log_path)


def _recover(path: Path) -> None:
    from jetbridge.control import database  # noqa: PLC0415 - Django must not load for `--help`

    database.start()
    database.migrate()
    from jetbridge.delivery import log_reset  # noqa: PLC0415 - models need a started Django
    from jetbridge.eventlog import recovery  # noqa: PLC0415
    from jetbridge.eventlog.sqlite import SqliteEventLog  # noqa: PLC0415
    from jetbridge.services import installation  # noqa: PLC0415

    new = path.with_name("eventlog.recovered.db")
    new.unlink(missing_ok=True)
    with log_bar() as bar:
        try:
            found = recovery.recover(path, new, passed=bar.passed)
        except sqlite3.Error as error:
            new.unlink(missing_ok=True)
            raise ConfigurationError(
                f"Nothing can be read of {path} ({error}). Restore a backup with `jetbridge admin restore`."
            ) from error
    kept = _swap(path, new)
    with closing(SqliteEventLog(path)) as event_log, log_bar() as bar:
        losses = installation.count_lost(WHO, bar.watch(event_log), counted=found.counted)
    if not found.gaps:
        echo("All records could be read.")
    for gap in found.gaps:
        echo(f"Lost: the records at positions {gap.after + 1:,} to {gap.upto:,}.")
    for loss in losses:
        echo(
            f"{loss.destination}: {pluralize(loss.messages, 'unread message is', 'unread messages are')} lost, and counted as failed ({log_reset.LOST})."
        )
    if not found.counted:
        echo("It is not known how many messages are lost: the totals were damaged, too.")
    echo(f"The damaged file is {kept}; delete it when you need it no more. Start `jetbridge serve`.")


def _swap(path: Path, new: Path) -> Path:
    kept = path.with_name(f"eventlog.damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.db")
    for suffix in ("-wal", "-shm"):
        beside = path.with_name(path.name + suffix)
        if beside.exists():
            beside.rename(kept.with_name(kept.name + suffix))
    path.rename(kept)
    new.rename(path)
    return kept
