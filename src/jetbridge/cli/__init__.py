"""The commands. Thin: each loads, calls and renders.

Modules are imported when their command runs, so that `jetbridge --help` answers at once.
"""

import gc
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import click

from jetbridge.cli import running
from jetbridge.errors import JetbridgeError
from jetbridge.integrations import registry
from jetbridge.text import echo
from jetbridge.worker.parent_watch import end_with

#: Command name -> "module:attribute" of the click command.
COMMANDS = {
    "serve": "jetbridge.cli.serve:serve",
    "web": "jetbridge.cli.web:web",
    "worker": "jetbridge.cli.worker:worker",
    "sources": "jetbridge.cli.sources:sources",
    "destinations": "jetbridge.cli.destinations:destinations",
    "audiences": "jetbridge.cli.engage.commands:audiences",
    "traits": "jetbridge.cli.engage.commands:traits",
    "status": "jetbridge.cli.status:status",
    "outcomes": "jetbridge.cli.outcomes:outcomes",
    "workspaces": "jetbridge.cli.workspaces:workspaces",
    "password-link": "jetbridge.cli.password_link:password_link",
    "trace": "jetbridge.cli.trace:trace",
    "forget": "jetbridge.cli.forget:forget",
    "check": "jetbridge.cli.check:check",
    "send": "jetbridge.cli.send:send",
    "sandbox": "jetbridge.cli.sandbox:sandbox",
    "demo": "jetbridge.cli.demo:demo",
    "admin": "jetbridge.cli:admin",
}
ADMIN_COMMANDS = {
    "backup": "jetbridge.cli.backup:backup",
    "restore": "jetbridge.cli.restore:restore",
    "reset-positions": "jetbridge.cli.reset_positions:reset_positions",
    "recover-log": "jetbridge.cli.recover_log:recover_log",
}


class LazyGroup(click.Group):
    """Commands that are imported when they are asked for."""

    def __init__(
        self, *args: Any, at: Mapping[str, str] | Callable[[], Mapping[str, str]], **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self._at = at

    @property
    def _commands(self) -> Mapping[str, str]:
        return self._at() if callable(self._at) else self._at

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(self._commands)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        if name not in self._commands:
            return None
        module, attribute = self._commands[name].split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


def brought(noun: str = "") -> dict[str, str]:
    """Commands of the integrations: what follows the noun -> "module:attribute" of the click command."""
    found: dict[str, str] = {}
    for package in registry.INTEGRATIONS:
        if importlib.util.find_spec(f"{package}.commands"):
            group = {package.rpartition(".")[2]: f"{package}.commands:commands"}
            found |= getattr(importlib.import_module(f"{package}.commands"), "COMMANDS", group)
    of_noun = {tuple(typed.rpartition(" ")[::2]): at for typed, at in found.items()}
    return {name: at for (of, name), at in of_noun.items() if of == noun}


def commands() -> dict[str, str]:
    """Those above, and those of the integrations."""
    return {**COMMANDS, **brought()}


@click.group(cls=LazyGroup, at=commands)
@click.version_option(package_name="jetbridge")
@click.option("--parent", type=int, hidden=True, help="End when this process is no longer the parent.")
@click.option("--pulse", type=int, hidden=True, help="File descriptor to tell the parent that we live.")
def cli(parent: int | None, pulse: int | None) -> None:
    """Segment and Mailjet, joined in both directions, on your own machine."""
    if parent:
        end_with(parent, pulse)
    running.follow(click.get_current_context().invoked_subcommand)


@click.group(cls=LazyGroup, at=ADMIN_COMMANDS)
def admin() -> None:
    """Back up and restore everything, and go on after the event log was damaged or replaced."""


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit. An error we foresaw is one sentence on stderr and status 1."""
    try:
        sys.exit(cli(arguments))
    except JetbridgeError as error:
        echo(f"Error: {error}", err=True)
        sys.exit(1)
    except Exception as error:
        if sentence := _of_files(error):
            echo(f"Error: {sentence}", err=True)
            sys.exit(1)
        raise


def _of_files(error: Exception) -> str:
    """What a full disk or a locked database means; "" for every other error."""
    if "django.db" not in sys.modules:
        return ""
    from jetbridge.delivery import isolation  # noqa: PLC0415 - only for the commands that have loaded Django

    return str(isolation.as_transient(error)) if isolation.is_environmental(error) else ""


def main() -> None:
    """The `jetbridge` command."""
    os.umask(0o077)  # what it writes is of people, in whatever home: for its owner only
    gc.set_threshold(50_000, 20, 50)  # loading makes many objects and no garbage: looking for it took a tenth
    try:
        run()
    finally:
        gc.freeze()  # nor is any looked for at the very end, which took another sixth
