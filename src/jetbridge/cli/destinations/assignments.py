"""`KEY=VALUE` arguments. `KEY=@FILE` takes the value from a file, `KEY=-` asks for it: arguments can be seen by every
user of the machine, in the list of its processes.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

import click

from jetbridge.errors import ConfigurationError

#: The last paragraph of the help of commands that take settings.
HELP = (
    "KEY=@FILE takes a value from a file (KEY=@- from stdin), KEY=- asks for it. Prefer these for secrets: every user of the "
    "machine can see arguments in its list of processes."
)


def parse(pairs: Iterable[str]) -> dict[str, str]:
    """Raises ConfigurationError."""
    values = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise ConfigurationError(f"{pair[:60]!r} is not KEY=VALUE.")
        if value == "-":
            value = prompt_for(key)
        elif value.startswith("@"):
            try:
                value = (sys.stdin.read() if value == "@-" else Path(value[1:]).read_text()).rstrip()
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigurationError(f"{key}: {value[1:]} cannot be read: {error}") from error
        values[key] = value
    return values


def prompt_for(key: str) -> str:
    """A value that is typed without being shown; where nobody sits at a terminal, the next line of stdin."""
    if sys.stdin.isatty():
        value: str = click.prompt(key, hide_input=True, err=True, default="", show_default=False)
        return value
    return sys.stdin.readline().rstrip("\r\n")
