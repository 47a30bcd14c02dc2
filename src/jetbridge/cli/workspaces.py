"""`jetbridge workspaces`: their names, the time zone on whose clock the schedules of each are, and whether Engage is on."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from jetbridge.integrations.command_parts import JSON, examples, start
from jetbridge.text import echo

if TYPE_CHECKING:
    from jetbridge.control.models import Workspace


@click.group()
def workspaces() -> None:
    """What belongs together: list workspaces, rename them, set their time zones, switch Engage on or off."""


@workspaces.command("list", epilog=examples("jetbridge workspaces list --json"))
@JSON
def list_(*, as_json: bool) -> None:
    """Show the workspaces with their time zones, and whether Engage is on."""
    start()
    from jetbridge.control.models import Workspace

    _print(list(Workspace.objects.order_by("id")), as_json=as_json)


@workspaces.command("set", epilog=examples("jetbridge workspaces set Shop --time-zone Europe/Paris", "jetbridge workspaces set --engage on --load-history"))  # fmt: skip
@click.argument("workspace", metavar="[NAME]", required=False)
@click.option("--time-zone", metavar="ZONE", help="On whose clock schedules are, such as Europe/Paris.")
@click.option("--name", help="Give it another name.")
@click.option(
    "--engage", type=click.Choice(["on", "off"]), help="Switch audiences and computed traits on or off."
)
@click.option(
    "--retention-days",
    type=int,
    metavar="DAYS",
    help="Engage keeps events at most so long, 90 to 3,650 days.",
)
@click.option(
    "--exclude-source",
    "excluded",
    multiple=True,
    metavar="NAME|none",
    help="Engage reads all sources but these.",
)
@click.option(
    "--load-history",
    is_flag=True,
    help="Let Engage read what the event log has from before it was switched on.",
)
@JSON
def set_(
    workspace: str | None,
    *,
    time_zone: str | None,
    name: str | None,
    engage: str | None,
    retention_days: int | None,
    excluded: tuple[str, ...],
    load_history: bool,
    as_json: bool,
) -> None:
    """Change a workspace; it has to be named where there are several. All of it is done, or nothing."""
    of_engage = engage is not None or retention_days is not None or bool(excluded) or load_history
    if time_zone is None and name is None and not of_engage:
        raise click.UsageError(
            "Say what to set: --time-zone, --name, --engage, --retention-days, --exclude-source, --load-history."
        )
    start()
    from django.db import transaction

    from jetbridge.services import computations, lookup
    from jetbridge.services import workspaces as workspace_services

    row = lookup.workspace(workspace)
    actor = lookup.actor(row, "workspaces set")
    with transaction.atomic():
        if time_zone is not None:
            workspace_services.set_time_zone(actor, time_zone)
        if name is not None:
            workspace_services.rename(actor, name)
        if of_engage:
            excluded_ids = lookup.sources(row, [source for source in excluded if source != "none"])
            computations.configure(
                actor,
                enabled=None if engage is None else engage == "on",
                retention_days=retention_days,
                excluded_sources=excluded_ids if excluded else None,
                loads_history=load_history,
            )
    _print([row], as_json=as_json)


def _print(rows: "Sequence[Workspace]", *, as_json: bool) -> None:
    from jetbridge.engage.models import Space

    on = set(Space.objects.filter(enabled=True).values_list("workspace_id", flat=True))
    if as_json:
        objects = [
            {"id": row.id, "name": row.name, "time_zone": row.time_zone, "engage": row.id in on}
            for row in rows
        ]
        echo(json.dumps({"workspaces": objects}))
        return
    for row in rows:
        echo(f"{row.name}  {row.time_zone}{'  Engage is on' if row.id in on else ''}")
