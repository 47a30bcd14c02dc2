"""Secrets for a command: by option, environment variable, file or prompt; only the first shows in `ps`."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from jetbridge.errors import ConfigurationError
from jetbridge.text import pasted


def secret_option(name: str, variable: str, text: str) -> Callable[[Any], Any]:
    """Add `--NAME` (or the environment variable) and `--NAME-file` to a command."""
    by_value = click.option(f"--{name}", envvar=variable, default="", help=f"{text} [env {variable}]")
    by_file = click.option(
        f"--{name}-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help=f"File that holds the {name.replace('-', ' ')}.",
    )
    return lambda command: by_value(by_file(command))


def secret(value: str, file: Path | None, name: str) -> str:
    """What was given; asks if nothing was and a person sits there. Raises ConfigurationError otherwise."""
    option = name.replace(" ", "-")
    text = pasted(value or (file.read_text() if file else ""))
    if not text and sys.stdin.isatty():
        text = pasted(click.prompt(name, hide_input=True, err=True))
    if not text:
        raise ConfigurationError(
            f"No {name} was given. Give it with --{option}, --{option}-file or the environment variable that --help names."
        )
    return text
