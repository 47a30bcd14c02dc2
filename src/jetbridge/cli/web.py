"""`jetbridge web`: one process that takes messages in over HTTP, and shows the console."""

import logging
import os
import sys

import click


@click.command()
def web() -> None:
    """Take messages in and show the console. Usually started by `serve`."""
    from jetbridge.control import database  # noqa: PLC0415 - Django must not load for `--help`

    database.start()
    database.migrate()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")

    from jetbridge.console import asgi  # noqa: PLC0415 - after Django
    from jetbridge.console.entry import link  # noqa: PLC0415 - after Django
    from jetbridge.control.settings import CONFIG  # noqa: PLC0415 - after Django
    from jetbridge.ingest import server  # noqa: PLC0415 - after Django

    first_run = link.first_run_link(CONFIG.public_url)
    server.run(CONFIG, console=asgi.application(), started=lambda address: _tell(address, first_run))
    # All is closed. Granian's threads may still reach for an interpreter that is going away, which aborts the
    # process (seen with the sandbox); so it goes without the interpreter's own farewell.
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)


def _tell(address: str, first_run: str) -> None:
    click.echo(f"Jetbridge listens at {address}")
    if first_run:
        click.echo(f"Nobody has an account yet. Make yours here: {first_run}")
