"""What the commands of a noun share, those of an integration as well: models that can be used, `--json`, examples at the end of the help."""

import click

JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def start() -> None:
    """Let models be used, of an installation that is there. Raises ConfigurationError."""
    from jetbridge.control import database  # noqa: PLC0415 - Django must not load for `--help`

    database.start_existing()
    database.migrate()


def examples(*lines: str) -> str:
    """The end of a command's help, its lines as they are."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
