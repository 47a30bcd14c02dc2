"""`jetbridge web`: one process that takes messages in over HTTP."""

import logging
import os
import sys

import click


@click.command()
def web() -> None:
    """Take messages in: the HTTP doors. Usually started by `serve`."""
    from jetbridge.control import database  # noqa: PLC0415 - Django must not load for `--help`

    database.start()
    database.migrate()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")

    from jetbridge.control.settings import CONFIG  # noqa: PLC0415 - after Django
    from jetbridge.ingest import server  # noqa: PLC0415 - after Django

    server.run(CONFIG, started=lambda address: click.echo(f"Jetbridge listens at {address}"))
    # All is closed. Granian's threads may still reach for an interpreter that is going away, which aborts the
    # process (seen with the sandbox); so it goes without the interpreter's own farewell.
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)
