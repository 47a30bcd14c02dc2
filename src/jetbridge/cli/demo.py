"""`jetbridge demo`: the main job, in both directions, on this machine, with nothing to prepare."""

import sys

import click

from jetbridge.integrations.command_parts import examples


@click.command(epilog=examples("jetbridge demo", "jetbridge demo --once --json"))
@click.option("--once", is_flag=True, help="End when the day is over: status 0 if every promise is kept.")
@click.option("--json", "as_json", is_flag=True, help="With --once: print the checks as one JSON object.")
def demo(*, once: bool, as_json: bool) -> None:
    """Play a small shop's day: Identify in, contacts in Mailjet; email events in, track calls out."""
    if as_json and not once:
        raise click.UsageError("--json goes with --once: without it the demo does not end.")
    from jetbridge.demo.demo import run

    sys.exit(run(once=once, as_json=as_json))
