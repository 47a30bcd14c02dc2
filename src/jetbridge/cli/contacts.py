"""`jetbridge contacts`: people as contacts of a destination. Mailjet brings `diff` and `verify`."""

import json

import click

from jetbridge.cli.lazy_group import LazyGroup, integration_commands
from jetbridge.integrations.command_parts import JSON, examples, start
from jetbridge.terminal import Terminal
from jetbridge.text import echo


def commands() -> dict[str, str]:
    return {**integration_commands("contacts"), "show": "jetbridge.cli.contacts:show"}


@click.group(cls=LazyGroup, at=commands)
def contacts() -> None:
    """People as contacts: what would be sent now, whether Mailjet has it, one contact."""


@click.command(
    epilog=examples("jetbridge contacts show ada@example.com", "jetbridge contacts show u-42 --json")
)
@click.argument("person", metavar="USER_ID|EMAIL")
@click.option("--workspace", metavar="NAME", help="The workspace; needed if there are several.")
@JSON
def show(person: str, *, workspace: str | None, as_json: bool) -> None:
    """Show a contact at each destination: subscriptions and properties, as they should be and as they were confirmed."""
    start()
    from jetbridge.cli import person_page
    from jetbridge.services import lookup
    from jetbridge.spec.person import Identity

    rows = person_page.contacts(lookup.workspace(workspace), Identity.of_name(person))
    if as_json:
        echo(json.dumps({"contacts": rows}, default=str))
    elif not rows:
        echo(f"No destination has a contact {person}.")
    else:
        Terminal(highlight=False).print_parts(person_page.contact_parts(rows))
    if not rows:
        raise SystemExit(1)
