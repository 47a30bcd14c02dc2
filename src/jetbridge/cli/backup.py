"""`jetbridge admin backup`: everything in one file, while Jetbridge runs."""

from pathlib import Path

import click

from jetbridge import config
from jetbridge.errors import ConfigurationError
from jetbridge.text import echo


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
def backup(file: Path, *, force: bool) -> None:
    """Copy everything into FILE, and verify the copy. Jetbridge may run meanwhile.

    An event log that was replaced, removed or damaged is copied as it is, and FILE says so.
    FILE holds the secret key and what people sent: keep it as you keep a password. Needs room for two copies beside
    FILE meanwhile. For example:

        jetbridge admin backup /var/backups/jetbridge-2026-11-29.tar.gz
    """
    from jetbridge.cli import home_archive  # noqa: PLC0415 - loads no Django, but more than `--help` needs
    from jetbridge.cli.work_bar import work_bar  # noqa: PLC0415

    config.existing_home()
    settings = config.load()
    if file.exists() and not force:
        raise ConfigurationError(f"{file} exists. Choose another name, or --force to replace it.")
    if not file.parent.is_dir():
        raise ConfigurationError(f"There is no folder {file.parent}.")
    try:
        with work_bar() as progress:
            manifest = home_archive.write(settings.home, settings.secret_key, file, progress)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written: {error.strerror}.") from error
    echo(
        f"{file} holds {settings.home} as of {manifest.made_at}: the event log up to position {manifest.end:,}. "
        f"It was read back and is {'as it is there' if manifest.remarks else 'whole'} ({file.stat().st_size / 1e6:,.1f} MB)."
    )
    for remark in manifest.remarks:
        echo(
            f"{remark} A restore brings back just this. The ways on are in docs/operating.md, The event log was replaced."
        )
    if home_archive.KEY not in manifest.files:
        echo("The secret key is not in it, because it comes from JETBRIDGE_SECRET_KEY: keep that, too.")
