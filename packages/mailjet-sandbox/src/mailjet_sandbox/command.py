"""``mailjet-sandbox``: the command."""

import os
import sys
from pathlib import Path

import click

_SECONDS = click.FloatRange(min=0)


@click.command()
@click.version_option(package_name="mailjet-sandbox")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8081, show_default=True, help="0: any free one."
)
@click.option(
    "--api-key", envvar="MAILJET_SANDBOX_API_KEY", help="The API key to answer to; made up if absent."
)
@click.option("--secret-key", envvar="MAILJET_SANDBOX_SECRET_KEY", help="Its secret key; made up if absent.")
@click.option(
    "--state",
    "state_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to keep everything in; without it all is forgotten at the end.",
)
@click.option(
    "--job-delay",
    "job_delay_seconds",
    type=_SECONDS,
    default=0.2,
    show_default=True,
    help="Seconds before a managemanycontacts job begins.",
)
@click.option(
    "--event-retry",
    "event_retry_seconds",
    type=_SECONDS,
    default=30.0,
    show_default=True,
    help="Seconds before an event is offered again to a callback URL that did not answer 200.",
)
@click.option(
    "--event-group",
    "event_group_seconds",
    type=_SECONDS,
    default=1.0,
    show_default=True,
    help="Seconds between two grouped calls to one callback URL.",
)
@click.option("--rate-limit", type=click.IntRange(min=1), help="Calls answered per second; more get 429.")
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Makes identifiers and faults repeatable."
)
@click.option(
    "--segment-write-key",
    envvar="MAILJET_SANDBOX_SEGMENT_WRITE_KEY",
    default="",
    help="The write key of the Segment Tracking API; without it any is accepted.",
)
@click.option(
    "--scenario",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File of faults to begin with, JSON or TOML.",
)
@click.option(
    "--fault",
    "short_faults",
    multiple=True,
    metavar="KIND[,NAME=VALUE]...",
    help="A fault to begin with, e.g. status,status=503,rate=0.1. Can be repeated.",
)
def sandbox(
    *,
    host: str,
    port: int,
    api_key: str | None,
    secret_key: str | None,
    state_file: Path | None,
    job_delay_seconds: float,
    event_retry_seconds: float,
    event_group_seconds: float,
    rate_limit: int | None,
    seed: int,
    segment_write_key: str,
    scenario: Path | None,
    short_faults: tuple[str, ...],
) -> None:
    """Run a Mailjet in a box: a local service that answers as Mailjet's API does."""
    # ruff: noqa: PLC0415 - the command line starts without a server
    from mailjet_sandbox.faults.scenario import BadFault, read_file, read_short
    from mailjet_sandbox.server import run

    try:
        run(
            host=host,
            port=port,
            api_key=api_key,
            secret_key=secret_key,
            state_file=state_file,
            job_delay_seconds=job_delay_seconds,
            event_retry_seconds=event_retry_seconds,
            event_group_seconds=event_group_seconds,
            rate_limit=rate_limit,
            seed=seed,
            segment_write_key=segment_write_key,
            faults=(*(read_file(scenario) if scenario else ()), *map(read_short, short_faults)),
            announce=click.echo,
        )
    except (OSError, BadFault) as error:
        raise click.ClickException(str(error)) from None
    # Stopped and saved. Granian's threads may still reach for an interpreter that is going away, which aborts
    # the process (seen in 2 of 24 stops under load); so it goes without the interpreter's own farewell.
    sys.stdout.flush()
    os._exit(0)
