"""`jetbridge sandbox`: the command of mailjet-sandbox, which is a distribution of its own."""

import importlib

import click

from jetbridge.text import echo


class _Sandbox(click.Command):
    def invoke(self, ctx: click.Context) -> object:
        echo(f"For Jetbridge: JETBRIDGE_ALLOW_PRIVATE_NETWORKS={ctx.params['host']} jetbridge serve")
        return super().invoke(ctx)


def _load() -> click.Command:
    """Jetbridge never imports the sandbox: it is found by name, if it is installed."""
    try:
        command: click.Command = importlib.import_module("mailjet_sandbox.command").sandbox
    except ModuleNotFoundError:
        return click.Command(
            "sandbox",
            callback=_not_installed,
            params=[click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)],
            context_settings={"ignore_unknown_options": True},
            help="Not installed: `pip install mailjet-sandbox`. Runs a Mailjet in a box.",
        )
    return _Sandbox("sandbox", callback=command.callback, params=command.params, help=command.help)


def _not_installed(arguments: tuple[str, ...]) -> None:  # noqa: ARG001 - whatever they are
    raise click.ClickException(
        "The sandbox is not installed. Install it with `pip install mailjet-sandbox`, or from a copy of Jetbridge's "
        "repository with `pip install ./packages/mailjet-sandbox`, then run `jetbridge sandbox` again."
    )


sandbox = _load()
