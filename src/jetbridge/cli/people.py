"""`jetbridge people`: everything that Jetbridge has of one person: shown, exported, deleted."""

import json
import time

import click

from jetbridge.cli.progress import log_bar
from jetbridge.errors import ConfigurationError
from jetbridge.integrations.command_parts import JSON, YES, examples, start
from jetbridge.terminal import Terminal
from jetbridge.text import echo

LOOK_SECONDS = 0.5
PERSON = click.argument("person", metavar="USER_ID|EMAIL")
WORKSPACE = click.option("--workspace", metavar="NAME", help="The workspace; needed if there are several.")


@click.group()
def people() -> None:
    """One person, wherever data is: show it, export it, delete it."""


@people.command(epilog=examples("jetbridge people show ada@example.com", "jetbridge people show u-42 --json"))
@PERSON
@WORKSPACE
@JSON
def show(person: str, *, workspace: str | None, as_json: bool) -> None:
    """Show what destinations and Engage have of a person, and whether messages of them are accepted."""
    start()
    from jetbridge.cli import person_page
    from jetbridge.services import lookup

    data = person_page.read(lookup.workspace(workspace), person)
    if as_json:
        echo(json.dumps(person_page.as_object(data), default=str))
    else:
        Terminal(highlight=False).print_parts(person_page.page(person, data))
    if data.is_empty:
        raise SystemExit(1)


@people.command(
    epilog=examples(
        "jetbridge people export ada@example.com > ada.json", "jetbridge people export u-42 --json"
    )
)
@PERSON
@WORKSPACE
@JSON
def export(person: str, *, workspace: str | None, as_json: bool) -> None:
    """Print all data of a person as JSON: `show` with every message that the event log has of them. --json: on one line."""
    start()
    from jetbridge.cli import person_page
    from jetbridge.services import lookup

    row = lookup.workspace(workspace)
    data = person_page.read(row, person)
    with log_bar() as bar:
        fields = {**person_page.as_object(data), "messages": person_page.messages(row, data, bar.watch)}
    if data.is_empty and not fields["messages"]:
        raise ConfigurationError(f"Nothing is known of {person[:100]} in {row}.")
    echo(json.dumps(fields, default=str, ensure_ascii=as_json, indent=None if as_json else 2))


@people.command(
    epilog=examples("jetbridge people delete ada@example.com --yes", "jetbridge people delete u-42 --lift")
)
@PERSON
@WORKSPACE
@click.option("--lift", is_flag=True, help="Delete nothing: accept messages of this person again.")
@YES
@click.option("--wait", "wait_seconds", default=60.0, show_default=True, help="Seconds to wait for the end.")
@JSON
def delete(
    person: str, *, workspace: str | None, lift: bool, yes: bool, wait_seconds: float, as_json: bool
) -> None:
    """Delete a person in Mailjet and here, and accept no more messages of them. Prints a receipt."""
    start()
    from jetbridge.services import erasures, lookup
    from jetbridge.spec.person import Identity

    if not lift and not yes:
        click.confirm(f"Delete {person} in Mailjet and here, for good?", abort=True, err=True)
    actor, identity = lookup.actor(lookup.workspace(workspace), "people delete"), Identity.of_name(person)
    if lift:
        if not erasures.lift(actor, identity):
            raise click.ClickException(f"{person} is not suppressed.")
        message = (
            f"Messages that name {person} are accepted again. Other names of the person stay suppressed."
        )
        echo(json.dumps({"accepted": person}) if as_json else message)
        return
    erasure = erasures.forget(actor, identity)
    if not as_json:
        echo("Suppressed. Waiting for the worker to delete what is known ...", err=True)
    deadline = time.monotonic() + wait_seconds
    while erasure.ended_at is None and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
        erasure.refresh_from_db()
    ended_at = erasure.ended_at
    if as_json:
        receipt = {
            "receipt": erasure.id,
            "requested_at": erasure.requested_at.isoformat(timespec="seconds"),
            "ended_at": ended_at.isoformat(timespec="seconds") if ended_at else None,
            "ended": ended_at is not None,
            "waits_for": erasure.waits_for or None,
            "done": erasure.receipt,
        }
        echo(json.dumps(receipt))
    elif ended_at:
        first = f"{person} is deleted. Receipt {erasure.id}, {ended_at:%Y-%m-%d %H:%M:%S} UTC:"
        echo("\n".join([first, *(f"  {line}" for line in erasure.receipt)]))
    else:
        waits_for = f" {erasure.waits_for}" if erasure.waits_for else ""
        echo(
            f"{person} is suppressed, and the erasure ({erasure.id}) goes on as soon as it can: a worker has to run, and "
            f"Mailjet to answer.{waits_for} See `jetbridge status`."
        )
    if not ended_at:
        raise SystemExit(1)
