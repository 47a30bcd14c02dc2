"""What commands share, those of integrations as well: `--json`, moments, secrets, where to listen, asking before much is done."""

import os
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from jetbridge.errors import ConfigurationError
from jetbridge.spec.times import parse_time
from jetbridge.text import pasted

JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
YES = click.option("--yes", is_flag=True, help="Do not ask.")
#: Of what the worker does by and by.
WAIT = click.option(
    "--wait", is_flag=True, help="Show how far it is, until its end. Ctrl-C leaves it at work."
)


def start() -> None:
    """Let models be used, of an installation that is there. Raises ConfigurationError."""
    from jetbridge.control import database  # noqa: PLC0415 - Django must not load for `--help`

    database.start_existing()
    database.migrate()


def examples(*lines: str) -> str:
    """The end of a command's help, its lines as they are."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_AGE = re.compile(r"(\d{1,6})([smhd])")


class DateTimeOption(click.ParamType[datetime]):
    """`--since 2026-11-23T10:00`: ISO 8601, in UTC unless it names a zone. `--since 90m`: how long ago, also 12h or 7d."""

    name = "TIME"

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,  # noqa: ARG002 - click's signature
        ctx: click.Context | None,  # noqa: ARG002
    ) -> datetime:
        if isinstance(value, datetime):
            return value
        if age := _AGE.fullmatch(value):
            return self._now() - timedelta(**{_UNITS[age[2]]: int(age[1])})
        if moment := parse_time(value):
            return moment
        raise click.BadParameter(
            f"{value!r} is no time. Write 2026-11-23, 2026-11-23T10:00+01:00, or an age: 90m, 12h, 7d."
        )


def since_option(help_: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option("--since", type=DateTimeOption(), help=help_)


def until_option(help_: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option("--until", type=DateTimeOption(), help=help_)


def secret_option(name: str, variable: str, text: str) -> Callable[[Any], Any]:
    """Add `--NAME` (or the environment variable) and `--NAME-file` to a command. Only the first shows in `ps`."""
    by_value = click.option(f"--{name}", envvar=variable, default="", help=f"{text} [env {variable}]")
    by_file = click.option(
        f"--{name}-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help=f"File that holds the {name.replace('-', ' ')}.",
    )
    return lambda command: by_value(by_file(command))


def read_secret(value: str, file: Path | None, name: str) -> str:
    """The value, or the text of the file, or what a person types at a terminal. Raises ConfigurationError without any."""
    option = name.replace(" ", "-")
    text = pasted(value or (file.read_text() if file else ""))
    if not text and sys.stdin.isatty():
        text = pasted(click.prompt(name, hide_input=True, err=True))
    if not text:
        raise ConfigurationError(
            f"No {name} was given. Give it with --{option}, --{option}-file or the environment variable that --help names."
        )
    return text


def listen_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--host` and `--port` of a command that calls `config.load()`, which gets no parameters for them.

    They replace JETBRIDGE_HOST and JETBRIDGE_PORT, which child processes inherit.
    """

    def replace(_: click.Context, option: click.Parameter, value: object) -> None:
        if value is not None:
            os.environ[f"JETBRIDGE_{option.name}".upper()] = str(value)

    host = click.option(
        "--host", callback=replace, expose_value=False, help="Interface to listen on [env JETBRIDGE_HOST]"
    )
    port = click.option(
        "--port",
        type=click.IntRange(1, 65535),
        callback=replace,
        expose_value=False,
        help="Port to listen on [env JETBRIDGE_PORT]",
    )
    return host(port(command))


def confirmed(question: str, *, yes: bool) -> bool:
    """Whether to go on: with `yes`, without a terminal (a script must not wait), or if the person agrees."""
    return yes or not sys.stdin.isatty() or click.confirm(question)


def confirm_irreversible(question: str, *, yes: bool) -> None:
    """Raises click.UsageError without a terminal and `yes`, click.Abort if the person does not agree."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("There is no way back: say --yes.")
    click.confirm(question, abort=True, err=True)
