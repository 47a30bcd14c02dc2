"""`jetbridge destinations sync`: let a destination with a schedule sync now."""

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from jetbridge.errors import ConfigurationError
from jetbridge.integrations.command_parts import JSON, examples, start
from jetbridge.text import echo

if TYPE_CHECKING:
    from jetbridge.control.models import Destination
    from jetbridge.delivery.syncs import SyncState

LOOK_SECONDS = 0.5


@click.command(
    epilog=examples(
        "jetbridge destinations sync Warehouse --wait", "jetbridge destinations sync 3 --show --json"
    )
)
@click.argument("destination", metavar="ID|NAME")
@click.option("--show", is_flag=True, help="Only show when it syncs next, and how the latest sync went.")
@click.option("--wait", is_flag=True, help="Wait until that sync has ended. Ctrl-C leaves it at work.")
@JSON
def sync(destination: str, *, show: bool, wait: bool, as_json: bool) -> None:
    """Let a destination that has a schedule sync now, or after the sync that is under way."""
    start()
    from jetbridge.control import processes
    from jetbridge.services import deliveries, lookup, schedules

    row = lookup.destination(destination)
    if not show:
        deliveries.sync(lookup.actor(row.workspace, "destinations sync"), row)
        if wait and row.enabled and processes.worker_runs():
            _wait(row)
    state = schedules.state_of(row.id)
    if state is None:
        raise ConfigurationError(f"{row} delivers continuously: it has no syncs.")
    if as_json:
        echo(json.dumps(as_object(state)))
        return
    echo(f"{row} ({state.schedule}): {schedules.in_words(state, datetime.now(UTC))}.")
    if state.ended_at:
        echo(f"The latest sync ended at {state.schedule.local(state.ended_at):%Y-%m-%d %H:%M:%S %Z}.")
    if not row.enabled:
        echo(f"{row} is disabled: it syncs once it is enabled.")
    elif not processes.worker_runs():
        echo("No worker is running: it syncs with the next `jetbridge serve`.")


def _wait(row: "Destination") -> None:
    """Until the sync that was asked for has ended."""
    from jetbridge.services import schedules

    while (state := schedules.state_of(row.id)) and (state.is_requested or state.is_running):
        time.sleep(LOOK_SECONDS)


def as_object(state: "SyncState") -> dict[str, Any]:
    """The JSON of `--json`, and a part of `jetbridge status --json`; its keys are a promise to scripts."""
    return {
        "schedule": str(state.schedule),
        "next_at": state.next_at.isoformat(),
        "requested": state.is_requested,
        "running": state.is_running,
        "began_at": state.began_at.isoformat() if state.began_at else None,
        "ended_at": state.ended_at.isoformat() if state.ended_at else None,
        "progress": state.share,
    }
