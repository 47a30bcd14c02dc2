"""`jetbridge sources`: where messages come from."""

import click

from jetbridge.cli import LazyGroup

COMMANDS = {
    "blocks": "jetbridge.cli.sources.blocks:blocks",
    "block": "jetbridge.cli.sources.blocks:block",
    "unblock": "jetbridge.cli.sources.blocks:unblock",
}


@click.group(cls=LazyGroup, at=COMMANDS)
def sources() -> None:
    """Where messages come from: what of them no destination gets."""
