"""`jetbridge forget`: erase one person everywhere, and show the receipt."""

import json
import time
from typing import TYPE_CHECKING, Any

import click

from jetbridge.integrations.command_parts import start
from jetbridge.text import echo

if TYPE_CHECKING:
    from jetbridge.control.audit import Actor
    from jetbridge.privacy.models import Erasure

LOOK_SECONDS = 0.5


@click.command()
@click.argument("person", metavar="USER_ID|EMAIL")
@click.option("--workspace", help="Workspace in Jetbridge; needed if there are several.")
@click.option("--lift", is_flag=True, help="Take messages of this person in again.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--wait", "wait_seconds", default=60.0, show_default=True, help="Seconds to wait for the end.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def forget(
    person: str, *, workspace: str | None, lift: bool, yes: bool, wait_seconds: float, as_json: bool
) -> None:
    """Delete a person in Mailjet and here, and take no more messages of them."""
    start()
    if lift:
        _lift(person, workspace)
        return
    if not yes:
        click.confirm(f"Delete {person} in Mailjet and here, for good?", abort=True)
    row = _ask(person, workspace)
    ended = _wait(row, wait_seconds, quiet=as_json)
    echo(json.dumps(_as_object(row, ended=ended)) if as_json else _text(row, person, ended=ended))
    if not ended:
        raise SystemExit(1)


def _actor(workspace: str | None) -> "Actor":
    from jetbridge.cli import lookup  # noqa: PLC0415 - models need a started Django

    return lookup.actor(lookup.workspace(workspace), "forget")


def _lift(person: str, workspace: str | None) -> None:
    from jetbridge.services import erasures  # noqa: PLC0415 - models need a started Django
    from jetbridge.spec.person import Identity  # noqa: PLC0415

    if erasures.lift(_actor(workspace), Identity.of_name(person)):
        echo(f"Messages that name {person} are taken again. Other names of the person stay suppressed.")
    else:
        raise click.ClickException(f"{person} is not suppressed.")


def _ask(person: str, workspace: str | None) -> "Erasure":
    from jetbridge.services import erasures  # noqa: PLC0415 - models need a started Django
    from jetbridge.spec.person import Identity  # noqa: PLC0415

    return erasures.forget(_actor(workspace), Identity.of_name(person))


def _wait(row: "Erasure", seconds: float, *, quiet: bool) -> bool:
    """Wait for the worker to carry it out."""
    deadline = time.monotonic() + seconds
    if not quiet:
        echo("Suppressed. Waiting for the worker to delete what is known ...", err=True)
    while row.ended_at is None and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
        row.refresh_from_db()
    return row.ended_at is not None


def _as_object(row: "Erasure", *, ended: bool) -> dict[str, Any]:
    return {
        "receipt": row.id,
        "asked_at": row.asked_at.isoformat(timespec="seconds"),
        "ended_at": row.ended_at.isoformat(timespec="seconds") if row.ended_at else None,
        "ended": ended,
        "waits_for": row.waits_for or None,
        "done": row.receipt,
    }


def _text(row: "Erasure", person: str, *, ended: bool) -> str:
    if not ended:
        waits_for = f" {row.waits_for}" if row.waits_for else ""
        return (
            f"{person} is suppressed, and the erasure ({row.id}) goes on as soon as it can: a worker has to run, and "
            f"Mailjet to answer.{waits_for} See `jetbridge status`."
        )
    lines = [f"{person} is forgotten. Receipt {row.id}, {row.ended_at:%Y-%m-%d %H:%M:%S} UTC:"]
    return "\n".join([*lines, *(f"  {sentence}" for sentence in row.receipt)])
