"""The commands: `jetbridge` + noun + verb. Thin: a command parses its arguments, calls a service or a query and prints.

The modules of the commands load no Django: they import what they need when they run, so that `--help` responds at once.
"""

import gc
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from jetbridge.cli import running
from jetbridge.cli.lazy_group import LazyGroup, integration_commands
from jetbridge.errors import JetbridgeError
from jetbridge.text import echo
from jetbridge.worker.parent_watch import end_with

#: Command name -> "module:attribute" of the click command.
COMMANDS = {
    "serve": "jetbridge.cli.server:serve",
    "web": "jetbridge.cli.server:web",
    "worker": "jetbridge.cli.server:worker",
    "sandbox": "jetbridge.cli.sandbox:sandbox",
    "demo": "jetbridge.cli.demo:demo",
    "doctor": "jetbridge.cli.doctor:doctor",
    "status": "jetbridge.cli.status:status",
    "send": "jetbridge.cli.send:send",
    "sources": "jetbridge.cli.sources:sources",
    "destinations": "jetbridge.cli.destinations:destinations",
    "contacts": "jetbridge.cli.contacts:contacts",
    "messages": "jetbridge.cli.messages:messages",
    "audiences": "jetbridge.cli.engage.commands:audiences",
    "traits": "jetbridge.cli.engage.commands:traits",
    "people": "jetbridge.cli.people:people",
    "users": "jetbridge.cli.users:users",
    "workspaces": "jetbridge.cli.workspaces:workspaces",
    "admin": "jetbridge.cli.admin:admin",
    "completion": "jetbridge.cli.completion:completion",
}


def commands() -> dict[str, str]:
    """Those above, and those of the integrations."""
    return {**COMMANDS, **integration_commands()}


@click.group(cls=LazyGroup, at=commands)
@click.version_option(package_name="jetbridge")
@click.option("--parent", type=int, hidden=True, help="End when this process is no longer the parent.")
@click.option("--pulse", type=int, hidden=True, help="File descriptor for the heartbeat to the parent.")
def cli(parent: int | None, pulse: int | None) -> None:
    """Segment and Mailjet, joined in both directions, on your own machine."""
    if parent:
        end_with(parent, pulse)
    running.follow(click.get_current_context().invoked_subcommand)


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit: 0 done, 1 failed (an expected error is one message on stderr), 2 wrong usage."""
    try:
        sys.exit(cli(arguments, prog_name="jetbridge"))
    except JetbridgeError as error:
        echo(f"Error: {error}", err=True)
    except Exception as error:
        # A full disk or a locked database. Only a command that has loaded Django can meet them.
        if "django.db" not in sys.modules:
            raise
        from jetbridge.delivery import isolation

        if not isolation.is_environmental(error):
            raise
        echo(f"Error: {isolation.as_transient(error)}", err=True)
    sys.exit(1)


def main() -> None:
    """The `jetbridge` command."""
    os.umask(0o077)  # files of a home have data of people: for its owner only
    gc.set_threshold(
        50_000, 20, 50
    )  # loading makes many objects and no garbage: collecting took a tenth of it
    try:
        run()
    finally:
        gc.freeze()  # the interpreter's end collects nothing either, which took another sixth
