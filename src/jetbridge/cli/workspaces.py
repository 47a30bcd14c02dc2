"""`jetbridge workspaces`: their names, and the time zone on whose clock the schedules of each are."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from jetbridge.cli import LazyGroup
from jetbridge.integrations.command_parts import JSON, examples, start
from jetbridge.text import echo

if TYPE_CHECKING:
    from jetbridge.control.models import Workspace

COMMANDS = {"list": "jetbridge.cli.workspaces:list_", "set": "jetbridge.cli.workspaces:set_"}


@click.group(cls=LazyGroup, at=COMMANDS)
def workspaces() -> None:
    """What belongs together: list workspaces, rename them, set their time zones."""


@click.command("list", epilog=examples("jetbridge workspaces list --json"))
@JSON
def list_(*, as_json: bool) -> None:
    """Show the workspaces with their time zones."""
    start()
    from jetbridge.control.models import Workspace  # noqa: PLC0415 - models need a started Django

    _print(list(Workspace.objects.order_by("id")), as_json=as_json)


@click.command("set", epilog=examples("jetbridge workspaces set Shop --time-zone Europe/Paris"))
@click.argument("workspace", metavar="[NAME]", required=False)
@click.option("--time-zone", metavar="ZONE", help="On whose clock schedules are, such as Europe/Paris.")
@click.option("--name", help="Give it another name.")
@JSON
def set_(workspace: str | None, *, time_zone: str | None, name: str | None, as_json: bool) -> None:
    """Change a workspace; it has to be named where there are several. All of it is done, or nothing."""
    if time_zone is None and name is None:
        raise click.UsageError("Say what to set: --time-zone, --name.")
    start()
    from django.db import transaction  # noqa: PLC0415 - models need a started Django

    from jetbridge.cli import lookup  # noqa: PLC0415
    from jetbridge.console.acts import workspaces as acts  # noqa: PLC0415
    from jetbridge.console.audit import Actor  # noqa: PLC0415

    row = lookup.workspace(workspace)
    actor = Actor(row, None, "jetbridge workspaces set")
    with transaction.atomic():
        if time_zone is not None:
            acts.set_time_zone(actor, time_zone)
        if name is not None:
            acts.rename(actor, name)
    _print([row], as_json=as_json)


def _print(rows: "Sequence[Workspace]", *, as_json: bool) -> None:
    if as_json:
        found = [{"id": row.id, "name": row.name, "time_zone": row.time_zone} for row in rows]
        echo(json.dumps({"workspaces": found}))
        return
    for row in rows:
        echo(f"{row.name}  {row.time_zone}")
