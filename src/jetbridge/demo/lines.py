"""The demo where nobody watches: one line per act."""

from jetbridge.demo.stage import Act
from jetbridge.text import echo


def show(act: Act) -> None:
    echo(f"{act.name:<10}{act.result}  ({act.seconds:.1f} s)")
