"""`jetbridge sandbox`: the command of mailjet-sandbox, which is a distribution of its own."""

import importlib
import json

import click

from jetbridge.integrations.command_parts import examples
from jetbridge.text import echo

_EXAMPLES = examples("jetbridge sandbox", "jetbridge sandbox --port 8025 --state mailjet.json")
_JSON = click.Option(
    ["--json", "as_json"], is_flag=True, help="Print what Jetbridge needs as a JSON object first."
)


class _Sandbox(click.Command):
    def invoke(self, ctx: click.Context) -> object:
        variables = {"JETBRIDGE_ALLOW_PRIVATE_NETWORKS": ctx.params["host"]}
        line = " ".join(f"{name}={value}" for name, value in variables.items())
        echo(json.dumps(variables) if ctx.params.pop("as_json") else f"For Jetbridge: {line} jetbridge serve")
        return super().invoke(ctx)


def _not_installed(**_: object) -> None:
    raise click.ClickException(
        "The sandbox is not installed. Install it with `pip install mailjet-sandbox`, or from a copy of Jetbridge's "
        "repository with `pip install ./packages/mailjet-sandbox`, then run `jetbridge sandbox` again."
    )


try:  # Jetbridge never imports the sandbox: it is found by name, if it is installed
    _command: click.Command = importlib.import_module("mailjet_sandbox.command").sandbox
    sandbox: click.Command = _Sandbox(
        "sandbox",
        callback=_command.callback,
        params=[*_command.params, _JSON],
        help=_command.help,
        epilog=_EXAMPLES,
    )
except ModuleNotFoundError:
    sandbox = click.Command(
        "sandbox",
        callback=_not_installed,
        params=[click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED), _JSON],
        context_settings={"ignore_unknown_options": True},
        help="Not installed: `pip install mailjet-sandbox`. Runs a Mailjet in a box.",
        epilog=_EXAMPLES,
    )
