"""`jetbridge destinations resume`: let a paused destination go on, and accept what comes of it."""

import json

import click

from jetbridge.integrations.command_parts import JSON, examples, start
from jetbridge.text import echo


@click.command(
    epilog=examples("jetbridge destinations resume Webhook", "jetbridge destinations resume --all --json")
)
@click.argument("destination", metavar="[ID|NAME]", required=False)
@click.option("--all", "everything", is_flag=True, help="Every destination that is paused.")
@JSON
def resume(destination: str | None, *, everything: bool, as_json: bool) -> None:
    """Let a paused destination try again at once, and fail what is refused until something succeeds."""
    if (destination is None) != everything:
        raise click.UsageError("Name one destination by its id or name, or say --all.")
    start()
    from jetbridge.cli import account
    from jetbridge.control.models import Destination
    from jetbridge.services import destinations as destination_services
    from jetbridge.services import lookup

    chosen = (
        [lookup.destination(destination)] if destination else list(Destination.objects.select_related("workspace"))
    )  # fmt: skip
    read = account.read()
    paused = {row.id: row for row in read.destinations if row.pause_code}
    resumed = [
        paused[row.id]
        for row in chosen
        if row.id in paused
        and destination_services.resume(lookup.actor(row.workspace, "destinations resume"), row)
    ]
    if as_json:
        found = [
            {"id": row.id, "name": row.name, "code": row.pause_code, "reason": row.pause_reason} for row in resumed
        ]  # fmt: skip
        echo(json.dumps({"resumed": found}))
        return
    for row in resumed:
        echo(f"{row.name} is resumed. It was paused ({row.pause_code}): {row.pause_reason}")
    if not resumed:
        echo("Nothing is paused." if everything else f"{chosen[0].name} is not paused.")
    elif not read.worker_runs:
        echo("No worker is running: it goes on with the next `jetbridge serve`.")
