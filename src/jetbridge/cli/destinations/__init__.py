"""`jetbridge destinations`: where messages go. A module per verb, but for the short ones, which are in `manage`."""

import click

from jetbridge.cli.lazy_group import LazyGroup, integration_commands

COMMANDS = {
    "list": "jetbridge.cli.destinations.manage:list_",
    "add": "jetbridge.cli.destinations.manage:add",
    "set": "jetbridge.cli.destinations.manage:set_",
    "enable": "jetbridge.cli.destinations.manage:enable",
    "disable": "jetbridge.cli.destinations.manage:disable",
    "resume": "jetbridge.cli.destinations.deliveries:resume",
    "retry": "jetbridge.cli.destinations.deliveries:retry",
    "replay": "jetbridge.cli.destinations.deliveries:replay",
    "sync": "jetbridge.cli.destinations.deliveries:sync",
    "preview": "jetbridge.cli.destinations.preview:preview",
    "test": "jetbridge.cli.destinations.preview:test",
    "delete": "jetbridge.cli.destinations.manage:delete",
}


def commands() -> dict[str, str]:
    """Those above, and those of the integrations."""
    return {**COMMANDS, **integration_commands("destinations")}


@click.group(cls=LazyGroup, at=commands)
def destinations() -> None:
    """Where messages go: add destinations, change them, resume paused ones, replay messages."""
