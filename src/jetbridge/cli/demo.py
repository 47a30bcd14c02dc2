"""`jetbridge demo`: the main job, in both directions, on this machine, with nothing to prepare."""

import sys

import click


@click.command()
@click.option("--once", is_flag=True, help="End when the day is over: status 0 if every promise is kept.")
def demo(*, once: bool) -> None:
    """Play a small shop's day: Identify in, contacts in Mailjet; email events in, track calls out."""
    from jetbridge.demo.demo import run  # noqa: PLC0415 - needs much that `--help` does not

    sys.exit(run(once=once))
