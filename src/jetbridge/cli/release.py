"""`jetbridge release`: let a held destination go on, and accept what comes of it."""

import click

from jetbridge.errors import ConfigurationError


@click.command()
@click.argument("destination", type=int, required=False)
@click.option("--all", "everything", is_flag=True, help="Every destination that is held.")
def release(destination: int | None, *, everything: bool) -> None:
    """Let a held destination try again at once, and fail what is refused until something succeeds."""
    if (destination is None) != everything:
        raise click.UsageError("Name one destination by its id in `jetbridge status --json`, or --all.")
    from jetbridge.control import database  # noqa: PLC0415 - Django must not load for `--help`

    database.start()
    database.migrate()
    from jetbridge.cli import account  # noqa: PLC0415 - models need a started Django
    from jetbridge.delivery import ledger  # noqa: PLC0415

    read = account.read()
    wanted = [row for row in read.destinations if everything or row.id == destination]
    if not wanted and not everything:
        raise ConfigurationError(
            f"There is no destination {destination}. `jetbridge status --json` lists them."
        )
    released = [row for row in wanted if ledger.release_by_hand(ledger.destination_reader(row.id))]
    for row in released:
        click.echo(f"{row.name} is released. It was held ({row.hold_code}): {row.hold_reason}")
    if not released:
        click.echo("Nothing is held." if everything else f"{wanted[0].name} is not held.")
    elif not read.worker_runs:
        click.echo("No worker is running: it goes on with the next `jetbridge serve`.")
