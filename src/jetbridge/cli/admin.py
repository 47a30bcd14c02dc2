"""`jetbridge admin`: what the operator of the machine does with the files: back up, restore, go on after damage."""

import json
import os
import sqlite3
import tempfile
import time
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from jetbridge import config
from jetbridge.cli.progress import byte_bar, log_bar
from jetbridge.control import home_lock
from jetbridge.errors import ConfigurationError
from jetbridge.integrations.command_parts import JSON, YES, DateTimeOption, confirmed, examples, start
from jetbridge.text import echo, pluralize


@click.group()
def admin() -> None:
    """Back up and restore everything, and go on after the event log was damaged or replaced."""


@admin.command(epilog=examples("jetbridge admin backup /var/backups/jetbridge-2026-11-29.tar.gz"))
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@JSON
def backup(file: Path, *, force: bool, as_json: bool) -> None:
    """Copy everything into FILE, and verify the copy. Jetbridge may run meanwhile.

    An event log that was replaced, removed or damaged is copied as it is, and FILE records that. FILE holds the secret
    key and what people sent: keep it as you keep a password. Needs room for two copies beside FILE meanwhile.
    """
    from jetbridge.cli import home_archive

    config.existing_home()
    settings = config.load()
    if file.exists() and not force:
        raise ConfigurationError(f"{file} exists. Choose another name, or --force to replace it.")
    if not file.parent.is_dir():
        raise ConfigurationError(f"There is no folder {file.parent}.")
    try:
        with byte_bar() as progress:
            manifest = home_archive.write(settings.home, settings.secret_key, file, progress)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written: {error.strerror}.") from error
    size, has_key = file.stat().st_size, home_archive.KEY in manifest.files
    if as_json:
        fields = {"file": str(file), "bytes": size, "made_at": manifest.made_at, "end": manifest.end}
        echo(json.dumps({**fields, "has_secret_key": has_key, "remarks": manifest.remarks}))
        return
    echo(
        f"{file} holds {settings.home} as of {manifest.made_at}: the event log up to position {manifest.end:,}. "
        f"It was read back and is {'as it is there' if manifest.remarks else 'whole'} ({size / 1e6:,.1f} MB)."
    )
    for remark in manifest.remarks:
        echo(
            f"{remark} A restore brings back just this. The ways on are in docs/operating.md, The event log was replaced."
        )
    if not has_key:
        echo("The secret key is not in it, because it comes from JETBRIDGE_SECRET_KEY: keep that, too.")


@admin.command(
    epilog=examples(
        "jetbridge admin restore /var/backups/jetbridge-2026-11-29.tar.gz",
        "JETBRIDGE_HOME=/var/lib/jetbridge jetbridge admin restore jetbridge-2026-11-29.tar.gz --force",
    )
)
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--force", is_flag=True, help="Replace what is there; it is kept in a folder beside.")
@JSON
def restore(file: Path, *, force: bool, as_json: bool) -> None:
    """Make JETBRIDGE_HOME what it was when FILE was made. Jetbridge must not run."""
    from jetbridge.cli import home_archive

    home = config.home()
    with ExitStack() as stack:
        for process in home_lock.PROCESSES:
            stack.enter_context(closing(home_lock.take(home, process)))
        names = (home_archive.KEY, config.STATE, home_archive.LOG)
        existing = [name for name in names if (home / name).exists()] + home_archive.engage_stores(home)
        if existing and not force:
            raise ConfigurationError(
                f"{home} is not empty ({', '.join(existing)}). Name another JETBRIDGE_HOME, or --force to replace what is there."
            )
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=".restoring-", dir=home)))
        with byte_bar() as progress:
            manifest = home_archive.read(file, folder, progress)
        home_archive.check_key(folder, manifest)
        kept = home / f"replaced-{timestamp()}" if existing else None
        if kept:
            kept.mkdir(mode=0o700)
            suffixes = ("", "-wal", "-shm", "-journal")
            replaced = [home / f"{name}{suffix}" for name in existing for suffix in suffixes]
            for path in filter(Path.exists, replaced):
                path.rename(kept / path.name)
        restored = [folder / name for name in (*names, *home_archive.engage_stores(folder))]
        for path in filter(Path.exists, restored):
            path.rename(home / path.name)
        descriptor = os.open(home, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    if as_json:
        fields = {"home": str(home), "made_at": manifest.made_at, "end": manifest.end}
        echo(json.dumps({**fields, "replaced": str(kept) if kept else None, "remarks": manifest.remarks}))
        return
    echo(f"{home} is what it was at {manifest.made_at}: the event log up to position {manifest.end:,}.")
    for remark in manifest.remarks:
        echo(f"{remark} It was so when the backup was made: readers that do not fit are paused again.")
    if kept:
        echo(f"What was there is in {kept}; delete it when you need it no more.")
    echo(
        "Start `jetbridge serve`. What was delivered after the backup was made and is in its event log is delivered once more, which "
        "changes nothing. `jetbridge contacts verify` shows what Mailjet has learned since."
    )


class StartOption(DateTimeOption):
    """`earliest`, `latest` or a time."""

    name = "earliest|latest|TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        ends = {"earliest": datetime(1, 1, 1, tzinfo=UTC), "latest": datetime(9999, 1, 1, tzinfo=UTC)}
        return ends[value] if value in ends else super().convert(value, param, ctx)


@admin.command(epilog=examples("jetbridge admin reset-positions --to earliest"))
@click.option("--to", type=StartOption(), required=True, help="Where to start in the log that is there.")
@YES
@JSON
def reset_positions(*, to: datetime, yes: bool, as_json: bool) -> None:
    """Let readers start in the event log that is there, after it was replaced.

    Only those are moved whose position means nothing in it. Jetbridge may run meanwhile.
    """
    start()
    from django.conf import settings

    from jetbridge import eventlog
    from jetbridge.delivery import log_reader
    from jetbridge.services import installation

    with eventlog.open(settings.CONFIG) as event_log:
        problems = list(log_reader.problems(event_log))
        end = event_log.counts().end
        if not as_json:
            for row, error in problems:
                echo(f"{row.consumer} stands at {row.position:,} ({error.code})")
        question = f"Let these start anew in this log, which ends at {end:,}?"
        if problems and not confirmed(question, yes=yes or as_json):
            raise SystemExit(1)
        moved = []
        if problems:
            with log_bar() as bar:
                moved = installation.reset_positions(
                    "jetbridge admin reset-positions", bar.watch(event_log), to
                )
    if as_json:
        echo(json.dumps({"moved": [{"consumer": reset.consumer, "after": reset.after} for reset in moved]}))
        return
    if not problems:
        echo("Every reader stands where it should in this event log. Nothing was changed.")
    for reset in moved:
        echo(f"{reset.consumer} goes on after position {reset.after:,}.")


@admin.command(epilog=examples("jetbridge admin recover-log --yes"))
@YES
@JSON
def recover_log(*, yes: bool, as_json: bool) -> None:
    """Save all that can be read of a damaged event log, and count what is lost as failed.

    Jetbridge must not run. The damaged file stays beside the new one, which needs about as much room.
    """
    config.existing_home()
    settings = config.load()
    with ExitStack() as stack:
        for process in home_lock.PROCESSES:
            stack.enter_context(closing(home_lock.take(settings.home, process)))
        path = settings.log_path
        size = path.stat().st_size if path.exists() else 0
        if not size:
            raise ConfigurationError(f"There is no event log at {path}.")
        if not confirmed(f"Copy {size / 1e6:,.0f} MB of {path} to a new file?", yes=yes or as_json):
            raise SystemExit(1)
        from jetbridge.control import database

        database.start()
        database.migrate()
        from jetbridge.delivery import log_recovery
        from jetbridge.eventlog import recovery
        from jetbridge.eventlog.sqlite import SqliteEventLog
        from jetbridge.services import installation

        new = path.with_name("eventlog.recovered.db")
        new.unlink(missing_ok=True)
        with log_bar() as bar:
            try:
                recovered = recovery.recover(path, new, passed=bar.passed)
            except sqlite3.Error as error:
                new.unlink(missing_ok=True)
                raise ConfigurationError(
                    f"Nothing can be read of {path} ({error}). Restore a backup with `jetbridge admin restore`."
                ) from error
        # The new log in the place of the damaged one, which is kept beside it.
        kept = path.with_name(f"eventlog.damaged-{timestamp()}.db")
        for suffix in ("-wal", "-shm"):
            with suppress(FileNotFoundError):
                path.with_name(path.name + suffix).rename(kept.with_name(kept.name + suffix))
        path.rename(kept)
        new.rename(path)
        with closing(SqliteEventLog(path)) as event_log, log_bar() as bar:
            watched = bar.watch(event_log)
            losses = installation.count_lost(
                "jetbridge admin recover-log", watched, counted=recovered.counted
            )
    if as_json:
        gaps = [{"after": gap.after, "upto": gap.upto} for gap in recovered.gaps]
        lost = [{"destination": loss.destination, "messages": loss.messages} for loss in losses]
        echo(
            json.dumps({"damaged": str(kept), "gaps": gaps, "lost": lost, "counted": bool(recovered.counted)})
        )
        return
    lines = [f"Lost: the records at positions {gap.after + 1:,} to {gap.upto:,}." for gap in recovered.gaps]
    echo("\n".join(lines) or "All records could be read.")
    for loss in losses:
        echo(
            f"{loss.destination}: {pluralize(loss.messages, 'unread message is', 'unread messages are')} lost, and counted as failed ({log_recovery.LOST})."
        )
    if not recovered.counted:
        echo("It is not known how many messages are lost: the totals were damaged, too.")
    echo(f"The damaged file is {kept}; delete it when you need it no more. Start `jetbridge serve`.")


def timestamp() -> str:
    """In the names of files that are kept."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
