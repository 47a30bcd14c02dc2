"""The commands. Thin: each loads, calls and renders.

Modules are imported when their command runs, so that `jetbridge --help` answers at once.
"""

import gc
import importlib
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from jetbridge.cli.parent import end_with
from jetbridge.errors import JetbridgeError

#: Command name -> "module:attribute" of the click command.
COMMANDS = {
    "serve": "jetbridge.cli.serve:serve",
    "web": "jetbridge.cli.web:web",
    "worker": "jetbridge.cli.worker:worker",
    "setup": "jetbridge.cli.setup:setup",
    "settings": "jetbridge.cli.settings:settings",
    "preview": "jetbridge.cli.preview:preview",
    "status": "jetbridge.cli.status:status",
    "outcomes": "jetbridge.cli.outcomes:outcomes",
    "password-link": "jetbridge.cli.password_link:password_link",
    "release": "jetbridge.cli.release:release",
    "retry": "jetbridge.cli.retry:retry",
    "replay": "jetbridge.cli.replay:replay",
    "trace": "jetbridge.cli.trace:trace",
    "forget": "jetbridge.cli.forget:forget",
    "check": "jetbridge.cli.check:check",
    "plan": "jetbridge.cli.plan:plan",
    "verify": "jetbridge.cli.verify:verify",
    "send": "jetbridge.cli.send:send",
    "sandbox": "jetbridge.sandbox.command:sandbox",
    "demo": "jetbridge.cli.demo:demo",
}


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        if name not in COMMANDS:
            return None
        module, attribute = COMMANDS[name].split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


@click.group(cls=_Commands)
@click.version_option(package_name="jetbridge")
@click.option("--parent", type=int, hidden=True, help="End when this process is no longer the parent.")
def cli(parent: int | None) -> None:
    """Segment and Mailjet, joined in both directions, on your own machine."""
    if parent:
        end_with(parent)


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit. An error we foresaw is one sentence on stderr and status 1."""
    try:
        sys.exit(cli(arguments))
    except JetbridgeError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)


def main() -> None:
    """The `jetbridge` command."""
    gc.set_threshold(50_000, 20, 50)  # loading makes many objects and no garbage: looking for it took a tenth
    try:
        run()
    finally:
        gc.freeze()  # nor is any looked for at the very end, which took another sixth
