"""`jetbridge admin restore`: a home as a backup has it."""

import os
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path

import click

from jetbridge import config
from jetbridge.cli import home_archive
from jetbridge.control import home_lock
from jetbridge.errors import ConfigurationError
from jetbridge.text import echo

_BESIDE = ("-wal", "-shm", "-journal")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--force", is_flag=True, help="Replace what is there; it is kept in a folder beside.")
def restore(file: Path, *, force: bool) -> None:
    """Make JETBRIDGE_HOME what it was when FILE was made. Jetbridge must not run.

    For example:

        JETBRIDGE_HOME=/var/lib/jetbridge jetbridge admin restore /var/backups/jetbridge-2026-11-29.tar.gz
    """
    from jetbridge.cli.work_bar import work_bar  # noqa: PLC0415 - slow to load

    home = config.home()
    with ExitStack() as stack:
        for command in home_lock.PROCESSES:
            stack.enter_context(closing(home_lock.take(home, command)))
        names = (home_archive.KEY, config.STATE, home_archive.LOG)
        there = [name for name in names if (home / name).exists()] + home_archive.engage_stores(home)
        if there and not force:
            raise ConfigurationError(
                f"{home} is not empty ({', '.join(there)}). Name another JETBRIDGE_HOME, or --force to replace what is there."
            )
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=".restoring-", dir=home)))
        with work_bar() as progress:
            manifest = home_archive.read(file, folder, progress)
        _check_key(folder, manifest)
        kept = _move_aside(home, there) if there else None
        for name in (*names, *home_archive.engage_stores(folder)):
            if (folder / name).exists():
                (folder / name).rename(home / name)
        descriptor = os.open(home, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    echo(f"{home} is what it was at {manifest.made_at}: the event log up to position {manifest.end:,}.")
    for remark in manifest.remarks:
        echo(f"{remark} It was so when the backup was made: readers that do not fit are paused again.")
    if kept:
        echo(f"What was there is in {kept}; delete it when you need it no more.")
    echo(
        "Start `jetbridge serve`. What was delivered after the backup was made and is in its event log is delivered once more, which "
        "changes nothing. `jetbridge verify` shows what Mailjet has learned since."
    )


def _check_key(folder: Path, manifest: home_archive.Manifest) -> None:
    given = os.environ.get("JETBRIDGE_SECRET_KEY", "")
    stored = folder / home_archive.KEY
    key = given or (stored.read_text().strip() if stored.exists() else "")
    if home_archive.key_check(key) != manifest.key_check:
        raise ConfigurationError(
            "The secret key is another one than that of the backup, so no key in it could be decrypted. "
            + ("Unset JETBRIDGE_SECRET_KEY, or set" if given else "Set JETBRIDGE_SECRET_KEY to")
            + " the key with which the backup was made."
        )


def _move_aside(home: Path, there: list[str]) -> Path:
    kept = home / f"replaced-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
    kept.mkdir(mode=0o700)
    for name in there:
        for suffix in ("", *_BESIDE):
            if (path := home / f"{name}{suffix}").exists():
                path.rename(kept / path.name)
    return kept
