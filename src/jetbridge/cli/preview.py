"""`jetbridge preview`: what one identify call would do, without doing it."""

import json
import sys
from dataclasses import asdict
from typing import BinaryIO

import click
from rich.console import Console

from jetbridge.errors import ConfigurationError


@click.command()
@click.argument("message_id", required=False)
@click.option("--destination", "wanted", type=int, help="Which one, by its id in `jetbridge settings`.")
@click.option("--file", type=click.File("rb"), help="Read the call from a file instead; - is stdin.")
@click.option("--set", "values", multiple=True, metavar="KEY=VALUE", help="Try a setting: mapping=@FILE.")
@click.option("--offline", is_flag=True, help="Do not read the Datatypes from Mailjet.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def preview(
    message_id: str | None,
    *,
    wanted: int | None,
    file: BinaryIO | None,
    values: tuple[str, ...],
    offline: bool,
    as_json: bool,
) -> None:
    """Show the contact that a call makes, each trait with its property. Changes nothing.

    MESSAGE_ID is looked up in the event log; `-` reads the call from stdin.
    """
    from jetbridge.control import database  # noqa: PLC0415 - Django must not load for `--help`

    database.start()
    database.migrate()
    from jetbridge.cli import assignments, preview_page  # noqa: PLC0415 - models need a started Django

    ref = preview_page.destination(wanted, assignments.parse(values))
    if message_id == "-":
        message_id, file = None, sys.stdin.buffer
    if (message_id is None) == (file is None):
        raise ConfigurationError("Give a message's id, or a call with --file FILE or -.")
    message = preview_page.of_file(file.read()) if file else preview_page.of_log(ref, message_id or "")
    result = preview_page.look(ref, message, offline=offline)
    if as_json:
        click.echo(json.dumps({"destination": ref.id, "message_id": message.message_id, **asdict(result)}))
    else:
        Console(highlight=False).print(preview_page.page(ref, message, result))
