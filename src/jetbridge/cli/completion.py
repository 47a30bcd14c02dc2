"""`jetbridge completion`: Click's own completion scripts, for a shell to load."""

import json

import click
from click.shell_completion import get_completion_class

from jetbridge.integrations.command_parts import JSON, examples
from jetbridge.text import echo


@click.command(
    epilog=examples(
        'eval "$(jetbridge completion bash)"  # in ~/.bashrc',
        'eval "$(jetbridge completion zsh)"  # in ~/.zshrc',
        "jetbridge completion fish > ~/.config/fish/completions/jetbridge.fish",
    )
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@JSON
@click.pass_context
def completion(ctx: click.Context, *, shell: str, as_json: bool) -> None:
    """Print the script that completes commands, options and their values in SHELL."""
    script_of = get_completion_class(shell)
    assert script_of  # a choice above
    script = script_of(ctx.find_root().command, {}, "jetbridge", "_JETBRIDGE_COMPLETE").source()
    echo(json.dumps({"shell": shell, "script": script}) if as_json else script)
