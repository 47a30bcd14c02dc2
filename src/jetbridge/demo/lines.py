"""The demo where nobody watches: one line per act."""

import click

from jetbridge.demo.stage import Act


def show(act: Act) -> None:
    click.echo(f"{act.name:<10}{act.result}  ({act.seconds:.1f} s)")
